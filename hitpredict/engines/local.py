"""Work on many inputs with the processes of one machine, in input order, surviving the death of any of them."""

import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import chain, islice
from typing import Any, TypeVar

from hitpredict.errors import HitpredictError, InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

_WAITING_PER_JOB = 4
_WORTH_A_PROCESS = 3


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
) -> Iterator[tuple[Item, Result | InputError]]:
    """Yield (item, result) for each item, in order; what failed comes as an `InputError` in its place.

    prepare(*arguments) is called once in each process and gives the function for one item; both must be
    importable by name. jobs: processes, None for as many as there are cores and the items are worth; with one
    each result comes before the next item is asked for. here: what prepare(*arguments) gave this process, if it
    was called already. An item during which a process dies is reported as failed, and the others go on.
    """
    items = iter(items)
    if jobs is None:
        first = list(islice(items, cores() * _WORTH_A_PROCESS))
        jobs, items = len(first) // _WORTH_A_PROCESS, chain(first, items)
    if jobs <= 1:
        work = here or prepare(*arguments)
        yield from ((item, attempt(work, item, describe)) for item in items)
    else:
        yield from _pooled(prepare, arguments, items, jobs, describe)


def attempt(work: Callable[[Item], Result], item: Item, describe: Callable[[Item], str]) -> Result | InputError:
    """The result for one item, or what failed in it as an `InputError`; other `HitpredictError`s end the run."""
    try:
        return work(item)
    except InputError as error:
        return error
    except HitpredictError:
        raise
    except Exception as error:
        # One strange input must not take the others with it; `-v` shows where it happened.
        failure = InputError(f"{describe(item)}: unexpected {type(error).__name__}: {error}; -v shows where")
        failure.add_note(traceback.format_exc())
        return failure


def _pooled(
    prepare: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterator[Item],
    jobs: int,
    describe: Callable[[Item], str],
) -> Iterator[tuple[Item, Result | InputError]]:
    from pebble import ProcessPool

    context = multiprocessing.get_context("spawn")
    pool: Any = ProcessPool(jobs, initializer=_prepare, initargs=(prepare, arguments), context=context)
    waiting: deque[tuple[Item, Future[Result | InputError]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(_work, None, item, describe)))
            while waiting and (len(waiting) >= jobs * _WAITING_PER_JOB or waiting[0][1].done()):
                yield _collected(*waiting.popleft(), describe)
        while waiting:
            yield _collected(*waiting.popleft(), describe)
        pool.close()
    except BaseException:
        pool.stop()
        raise
    finally:
        pool.join()


def _collected(
    item: Item, future: "Future[Result | InputError]", describe: Callable[[Item], str]
) -> tuple[Item, Result | InputError]:
    from pebble import ProcessExpired

    try:
        return item, future.result()
    except ProcessExpired as expired:
        return item, InputError(f"{describe(item)}: the process that worked on it {_end(expired.exitcode)}")


def _end(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was killed by signal {-code} ({signal.Signals(-code).name}); perhaps memory ran out"


_ready: Callable[[Any], Any] | None = None


def _prepare(prepare: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
    global _ready  # noqa: PLW0603 - the one place where a process keeps what it has loaded
    # Ctrl-C reaches the whole group; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _ready = prepare(*arguments)


def _work(item: Any, describe: Callable[[Any], str]) -> Any:
    assert _ready is not None
    return attempt(_ready, item, describe)
