"""Write each command's `--help` into its page in docs/, between the reference markers; manual pages and completion.

python docs/update.py            rewrites the pages, and what is in share/
python docs/update.py --check    fails when one of them says something else than `--help`
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from manual import manual

DOCS = Path(__file__).parent
ROOT = DOCS.parent
SOURCES = ("fma", "spotgentrack", "zalo2019", "deezer", "spotify", "charts", "kworb", "weights", "synth")
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
COMPLETION = {
    "bash": "share/bash-completion/completions/hitpredict",
    "zsh": "share/zsh/site-functions/_hitpredict",
    "fish": "share/fish/vendor_completions.d/hitpredict.fish",
}
# zsh reads the file when completion is first asked for, and wants an answer to that as well.
FIRST_ANSWER = '[[ $zsh_eval_context[-1] == loadautofunc ]] && _hitpredict_completion "$@"\n'
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


def completion(shell: str) -> str:
    """The script that lets a shell complete what is typed, by asking the program."""
    environment = {**os.environ, "_HITPREDICT_COMPLETE": f"source_{shell}"}
    arguments = [sys.executable, "-m", "hitpredict"]
    script = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout
    # zsh looks for a mark in the first line.
    return f"{script.strip()}\n{FIRST_ANSWER if shell == 'zsh' else ''}"


def wanted() -> dict[Path, str]:
    """What every file that is written by machine should say."""
    commands = [command for page in COMMANDS.values() for command in page]
    with ThreadPoolExecutor() as pool:
        helps = dict(zip(commands, pool.map(help_of, commands), strict=True))
        scripts = dict(zip(COMPLETION.values(), pool.map(completion, COMPLETION), strict=True))
    found = {DOCS / f"{page}.md": updated(page, helps) for page in COMMANDS}
    found |= {ROOT / "share" / "man" / "man1" / f"{name}.1": text for name, text in manual().items()}
    return found | {ROOT / name: script for name, script in scripts.items()}


def main() -> int:
    """Rewrite the files, or with `--check` name those that have drifted."""
    files = wanted()
    left = [path for path in (ROOT / "share").rglob("*") if path.is_file() and path not in files]
    drifted = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in [*drifted, *left]:
            name = path.relative_to(ROOT).as_posix()
            sys.stderr.write(f"{name} differs from --help; run python docs/update.py\n")
        return bool(drifted or left)
    for path in drifted:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
    for path in left:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
