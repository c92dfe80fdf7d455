"""What the work on one input may take: time, and addresses in memory."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import current_thread, main_thread


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
