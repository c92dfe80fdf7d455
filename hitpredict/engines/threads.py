"""Calls that release the interpreter's lock (Rubber Band, effects), on several threads, in order."""

import errno
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from hitpredict.engines.local import attempt, cores
from hitpredict.errors import InputError

_OF_THE_OUTPUT = (errno.EPIPE, errno.EBADF, errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EIO)
Key = TypeVar("Key")
Result = TypeVar("Result")


def run(
    work: Iterable[tuple[Key, Callable[[], Result]]], jobs: int | None, describe: Callable[[Key], str] = str
) -> Generator[tuple[Key, Result | InputError], None, None]:
    """Yield (key, result) for each call, in order, with as few results in memory as `jobs` allows.

    What fails in a call comes as its result, as in `engines.local`; what is wrong with the output ends the run.
    """
    jobs = jobs or cores()
    waiting: deque[tuple[Key, Future[Result | InputError]]] = deque()
    pool = ThreadPoolExecutor(jobs)
    try:
        for key, call in work:
            waiting.append((key, pool.submit(attempted, call, key, describe)))
            while len(waiting) > jobs or (waiting and waiting[0][1].done()):
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def attempted(call: Callable[[], Result], key: Key, describe: Callable[[Key], str] = str) -> Result | InputError:
    """What a call gives, or what failed in it. Raises `OSError` for a full disk or a reader who has gone."""

    def work(_: Key) -> Result | OSError:
        try:
            return call()
        except OSError as error:
            if error.errno not in _OF_THE_OUTPUT:
                raise
            return error

    result = attempt(work, key, describe)
    if isinstance(result, OSError):
        raise result
    return result
