"""How often a service may be asked, and how little it may send."""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Self

SLOWEST = 4096
"""Bytes a second."""


class RateLimiter:
    """At most `count` requests in any `seconds`; `wait` sleeps until one more is allowed."""

    def __init__(
        self,
        count: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._seconds, self._clock, self._sleep = seconds, clock, sleep
        self._times: deque[float] = deque(maxlen=count)

    def slow_down(self, seconds: float) -> None:
        """From now on let at least so many seconds pass."""
        self._seconds = max(self._seconds, seconds)

    def wait(self) -> None:
        """Sleep as long as must be, and count one request."""
        if len(self._times) == self._times.maxlen:
            self._sleep(max(0.0, self._times[0] + self._seconds - self._clock()))
        self._times.append(self._clock())


class Watch:
    """Hangs up on a server that sends hardly anything, whatever it is that it sends: headers, sizes of chunks, content.

    A client's own timeout begins again with every byte. sockets: those open when it ends, which are shut, so that
    whoever waits for them goes on. window: seconds in which `SLOWEST` a second must have come. within: seconds in all.
    After the block `slow` or `late` says whether and why it hung up; `count` takes the bytes.
    """

    def __init__(self, sockets: Callable[[], Iterable[socket.socket]], window: float, within: float | None):
        self._sockets, self._window, self._within = sockets, window, within
        self._done, self._bytes = threading.Event(), 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.slow = self.late = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def count(self, size: int) -> None:
        """Take note of content that has come."""
        self._bytes += size

    def _look(self) -> None:
        end = time.monotonic() + (self._within or float("inf"))
        while not self.slow and not self.late:
            before, left = self._bytes, end - time.monotonic()
            if self._done.wait(min(self._window, max(left, 0.0))):
                return
            self.late = left <= self._window
            self.slow = self._bytes - before < SLOWEST * self._window
        for each in self._sockets():
            with suppress(OSError):
                # A TLS socket's own method would not wake the reader.
                socket.socket.shutdown(each, socket.SHUT_RDWR)
