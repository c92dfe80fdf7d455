"""What a page says of `evaluate` records: metrics beside those of baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from hitpredict.report.charts import Data, forest
from hitpredict.report.draw import Plot
from hitpredict.report.records import Printed
from hitpredict.report.section import SONGS, Section, between, change, figure

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
    parts = [each for each in (_compared(record, number), _broken_down(record, number)) if each]
    return Section(f"evaluation-{number}", name, facts=facts, warnings=warnings, small=small, table=table, parts=parts)


def _compared(record: Printed, number: int) -> Section | None:
    """The other model of `evaluate --compare`: paired differences, who is nearer, errors by band of the truth."""
    if "compared" not in record:
        return None
    first, second = record.get("model", "model"), record["compared"]["with"]
    found = {name: each for name, each in record["compared"].items() if name != "with" and each}
    called = {"first": first, "second": second}
    notes = [f"{called[each['better']]} is better by {name}." for name, each in found.items() if each.get("better")]
    facts, plots = list[tuple[str, str]](), list[Plot]()
    if nearer := record.get("nearer"):
        facts = [
            ("Nearer to the truth", f"{second}, on {figure(100 * nearer['share'])} % of the songs"),
            ("95 % interval", f"{between([100 * each for each in nearer['interval']])} %"),
            ("Sign test over groups", f"p = {nearer['p_value']:.2g}"),
        ]
    if bands := record.get("bands"):
        ends = [(figure(each["from"], "g"), figure(each["to"], "g")) for each in bands]
        labels = [low if low == high else f"{low} to {high}" for low, high in ends]
        rows = [
            {"band": label, "difference": each["difference"]["value"]} | _ends(each["difference"])
            for label, each in zip(labels, bands, strict=True)
        ]
        told = "; ".join(f"{each['band']}: {change(each['difference'], 3)}" for each in rows)
        title = f"Error of {first} less that of {second}, by band of the truth"
        chart = forest(rows, "band", "difference", alt.Scale(zero=True), "difference of mean absolute errors")
        plots.append(Plot(f"bands-{number:02}", title, told, chart))
    table = [("measure", f"{first} minus {second}", "verdict")] + [
        (name, f"{change(each['value'], 3)} ({between(each['interval'], '+.3f')})", each["verdict"])
        for name, each in found.items()
    ]
    title = f"Beside {second}"
    return Section(
        f"compared-{number}",
        title,
        facts=facts,
        notes=notes or [f"No measure shows a clear difference of {first} and {second}."],
        plots=plots,
        table=table,
    )


def _broken_down(record: Printed, number: int) -> Section | None:
    """What `evaluate --by` says of the values of a column."""
    if "by" not in record:
        return None
    column, values = record["by"]["column"], record["by"]["values"]
    measures = [name for name in values[0]["metrics"] if all(each["metrics"].get(name) for each in values)]
    clear = [
        f"{each['value']}: {name} differs from the rest by {change(difference['value'], 3)}."
        for each in values
        for name, difference in each["differences"].items()
        if difference["verdict"] != "no clear difference"
    ]
    plots = [_by_value(values, measure, column, f"by-{number:02}") for measure in measures[:1]]
    table = [(column, "songs", "groups", *measures)] + [
        (str(each["value"]), str(each["rows"]), str(each["groups"]), *(_measure(each["metrics"][m]) for m in measures))
        for each in values
    ]
    return Section(
        f"by-{number}",
        f"By {column}",
        notes=clear or ["No difference between them is beyond chance."],
        plots=plots,
        table=table,
    )


def _by_value(values: Sequence[Printed], measure: str, column: str, name: str) -> Plot:
    found = [(str(each["value"]), each["metrics"][measure]) for each in values]
    rows = [{"value": value, "measured": each["value"]} | _ends(each) for value, each in found]
    told = "; ".join(f"{value}: {each['value']:.3g}" for value, each in found)
    return Plot(name, f"{measure} by {column}", told, forest(rows, "value", "measured", alt.Scale(zero=False), measure))


def _ends(found: Mapping[str, Any]) -> dict[str, float]:
    return {"from": found["interval"][0], "to": found["interval"][1]}


def _measure(found: Mapping[str, Any] | None) -> str:
    return f"{figure(found['value'], '.3f')} ({between(found['interval'], '.3f')})" if found else "–"


def beside_baselines(rows: Data, name: str) -> Any:
    """One metric of a model beside its baselines."""
    return forest(rows, "system", "value", alt.Scale(zero=False), name, width=230)
