"""Work on many inputs with the processes of one machine, in input order, surviving the death of any of them."""

import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from types import SimpleNamespace
from typing import Any, TypeVar

from hitpredict.engines.limits import UNLIMITED, Limits, TimeUpError, addresses, alarm, late
from hitpredict.errors import EnvironmentProblem, HitpredictError, InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

_WAITING_PER_JOB = 4
_WORTH_A_PROCESS = 3
_GRACE_SECONDS = 5.0
_STEADY = SimpleNamespace(**{**vars(time), "time": time.monotonic})


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    prepare: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterable[Item],
    jobs: int | None,
    describe: Callable[[Item], str] = str,
    here: Callable[[Item], Result] | None = None,
    limits: Limits = UNLIMITED,
) -> Generator[tuple[Item, Result | InputError], None, None]:
    """Yield (item, result) for each item, in order; what failed comes as an `InputError` in its place.

    prepare(*arguments) is called once in each process and gives the function for one item; both must be
    importable by name. jobs: processes, None for as many as there are cores and the items are worth, and never more
    than items; with one each result comes before the next item is asked for. here: what prepare(*arguments) gave
    this process, if it was called already. An item during which a process dies, or that takes more than the limits
    allow, is reported as failed, and the others go on; alone in this process, work in foreign code is not interrupted.
    """
    items = iter(items)
    first = list(islice(items, jobs or cores() * _WORTH_A_PROCESS))
    jobs = jobs or len(first) // _WORTH_A_PROCESS
    items = chain(first, items)
    if jobs <= 1 or not first:
        with addresses(limits.memory):
            work = here or prepare(*arguments)
            yield from ((item, attempt(work, item, describe, limits.seconds)) for item in items)
    else:
        yield from _pooled(prepare, arguments, items, min(jobs, len(first)), describe, limits)


def attempt(
    work: Callable[[Item], Result], item: Item, describe: Callable[[Item], str], seconds: float | None = None
) -> Result | InputError:
    """The result for one item, or what failed in it as an `InputError`; other `HitpredictError`s end the run."""
    try:
        with alarm(seconds):
            return work(item)
    except InputError as error:
        return error
    except HitpredictError:
        raise
    except TimeUpError:
        return late(describe(item), seconds)
    except Exception as error:
        # One strange input must not take the others with it; `-v` shows where it happened.
        failure = InputError(f"{describe(item)}: {_in_words(error)}; -v shows where")
        failure.add_note(traceback.format_exc())
        return failure


def _in_words(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "needs more memory than there is, or than the limit allows"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"unexpected {type(error).__name__}: {error}"


def _pooled(
    prepare: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterator[Item],
    jobs: int,
    describe: Callable[[Item], str],
    limits: Limits,
) -> Iterator[tuple[Item, Result | InputError]]:
    pool = Pool(prepare, arguments, jobs, describe, limits)
    waiting: deque[tuple[Item, Future[Result | InputError]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.begun(item)))
            while waiting and (len(waiting) >= jobs * _WAITING_PER_JOB or waiting[0][1].done()):
                yield waiting[0][0], pool.result(*waiting.popleft())
        while waiting:
            yield waiting[0][0], pool.result(*waiting.popleft())
        pool.processes.close()
    except BaseException:
        pool.processes.stop()
        raise
    finally:
        pool.processes.join()


class Pool:
    """Processes that do the same work on one item at a time within limits, and are replaced when they die."""

    def __init__(
        self,
        prepare: Callable[..., Callable[[Any], Any]],
        arguments: tuple[Any, ...],
        jobs: int,
        describe: Callable[[Any], str],
        limits: Limits,
    ):
        self._jobs, self._given = jobs, (prepare, arguments, limits.memory)
        self._describe, self._seconds = describe, limits.seconds
        self._start()

    def _start(self) -> None:
        from pebble import ProcessPool
        from pebble.pool import process

        # Its clock is the wall's: when that is set, what has just begun would be late, or nothing ever.
        vars(process)["time"] = _STEADY
        context = multiprocessing.get_context("spawn")
        self.processes: Any = ProcessPool(self._jobs, initializer=_prepare, initargs=self._given, context=context)
        self._fruitful = False

    def begun(self, item: Any) -> "Future[Any]":
        """Work on an item as soon as a process is free."""
        # What does not hear the alarm of its own process is killed.
        patience = None if self._seconds is None else self._seconds + _GRACE_SECONDS
        try:
            future: Future[Any] = self.processes.submit(_work, patience, item, self._describe, self._seconds)
        except RuntimeError:
            # It takes nothing any more, which whoever asks for the result hears of.
            future = Future()
            future.set_exception(BrokenProcessPool())
        return future

    def result(self, item: Any, future: "Future[Any]", again: bool = False) -> Any:
        """What came of it, or an `InputError`. Raises `EnvironmentProblem` when no process starts.

        A process that is killed while it hands over a result leaves the others without a way to do so: they end by
        themselves. What they had is begun anew, once, and all processes where none is left. again: that was done.
        """
        from pebble import ProcessExpired

        try:
            found = future.result()
        except TimeoutError:
            return late(self._describe(item), self._seconds)
        except BrokenProcessPool as error:
            if not self.processes.active:
                self._replace(error)
            return self.result(item, self.begun(item), again)
        except ProcessExpired as expired:
            if expired.exitcode >= 0 and not again:
                return self.result(item, self.begun(item), again=True)
            return InputError(f"{self._describe(item)}: the process that worked on it {_end(expired.exitcode)}")
        self._fruitful = True
        return found

    def _replace(self, error: Exception) -> None:
        """Other processes in the place of those that ended. Raises `EnvironmentProblem` when nothing came of them."""
        if not self._fruitful:
            raise EnvironmentProblem("the worker processes do not start; is there memory for them?") from error
        self.processes.stop()
        self.processes.join()
        self._start()


def _end(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by signal {-code} ({signal.Signals(-code).name}); perhaps memory ran out"


_ready: Callable[[Any], Any] | None = None
_for_good = ExitStack()


def _prepare(prepare: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...], memory: int | None) -> None:
    global _ready  # noqa: PLW0603 - the one place where a process keeps what it has loaded
    # Ctrl-C, and the end of the terminal, reach the whole group; the parent decides what happens.
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _for_good.enter_context(addresses(memory))
    try:
        _ready = prepare(*arguments)
    except HitpredictError as error:
        _ready = partial(_refuse, error)


def _refuse(error: HitpredictError, item: Any) -> Any:
    raise error


def _work(item: Any, describe: Callable[[Any], str], seconds: float | None) -> Any:
    assert _ready is not None
    return attempt(_ready, item, describe, seconds)
