"""Write each command's `--help` into its page in docs/, between the reference markers.

python docs/update.py            rewrites the pages
python docs/update.py --check    fails when a page says something else than `--help`
"""

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
SOURCES = ("fma", "spotgentrack", "zalo2019", "deezer", "spotify", "charts", "weights", "synth")
COMMANDS = {"score": ["score"], "mutate": ["mutate"], "models": ["models list", "models show"], "fetch": [f"fetch {source}" for source in SOURCES]}
START, END = "<!-- reference: written by docs/update.py -->", "<!-- end of reference -->"


def help_of(command: str) -> str:
    """What `hitpredict COMMAND --help` prints, at a fixed width."""
    environment = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "TERM": "dumb"}
    arguments = [sys.executable, "-m", "hitpredict", *command.split(), "--help"]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout


def reference(page: str) -> str:
    """The generated part of a page."""
    blocks = [f"```text\n{help_of(command).rstrip()}\n```" for command in COMMANDS[page]]
    return "\n\n".join([START, *blocks, END])


def updated(page: str) -> str:
    """The page's text with its reference as it should be."""
    text = (DOCS / f"{page}.md").read_text()
    return re.sub(f"{re.escape(START)}.*{re.escape(END)}", lambda _: reference(page), text, flags=re.DOTALL)


def main() -> int:
    """Rewrite the pages, or with `--check` name those that have drifted."""
    drifted = [page for page in COMMANDS if updated(page) != (DOCS / f"{page}.md").read_text()]
    if "--check" in sys.argv[1:]:
        for page in drifted:
            sys.stderr.write(f"docs/{page}.md differs from --help; run python docs/update.py\n")
        return bool(drifted)
    for page in drifted:
        (DOCS / f"{page}.md").write_text(updated(page))
    return 0


if __name__ == "__main__":
    sys.exit(main())
