"""How the program ends when it is told to: at once while nothing has begun, else by an exception that cleans up.

This imports next to nothing, so that it can come before all else.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]
_ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_MOMENT_SECONDS = 0.02
# Between making a file and seeing to its end nothing may come.
_UNDIVIDED = f"hitpredict{os.sep}files{os.sep}owned.py"


def leave_at_once() -> None:
    """From here on a signal ends the process without a word: there is nothing to clean up."""
    _set(lambda number, _: os._exit(128 + number))


@contextmanager
def unwinding() -> Iterator[None]:
    """Meanwhile a signal raises `KeyboardInterrupt` or `SystemExit` (128 + number), and the next one ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [(number, signal.getsignal(number)) for number in _ENDS]
    _set(_raise)
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _set(handler: Handler) -> None:
    for number in _ENDS:
        # What started this process wants it to survive these, as `nohup` does.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    if _must_wait(frame):
        threading.Timer(_MOMENT_SECONDS, os.kill, (os.getpid(), number)).start()
        return
    leave_at_once()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _must_wait(frame: FrameType | None) -> bool:
    """Whether C code would take the exception for its own failure: a module that is being imported, or libsndfile,
    which has called Python to read or write a file. Or whether it would leave a lock or a temporary file behind."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        if frame.f_code.co_name.startswith("vio_") and frame.f_code.co_filename.endswith("soundfile.py"):
            return True
        if frame.f_code.co_filename.endswith(_UNDIVIDED):
            return True
        frame = frame.f_back
    return False
