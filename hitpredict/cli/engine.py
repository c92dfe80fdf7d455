"""Where the work on many inputs is done: by processes of this machine, or on a Ray cluster."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.audio.expand import Stream, list_shard
from hitpredict.audio.source import MAX_FETCHED, Source
from hitpredict.cli.inputs import Sources
from hitpredict.engines.limits import Limits
from hitpredict.errors import InputError, UsageError

if TYPE_CHECKING:
    from hitpredict.engines.ray import Cluster


class Engine(StrEnum):
    """What spreads the work."""

    local = "local"
    ray = "ray"


@dataclass(frozen=True)
class Spreading:
    """What is told of it."""

    engine: Annotated[Engine, typer.Option(help="Spreading the work over this machine, or a Ray cluster.")] = (
        Engine.local
    )
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Ray cluster, as HOST:PORT or auto [default: RAY_ADDRESS, else one started on this machine].",
        ),
    ] = None

    @contextmanager
    def cluster(self, jobs: int | None) -> Iterator["Cluster | None"]:
        """The cluster, None for the processes of this machine. Raises `UsageError` and what `connected` raises."""
        if self.engine is Engine.local:
            if self.ray_address is not None:
                raise UsageError("--ray-address: say --engine ray, too, or leave it out")
            yield None
            return
        from hitpredict.engines.ray import connected

        with connected(self.ray_address, jobs) as cluster:
            yield cluster


def list_shards(cluster: "Cluster | None", found: Sources, max_bytes: int | None, seconds: float | None) -> None:
    """Let workers of the cluster list the tars at URLs, whose members are then fetched where they are worked on."""
    if cluster is None:
        return

    work = partial(_listed_shard, max_bytes=max_bytes or MAX_FETCHED, seconds=seconds)

    def lists(entries: Iterator[Source | Stream]) -> Iterator[Source | Stream | list[str]]:
        for entry, listed in cluster.ahead(work, entries, lambda each: isinstance(each, Stream) and each.stored):
            if listed is None:
                yield entry
            elif isinstance(listed, InputError):
                yield Source(entry.path, problem=str(listed).removeprefix(f"{entry.path}: "))
            else:
                members, skipped = listed
                yield from members
                yield skipped

    found.listed(lists)


def _listed_shard(stream: Stream, max_bytes: int, seconds: float | None) -> tuple[list[Source], list[str]] | None:
    return list_shard(stream.path, max_bytes, seconds)


def spread_over(
    cluster: "Cluster | None",
    prepare: Callable[..., Callable[[Source], Any]],
    arguments: tuple[Any, ...],
    found: Iterable[Source],
    jobs: int | None,
    limits: Limits,
    here: Callable[[Source], Any] | None = None,
    device: Any = "cpu",
) -> Iterator[tuple[Source, Any]]:
    """Each source with its result, or an `InputError`, in order; see `engines.local.run` and `Cluster.run`."""
    if cluster is None:
        from hitpredict.engines import local

        yield from local.run(prepare, arguments, found, jobs, here=here, limits=limits)
        return
    made = cluster.run(prepare, arguments, found, jobs, sent=Source.sent, limits=limits, device=device)
    for source, result in made:
        source.discard()
        yield source, result
