"""One stream for several consumers: it is gone through once, and nobody keeps more of it than one block."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import islice
from threading import Barrier, BrokenBarrierError
from typing import TypeVar

Block = TypeVar("Block")
Result = TypeVar("Result")


def run(blocks: Iterable[Block], consumers: Sequence[Callable[[Iterator[Block]], Result]]) -> list[Result]:
    """What each consumer makes of the blocks, all of which every one of them is given.

    Several run in a thread each, and the next block is asked for once all have done with the last, whose memory may
    then be reused. One that returns early lets the others go on. What fails in one, or in the stream, ends all.
    """
    stream = iter(blocks)
    if len(consumers) == 1:
        return [consumers[0](stream)]
    current: list[Block] = []

    def advance() -> None:
        current[:] = islice(stream, 1)

    together = Barrier(len(consumers), action=advance)

    def passing() -> Iterator[Block]:
        while together.wait() >= 0 and current:
            yield current[0]

    def work(consumer: Callable[[Iterator[Block]], Result]) -> Result:
        given = passing()
        try:
            result = consumer(given)
            for _ in given:
                pass
        except BaseException:
            together.abort()
            raise
        return result

    with ThreadPoolExecutor(len(consumers)) as pool:
        futures = [pool.submit(work, consumer) for consumer in consumers]
        try:
            wait(futures)
        except BaseException:
            together.abort()
            raise
    errors = [error for future in futures if (error := future.exception())]
    for error in sorted(errors, key=lambda each: isinstance(each, BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
