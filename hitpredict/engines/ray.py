"""Work on many inputs on a Ray cluster, through Ray Data, in input order."""

import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from hitpredict.engines.limits import UNLIMITED, Limits
from hitpredict.engines.local import Pool
from hitpredict.errors import InputError, needs

Item = TypeVar("Item")
Result = TypeVar("Result")


def run(
    prepare: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterable[Item],
    jobs: int | None,
    describe: Callable[[Item], str] = str,
    limits: Limits = UNLIMITED,
) -> Iterator[tuple[Item, Result | InputError]]:
    """Like `engines.local.run`, on the cluster that `RAY_ADDRESS` names, or one started on this machine.

    The inputs' paths must mean the same on every node. Raises `EnvironmentProblem` without the package ray.
    """
    with needs("scale", "`engine` ray needs"):
        import ray
        import ray.data
    everything = list(items)
    if not everything:
        return
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR)
    try:
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        dataset = ray.data.from_items([{"item": pickle.dumps(item)} for item in everything])
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        workers = jobs or max(1, int(resources.get("CPU", 1)) - 1)
        compute = ray.data.ActorPoolStrategy(size=workers)
        worker: Any = _Worker
        given = (prepare, arguments, describe, limits)
        results = dataset.map(worker, fn_constructor_args=given, compute=compute, num_cpus=1)
        for item, row in zip(everything, results.iter_rows(), strict=True):
            yield item, pickle.loads(row["result"])
    finally:
        if started:
            ray.shutdown()


class _Worker:
    """An actor with a process of its own for the work: that one can be stopped, and may die."""

    def __init__(
        self,
        prepare: Callable[..., Callable[[Any], Any]],
        arguments: tuple[Any, ...],
        describe: Callable[[Any], str],
        limits: Limits,
    ):
        self._pool = Pool(prepare, arguments, 1, describe, limits)

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        item = pickle.loads(row["item"])
        return {"result": pickle.dumps(self._pool.result(item, self._pool.begun(item)))}
