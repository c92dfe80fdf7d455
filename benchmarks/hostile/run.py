"""Attack everything that hitpredict reads and writes, and write benchmarks/hostile/RESULTS.md.

    python benchmarks/hostile/run.py [--quick] [ATTACK...]        all attacks by default, in about an hour

Each attack keeps its last result in results/, from which the page is put together. --quick: a few cases of each,
which are only counted. Exit code 1 when something happened that must not.
"""

import argparse
import importlib
import json
import sys
from typing import Any

from common import HERE, RESULTS, measured, save

ATTACKS = ("audio", "archives", "models", "tables", "kills", "batch", "downloads")
_QUICK = {"audio": 200, "archives": 40, "models": 20, "tables": 5, "kills": 2, "batch": 200, "downloads": 4}
_HEAD = """# Attacks

Written by `python benchmarks/hostile/run.py`. Every case is made from a seed and a number, so that it can be made
again: `python benchmarks/hostile/audio.py --seed 0`. A fault is whatever must not happen: a traceback, "this is a
defect", a hang, another exit code than documented, an escape sequence on a terminal, a row or a failure too few or
too many, a file left behind, more memory than stated in the script. [tests/hostile](../../tests/hostile) holds the
same attacks in the small, and each thing that was found by them.

| attack | cases | faults | largest process | longest command | took | machine, date, commit |
|---|---|---|---|---|---|---|
"""


def _row(result: dict[str, Any]) -> str:
    where = f"{result['machine']}, {result['date']}, {result['commit']}"
    return (
        f"| [{result['name']}]({result['name']}.py) | {result['asked']:,} | {len(result['faults'])} | "
        f"{result['peak_mb']:.0f} MB | {result['longest']:.1f} s | {result['seconds']} s | {where} |"
    )


def _section(result: dict[str, Any]) -> str:
    doc = importlib.import_module(result["name"]).__doc__ or ""
    counts = "\n".join(f"| {what} | {count:,} |" for what, count in sorted(result["counts"].items()))
    faults = "".join(f"\n- `{text[:300]}`" for text in result["faults"])
    told = f"\n\nFaults:\n{faults}" if faults else ""
    return f"## {result['name']}\n\n{doc.splitlines()[0]}\n\n| | count |\n|---|---|\n{counts}{told}\n"


def write_page() -> None:
    """Put all results there are together."""
    found = [json.loads(path.read_text()) for name in ATTACKS if (path := RESULTS / f"{name}.json").exists()]
    rows = "\n".join(map(_row, found))
    (HERE / "RESULTS.md").write_text(
        f"{_HEAD}{rows}\n\n" + "\n".join([*map(_section, found), (HERE / "notes.md").read_text()])
    )


def main() -> None:
    """Run the attacks asked for, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"of {', '.join(ATTACKS)}")
    parser.add_argument("--quick", action="store_true", help="a few cases of each; print only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="of each attack, at most")
    parser.add_argument("--page", action="store_true", help="only write the page from the results there are")
    given = parser.parse_args()
    if unknown := set(given.attacks) - set(ATTACKS):
        parser.error(f"no such attack: {', '.join(sorted(unknown))}; there are {', '.join(ATTACKS)}")
    faults = 0
    for name in () if given.page else given.attacks or ATTACKS:
        module = importlib.import_module(name)
        count = _QUICK[name] if given.quick else module.COUNT
        result = measured(name, module.attack, count, given.seed, given.minutes)
        faults += len(result["faults"])
        print(_row(result), *result["faults"], sep="\n", flush=True)
        if not given.quick:
            save(result)
    if not given.quick:
        write_page()
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
