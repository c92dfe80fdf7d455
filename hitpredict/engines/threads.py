"""Calls that release the interpreter's lock (Rubber Band, effects), on several threads, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from hitpredict.engines.local import cores
from hitpredict.errors import InputError

Key = TypeVar("Key")
Result = TypeVar("Result")


def run(
    work: Iterable[tuple[Key, Callable[[], Result]]], jobs: int | None
) -> Generator[tuple[Key, Result | InputError], None, None]:
    """Yield (key, result) for each call, in order, with as few results in memory as `jobs` allows.

    A call's `InputError` comes as its result; any other exception ends the run.
    """
    jobs = jobs or cores()
    waiting: deque[tuple[Key, Future[Result | InputError]]] = deque()
    pool = ThreadPoolExecutor(jobs)
    try:
        for key, call in work:
            waiting.append((key, pool.submit(call)))
            while len(waiting) > jobs or (waiting and waiting[0][1].done()):
                done, future = waiting.popleft()
                yield done, _collected(future)
        while waiting:
            done, future = waiting.popleft()
            yield done, _collected(future)
    finally:
        pool.shutdown(cancel_futures=True)


def _collected(future: "Future[Result | InputError]") -> Result | InputError:
    try:
        return future.result()
    except InputError as error:
        return error
