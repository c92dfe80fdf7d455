"""Write each command's `--help` into its page in docs/, between the reference markers.

python docs/update.py            rewrites the pages
python docs/update.py --check    fails when a page says something else than `--help`
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

DOCS = Path(__file__).parent
SOURCES = ("fma", "spotgentrack", "zalo2019", "deezer", "spotify", "charts", "weights", "synth")
COMMANDS = {
    "score": ["score"],
    "mutate": ["mutate"],
    "compare": ["compare"],
    "explain": ["explain"],
    "featurize": ["featurize"],
    "fetch": [f"fetch {source}" for source in SOURCES],
    "train": ["train"],
    "tune": ["tune"],
    "evaluate": ["evaluate"],
    "export-onnx": ["export-onnx"],
    "report": ["report"],
    "recipes": ["recipes"],
    "models": ["models list", "models show"],
    "doctor": ["doctor"],
}
START, END = "<!-- reference: written by docs/update.py -->", "<!-- end of reference -->"


def help_of(command: str) -> str:
    """What `hitpredict COMMAND --help` prints, at a fixed width."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "TERM": "dumb"}
    arguments = [sys.executable, "-m", "hitpredict", *command.split(), "--help"]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout


def updated(page: str, helps: dict[str, str]) -> str:
    """The page's text with its reference as it should be; `helps` maps each command to its help."""
    blocks = [f"```text\n{helps[command].rstrip()}\n```" for command in COMMANDS[page]]
    reference = "\n\n".join([START, *blocks, END])
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    return re.sub(f"{re.escape(START)}.*{re.escape(END)}", lambda _: reference, text, flags=re.DOTALL)


def main() -> int:
    """Rewrite the pages, or with `--check` name those that have drifted."""
    commands = [command for page in COMMANDS.values() for command in page]
    with ThreadPoolExecutor() as pool:
        helps = dict(zip(commands, pool.map(help_of, commands), strict=True))
    pages = {page: updated(page, helps) for page in COMMANDS}
    drifted = [page for page, text in pages.items() if text != (DOCS / f"{page}.md").read_text(encoding="utf-8")]
    if "--check" in sys.argv[1:]:
        for page in drifted:
            sys.stderr.write(f"docs/{page}.md differs from --help; run python docs/update.py\n")
        return bool(drifted)
    for page in drifted:
        (DOCS / f"{page}.md").write_text(pages[page], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
