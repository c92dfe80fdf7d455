"""What a page says of `evaluate` records: metrics beside those of baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from hitpredict.report.charts import Data, forest
from hitpredict.report.draw import Plot
from hitpredict.report.records import Printed
from hitpredict.report.section import SONGS, Section, between, figure

_ERRORS = {"mae", "mse"}


def section(records: Sequence[Printed]) -> Section | None:
    if not records:
        return None
    return Section(
        "evaluations",
        "Evaluation",
        "Measured on tracks that the model was not fitted on, unless a warning says otherwise; lines are 95 % "
        "intervals.",
        parts=[_evaluation(each, number) for number, each in enumerate(records[:SONGS], 1)],
    )


def _evaluation(record: Printed, number: int) -> Section:
    name = record.get("model", "model")
    systems = {name: record["metrics"], **record.get("baselines", {})}
    small = []
    for place, metric in enumerate(record["metrics"], 1):
        rows = [
            {"system": system, "value": found["value"], "from": found["interval"][0], "to": found["interval"][1]}
            for system, metrics in systems.items()
            if (found := metrics.get(metric))
        ]
        if rows:
            better = "lower" if metric in _ERRORS else "higher"
            told = "; ".join(f"{each['system']}: {each['value']:.3g}" for each in rows)
            title = f"{metric} ({better} is better)"
            small.append(Plot(f"metric-{number:02}-{place:02}", title, told, beside_baselines(rows, metric)))
    header = ("system", *record["metrics"])
    table = [header] + [
        (system, *(_measure(metrics.get(metric)) for metric in record["metrics"]))
        for system, metrics in systems.items()
    ]
    facts = [(key.capitalize(), str(record[key])) for key in ("target", "rows", "groups", "split") if key in record]
    warnings = [str(record["warning"])] if "warning" in record else []
    return Section(f"evaluation-{number}", name, facts=facts, warnings=warnings, small=small, table=table)


def _measure(found: Mapping[str, Any] | None) -> str:
    return f"{figure(found['value'], '.3f')} ({between(found['interval'], '.3f')})" if found else "–"


def beside_baselines(rows: Data, name: str) -> Any:
    """One metric of a model beside its baselines."""
    return forest(rows, "system", "value", alt.Scale(zero=False), name, width=230)
