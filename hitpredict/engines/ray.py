"""Work on many inputs with the actors of a Ray cluster, in input order, surviving the loss of any of them.

Ray Data gives an actor that it has lost, with what it was working on, its place back only when the others have nothing
left to do, and it wants to know all inputs before the first is worked on. Here Ray places and watches the actors, and
what was lost with one goes to the next that is free. docs/scale.md has the numbers.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from itertools import count, islice
from threading import current_thread, main_thread
from typing import IO, Any, Literal, TypeVar

from hitpredict import __version__
from hitpredict.engines.limits import UNLIMITED, Limits
from hitpredict.engines.local import Pool, cores
from hitpredict.errors import EnvironmentProblem, InputError, UsageError, needs

Item = TypeVar("Item")
Result = TypeVar("Result")

_BLOCK, _BLOCKS_PER_WORKER, _SMALL_BLOCKS = 8, 3, 4
_TRIES, _AHEAD = 3, 16
_KNOCK_SECONDS, _CONNECT_SECONDS, _START_SECONDS = 10, 90, 900
_TRIAL = "import logging, sys, ray; ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.ERROR)"


@contextmanager
def connected(address: str | None = None, jobs: int | None = None) -> Iterator["Cluster"]:
    """The cluster at HOST:PORT or `auto` (this machine's own), by default at RAY_ADDRESS, or one of this machine alone.

    jobs: how many processes the latter has, as many as there are cores by default. Meanwhile nothing but the main
    thread writes to standard output, where Ray tells of lost nodes. Raises `EnvironmentProblem` without the package ray
    and, within two minutes, where no cluster answers, and `UsageError` for the address of a Ray client.
    """
    with needs("scale", "`engine` ray needs"):
        import ray
    address = address or os.environ.get("RAY_ADDRESS") or None
    if started := not ray.is_initialized():
        own: dict[str, Any] = (
            {"num_cpus": jobs or cores(), "include_dashboard": False} if address in (None, "local") else {}
        )
        if not own:
            _check_answer(str(address))
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        handlers = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
        ray.init(address="local" if own else address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
        if current_thread() is main_thread():
            for number, handler in handlers:
                signal.signal(number, handler)
    stdout, sys.stdout = sys.stdout, _OfOneThread(sys.stdout)
    try:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield Cluster(int(resources.get("CPU", 0)), int(resources.get("GPU", 0)))
    finally:
        sys.stdout = stdout
        if started:
            # It writes what it has held back.
            with redirect_stdout(None), redirect_stderr(None):
                ray.shutdown()


def _check_answer(address: str) -> None:
    """Ray itself waits for minutes, or ends the process, where nothing answers: another process tries it first."""
    if address.startswith("ray://"):
        raise UsageError(
            f"`ray_address` {address}: is for Ray's client; give HOST:PORT of the head node (mostly port 6379), and "
            "run this on a node of the cluster, as `ray job submit` does"
        )
    host, _, port = address.rpartition(":")
    if host:
        try:
            socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()
        except (OSError, ValueError, OverflowError) as error:
            raise _nothing_at(address, str(error)) from error
    # `auto` must not lead back to the variable.
    settings = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    command = [sys.executable, "-c", _TRIAL, address]
    try:
        trial = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_CONNECT_SECONDS, check=False, env=settings
        )
    except subprocess.TimeoutExpired as error:
        raise _nothing_at(address, f"no answer of Ray within {_CONNECT_SECONDS} s") from error
    if trial.returncode:
        said = trial.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {trial.returncode}"]
        raise _nothing_at(address, said[-1])


def _nothing_at(address: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"`ray_address` {address}: no Ray cluster that this machine is part of answers there ({why}); start one with "
        "Ray's own command, or leave the address out"
    )


class _OfOneThread:
    """A text stream that takes what this thread writes; what others write is lost."""

    def __init__(self, stream: IO[str]):
        self._stream, self._thread = stream, current_thread()

    def write(self, text: str) -> int:
        return self._stream.write(text) if current_thread() is self._thread else len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected with. cpus, gpus: how many it had then."""

    cpus: int
    gpus: int

    def device(self, asked: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
        """Where models run: for `auto` on GPUs where the cluster has some. Raises `EnvironmentProblem`."""
        if asked == "cuda" and not self.gpus:
            raise EnvironmentProblem("`device` cuda: the Ray cluster has no GPU")
        return "cuda" if asked != "cpu" and self.gpus else "cpu"

    def ahead(
        self, work: Callable[[Item], Result], items: Iterable[Any], chosen: Callable[[Any], bool]
    ) -> Iterator[tuple[Any, Result | InputError | None]]:
        """Each item, in order, with the work done on it somewhere in the cluster if it is chosen, else None.

        Of chosen items some are worked on before they are needed. Those whose workers are lost have failed.
        """
        import ray

        def done(item: Item) -> Result:
            return work(item)

        task, waiting = ray.remote(num_cpus=0, max_retries=_TRIES)(done), deque[tuple[Any, Any]]()
        for item in items:
            waiting.append((item, task.remote(item) if chosen(item) else None))
            while waiting and (waiting[0][1] is None or len(waiting) > _AHEAD):
                yield _done(*waiting.popleft())
        while waiting:
            yield _done(*waiting.popleft())

    def run(
        self,
        prepare: Callable[..., Callable[[Item], Result]],
        arguments: tuple[Any, ...],
        items: Iterable[Item],
        jobs: int | None = None,
        describe: Callable[[Item], str] = str,
        sent: Callable[[Item], Item] = lambda item: item,
        limits: Limits = UNLIMITED,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> Iterator[tuple[Item, Result | InputError]]:
        """Like `engines.local.run`, on actors that have a processor each, or with the device `cuda` a GPU.

        jobs: actors, None for as many as the cluster has processors or GPUs; those that find no place begin when there
        is one. sent: an item in a form that another machine can use. No more than some blocks of items for each actor
        are taken before they are needed, and no more results kept. An item whose actors were lost three times is
        reported as failed. Raises `EnvironmentProblem` when no actor starts.
        """
        import ray

        workers = jobs or (self.gpus if device == "cuda" else self.cpus)
        if not workers:
            raise EnvironmentProblem("the Ray cluster has no processors to work on")
        needed: dict[str, Any] = {"num_gpus": 1} if device == "cuda" else {"num_cpus": 1}
        worker = ray.remote(max_restarts=0, max_task_retries=0, **needed)(Worker)
        given = ray.put((prepare, arguments, describe, limits, os.getcwd()))  # noqa: PTH109 - links are not followed
        work = _Dispatch(lambda: worker.remote(given), workers, sent)
        try:
            yield from work.over(iter(items), describe)
        finally:
            work.end()


class Worker:
    """An actor with a process of its own for the work: that one can be stopped, and may die.

    given: prepare, arguments, describe and limits, as `Cluster.run` has them, and the folder that relative paths mean.
    """

    def __init__(self, given: tuple[Any, ...]):
        prepare, arguments, describe, limits, folder = given
        with suppress(OSError):
            os.chdir(folder)
        self._pool = Pool(prepare, arguments, 1, describe, limits)

    def version(self) -> str:
        """The version of this program there."""
        return __version__

    def work(self, items: list[Any]) -> list[Any]:
        """What came of each item, or an `InputError`."""
        return [self._pool.result(item, self._pool.begun(item)) for item in items]


@dataclass(eq=False)
class _Block:
    items: list[Any]
    losses: int = 0
    results: list[Any] | None = field(default=None)


class _Dispatch:
    """Blocks of items, in order, and the actors that work on them."""

    def __init__(self, new_actor: Callable[[], Any], workers: int, sent: Callable[[Any], Any]):
        self._new_actor, self._workers, self._sent = new_actor, workers, sent
        self._window, self._waiting = list[_Block](), deque[_Block]()
        self._idle, self._starting, self._working = list[Any](), dict[Any, Any](), dict[Any, tuple[Any, _Block]]()
        self._failed_starts = 0

    def over(self, items: Iterator[Any], describe: Callable[[Any], str]) -> Iterator[tuple[Any, Any]]:
        """Each item with its result, in order."""
        blocks = self._blocks(items)
        while True:
            self._take_from(blocks)
            if not self._window:
                return
            while len(self._idle) + len(self._starting) + len(self._working) < min(self._workers, len(self._window)):
                self._start()
            while self._idle and self._waiting:
                self._give(self._idle.pop(), self._waiting.popleft())
            if self._window[0].results is None:
                self._wait(describe)
            while self._window and (results := self._window[0].results) is not None:
                yield from zip(self._window.pop(0).items, results, strict=True)

    def end(self) -> None:
        """Let the actors go."""
        import ray

        for actor in (*self._idle, *self._starting.values(), *(actor for actor, _ in self._working.values())):
            ray.kill(actor)

    def _blocks(self, items: Iterator[Any]) -> Iterator[_Block]:
        for number in count():
            # The first ones are small, so that a few inputs occupy many actors.
            size = 1 if number < _SMALL_BLOCKS * self._workers else _BLOCK
            if not (taken := list(islice(items, size))):
                return
            yield _Block(taken)

    def _take_from(self, blocks: Iterator[_Block]) -> None:
        while len(self._window) < _BLOCKS_PER_WORKER * self._workers and (block := next(blocks, None)):
            self._window.append(block)
            self._waiting.append(block)

    def _start(self) -> None:
        actor = self._new_actor()
        self._starting[actor.version.remote()] = actor

    def _give(self, actor: Any, block: _Block) -> None:
        self._working[actor.work.remote([self._sent(item) for item in block.items])] = actor, block

    def _wait(self, describe: Callable[[Any], str]) -> None:
        """Wait for the next actor that has started, or is done with its block, or is lost."""
        import ray

        alone = not (self._idle or self._working)
        patience = _START_SECONDS if alone else None
        ready, _ = ray.wait([*self._starting, *self._working], timeout=patience)
        if not ready:
            raise EnvironmentProblem(
                f"the Ray cluster has had no place for any actor in {_START_SECONDS / 60:g} minutes"
            )
        answer = ready[0]
        if actor := self._starting.pop(answer, None):
            self._begin(actor, answer)
            return
        actor, block = self._working.pop(answer)
        try:
            block.results = _got(answer)
        except ray.exceptions.RayError:
            ray.kill(actor)
            self._lose(block, describe)
        else:
            self._idle.append(actor)

    def _begin(self, actor: Any, answer: Any) -> None:
        import ray

        try:
            version = _got(answer)
        except ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts > _TRIES + self._workers:
                reason = str(error).strip().splitlines()[-1]
                raise EnvironmentProblem(f"no actor starts on the Ray cluster: {reason}") from error
            return
        if version != __version__:
            raise EnvironmentProblem(
                f"a node of the Ray cluster has hitpredict {version}, this one {__version__}; install the same on all"
            )
        self._failed_starts = 0
        self._idle.append(actor)

    def _lose(self, block: _Block, describe: Callable[[Any], str]) -> None:
        """Give a block to the next actor; what was lost often goes in single items, and in the end has failed."""
        block.losses += 1
        if block.losses < _TRIES:
            self._waiting.appendleft(block)
        elif len(block.items) == 1:
            name = describe(block.items[0])
            block.results = [InputError(f"{name}: the Ray actors that worked on it were lost {_TRIES} times")]
        else:
            place = self._window.index(block)
            parts = [_Block([item]) for item in block.items]
            self._window[place : place + 1] = parts
            self._waiting.extendleft(reversed(parts))


def _done(item: Any, answer: Any) -> tuple[Any, Any]:
    import ray

    try:
        return item, None if answer is None else _got(answer)
    except InputError as error:
        return item, error
    except ray.exceptions.RayError as error:
        return item, InputError(str(error).strip().splitlines()[0])


def _got(answer: Any) -> Any:
    """What an actor answers. Raises the error that was raised there, and Ray's own where the actor is lost."""
    import ray

    try:
        return ray.get(answer)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
