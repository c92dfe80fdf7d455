"""An evaluation for people: aligned tables on a terminal, Markdown in a pipe."""

import sys
from collections.abc import Callable, Mapping, Sequence
from shutil import get_terminal_size
from typing import Any

from hitpredict.tables.cells import shown

_WIDE = 110
_ABREAST = 4
TablePrinter = Callable[[Sequence[str], Sequence[Sequence[str]]], None]


def printed_evaluation(result: Mapping[str, Any], aligned: bool, model: str, compare: str | None) -> None:
    """Print an evaluation: its tables, then what was asked for besides. model, compare: as they were typed."""
    _print(result, aligned)
    table = _aligned if aligned else _markdown
    if "by_class" in result:
        _print_classes(result["by_class"], table)
    if "threshold" in result:
        _print_cut(result["threshold"], result["model"], table)
    if "nested" in result:
        _print_nested(result["nested"], table)
    if "by" in result:
        _print_by(result["by"], table)
    if compare is not None:
        names = result["model"], result["compared"]["with"]
        _print_pair(result, table, *((model, compare) if names[0] == names[1] else names))
    for key, value in result["published"].items():
        _say(f"published {key}: {value}\n")


def _print(result: Mapping[str, Any], aligned: bool) -> None:
    from hitpredict.evaluation.card import answers_of, table_of, tables_of

    name, coverage = result["model"], result.get("coverage")
    _say(f"{name}: {result['rows']:,} rows in {result['groups']:,} groups, {result['target']}\n\n")
    if aligned:
        for table in tables_of(result, name, _cell):
            _aligned(*table)
    else:
        _say(table_of(result, name) + "\n\n")
    if coverage is None:
        _say(f"by rank alone: the model predicts {result['predicts']}, which has other units\n")
    else:
        share = "not known" if coverage["rows"] is None else f"{coverage['rows']:.1%} of rows"
        _say(f"coverage of the {coverage['level']:.0%} interval: {share}\n")
    for text in answers_of(result):
        _say(f"{text}\n")
    if "scored_rows" in result:
        _say(f"the score is measured on the {result['scored_rows']:,} rows whose whole curve is known\n")
    if "warning" in result:
        _say(f"beware: {result['warning']}\n")


def _say(text: str) -> None:
    sys.stdout.write(shown(text, lines=True))


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from hitpredict.cli.pretty import print_table

    print_table(head, rows)
    _say("\n")


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from hitpredict.evaluation.card import markdown

    _say(markdown(head, rows) + "\n\n")


def _cell(entry: Mapping[str, Any] | None) -> str:
    """A value and its interval, on a narrow screen below it; large numbers with fewer decimals."""
    if entry is None:
        return "–"
    numbers = entry["value"], *entry["interval"]
    value, low, high = (f"{each:,.{3 if abs(each) < 10 else 1 if abs(each) < 1000 else 0}f}" for each in numbers)
    return f"{value}{' ' if get_terminal_size().columns >= _WIDE else chr(10)}[{low}, {high}]"


def _line(entry: Mapping[str, Any] | None) -> str:
    return "–" if entry is None else _cell(entry).replace("\n", " ")


def _print_classes(found: Mapping[str, Any], table: TablePrinter) -> None:
    classes = found["classes"]
    _say("\neach class against the rest:\n\n")
    metrics = ("precision", "recall", "f1", "roc_auc")
    rows = [[each["name"], f"{each['rows']:,}", *(_line(each.get(metric)) for metric in metrics)] for each in classes]
    table(["class", "rows", *metrics], rows)
    _say("confusion, rows the true classes, columns the predicted ones:\n\n")
    names = [each["name"] for each in classes]
    counts = [[name, *(f"{n:,}" for n in row)] for name, row in zip(names, found["confusion"], strict=True)]
    table(["", *names], counts)


def _print_cut(found: Mapping[str, Any], name: str, table: TablePrinter) -> None:
    columns = {name: found["metrics"], **found["baselines"]}
    _say(f"\nscores and truth cut at {found['at']:g}, which {found['positive']:,} songs reach:\n\n")
    rows = [[metric, *(_line(each.get(metric)) for each in columns.values())] for metric in found["metrics"]]
    table(["", *columns], rows)


def _print_nested(steps: Sequence[Mapping[str, Any]], table: TablePrinter) -> None:
    _say(f"\nstep by step, on {steps[0]['rows']:,} songs that none of the models was fitted on:\n\n")
    rows = []
    for number, step in enumerate(steps, 1):
        gains = [step.get("gain", {}).get(metric) for metric in ("r2", "spearman")]
        verdicts = [f" {each['verdict']}" if each else "" for each in gains]
        cells = [f"{_line(each)}{verdict}" for each, verdict in zip(gains, verdicts, strict=True)]
        rows.append(
            [str(number), step["model"], str(step["tables"]), _line(step["r2"]), _line(step["spearman"]), *cells]
        )
    table(["step", "model", "tables", "r2", "spearman", "gain in r2", "gain in spearman"], rows)


def _print_by(found: Mapping[str, Any], table: TablePrinter) -> None:
    parts = found["values"]
    metrics = list(dict.fromkeys(metric for part in parts for metric in part["metrics"]))
    marks = {"higher": " ↑", "lower": " ↓"}

    def cell(part: Mapping[str, Any], metric: str) -> str:
        verdict = part["differences"].get(metric, {}).get("verdict", "")
        return _line(part["metrics"].get(metric)) + marks.get(verdict, "")

    _say(f"\nby {found['column']}, ↑ and ↓ where the difference from all other songs is beyond chance:\n\n")
    for start in range(0, len(metrics), _ABREAST):
        shown_now = metrics[start : start + _ABREAST]
        sizes = [[part["value"], f"{part['rows']:,}", f"{part['groups']:,}"] for part in parts]
        cells = [[cell(part, metric) for metric in shown_now] for part in parts]
        table(["", "songs", "groups", *shown_now], [[*a, *b] for a, b in zip(sizes, cells, strict=True)])
    differences = [(part["value"], metric, each) for part in parts for metric, each in part["differences"].items()]
    clear = [each for each in differences if each[2]["verdict"] in marks]
    _say(
        f"{len(clear)} of {len(differences)} differences are beyond chance (p-values from the spread over groups, "
        "corrected together for a false discovery rate of 5 %)\n"
    )
    for value, metric, each in clear:
        low, high = each["interval"]
        _say(f"{value}, {metric}: {each['value']:+.4f} [{low:+.4f}, {high:+.4f}] from the rest, q {each['q']:.2g}\n")


def _print_pair(result: Mapping[str, Any], table: TablePrinter, first: str, second: str) -> None:
    _say(f"\npaired differences, {first} minus {second}:\n")
    better = {"first": f"{first} is better", "second": f"{second} is better", None: "no clear difference"}
    for metric, entry in result["compared"].items():
        if isinstance(entry, dict):
            low, high = entry["interval"]
            _say(f"{metric}: {entry['value']:+.4f} [{low:+.4f}, {high:+.4f}]  {better[entry['better']]}\n")
    if "nearer" in result:
        _print_nearer(result["nearer"], first, second)
        _print_bands(result["bands"], table, first, second)


def _print_nearer(found: Mapping[str, Any], first: str, second: str) -> None:
    songs, groups = found["songs"], found["groups"]
    if found["share"] is None:
        _say(f"\n{second} is nowhere nearer to the truth than {first}, nor farther from it\n")
        return
    low, high = found["interval"]
    ties = f", {songs['ties']:,} equally near" if songs["ties"] else ""
    _say(
        f"\n{second} is nearer to the truth on {found['share']:.1%} [{low:.1%}, {high:.1%}] of the songs "
        f"({songs['second']:,} against {songs['first']:,}{ties})\n"
        f"exact sign test over groups: {second} is nearer on more songs in {groups['second']:,}, {first} in "
        f"{groups['first']:,} ({groups['ties']:,} undecided); p = {found['p_value']:.3g}, if groups are independent\n"
    )


def _print_bands(bands: Sequence[Mapping[str, Any]], table: TablePrinter, first: str, second: str) -> None:
    _say("\nmean absolute error by band of the truth:\n\n")
    rows = []
    for band in bands:
        ends = [f"{end:.4g}" for end in (band["from"], band["to"])]
        name = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
        rows.append([name, f"{band['songs']:,}", *(_line(band.get(key)) for key in ("first", "second", "difference"))])
    table(["truth", "songs", first, second, "difference"], rows)
