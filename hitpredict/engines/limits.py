"""What the work on one input may take: time, and addresses in memory."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread
from time import monotonic
from typing import TypeVar

from hitpredict.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """seconds: of time. memory: bytes of addresses that a process may have. None for no limit."""

    seconds: float | None = None
    memory: int | None = None


UNLIMITED = Limits()


class TimeUpError(BaseException):
    """Raised wherever the work happens to be; no handler of errors in it may stop this."""


@contextmanager
def alarm(seconds: float | None) -> Iterator[None]:
    """Raise `TimeUpError` after some time, in the main thread and where the system has such alarms.

    Work in foreign code hears it when it comes back.
    """
    if seconds is None or not hasattr(signal, "setitimer") or current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(number: int, frame: object) -> None:
    raise TimeUpError


@contextmanager
def patience(name: str, seconds: float | None) -> Iterator[None]:
    """Wait for something from outside no longer than that. Raises `InputError`, see `alarm`."""
    try:
        with alarm(seconds):
            yield
    except TimeUpError:
        raise late(name, seconds) from None


def late(name: str, seconds: float | None) -> InputError:
    """What is said of an input that was given up."""
    return InputError(f"{name}: given up after {seconds:g} s; a higher timeout allows more")


class Budget:
    """Seconds that the work on one input may take, added up over the threads that have a part of it.

    No thread can be stopped from outside: whatever passes on the blocks of a sound asks, and work in foreign code is
    not interrupted.
    """

    def __init__(self, name: str, seconds: float):
        self._name, self._seconds, self._spent = name, seconds, 0.0
        self._lock, self._thread = threading.Lock(), threading.local()

    def timed(self, call: Callable[[], T]) -> Callable[[], T]:
        """A part of the work. It raises `InputError` when the time is up."""

        def run() -> T:
            self._thread.begun = begun = monotonic()
            try:
                self.check(None)
                return call()
            finally:
                self._thread.begun = None
                with self._lock:
                    self._spent += monotonic() - begun

        return run

    def check(self, passing: T) -> T:
        """Pass something on. Raises `InputError` when the time is up."""
        begun = getattr(self._thread, "begun", None)
        if self._spent + (monotonic() - begun if begun else 0) > self._seconds:
            raise late(self._name, self._seconds)
        return passing


@contextmanager
def addresses(limit: int | None) -> Iterator[None]:
    """Let this process have so many bytes of addresses and no more, where the system keeps such a limit (Linux)."""
    try:
        import resource
    except ImportError:
        limit = None
    if limit is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
