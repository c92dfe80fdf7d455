"""The scripts under examples/reproduce/: each study again, on made data, and what is said of it."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hitpredict import recipes
from tests.helpers.processes import until

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "reproduce"
SCRIPTS = {path.stem: path for path in sorted(FOLDER.glob("*.sh")) if path.name != "study.sh"}
# Of each study the recipes to train, a row of its table, and by how much made data, on which only artists can be
# learnt, look better as published than honestly.
LEAKS = {
    "autoen_chorder": (["hmn", "autoen-chorder"], "hmn, r2", 0.3),
    "cs230": (["cs230-2conv"], "cs230-2conv, accuracy", 0.1),
    "dh401": (["linear-ols", "wav2vec2"], "linear-ols, r2", 0.3),
    "hiphop": (["hiphop-cnn2"], "hiphop-cnn2, roc_auc", 0.1),
    "hitmusicnet": (["hmn"], "hmn, mae", -0.05),
    "kkbox": (["hsp-cnn"], "hsp-cnn, spearman", 0.2),
    "mppp": (["mp2"], "mp2, spearman", 0.2),
}
HEAD = "| | published | reproduced | without the leak |"


def command(study, folder, *arguments):
    return ["bash", str(SCRIPTS[study]), str(folder), *arguments]


def run(study, folder, *arguments, environment=None):
    """Run a script from elsewhere than its own folder."""
    return subprocess.run(
        command(study, folder, *arguments),
        env=environment,
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def rows_of(text):
    """The cells of the table, by the first of each row."""
    assert text.splitlines()[0] == HEAD
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| ")
    return {first: rest for first, *rest in cells}


def unknowns_of(study):
    """What the script says that nobody can know."""
    return re.search(r"<<'UNKNOWN'\n(.*)^UNKNOWN$", SCRIPTS[study].read_text(), re.DOTALL | re.MULTILINE)[
        1
    ].splitlines()


def labels_of(study):
    """The first cells of the table that the script asks for."""
    (asked,) = re.findall(r"^results (.*) <<'UNKNOWN'$", SCRIPTS[study].read_text(), re.MULTILINE)
    words = subprocess.run(["bash", "-c", f"echo {asked}"], capture_output=True, text=True, check=True).stdout.split()
    rows = [re.split("[:=]", word)[:2] for word in words]
    metrics = [f"{recipe}, {metric.replace('/', ' ')}" for recipe, metric in rows]
    return [*metrics, *dict.fromkeys(f"{recipe}, test songs" for recipe, _ in rows)]


def test_all_seven_studies_are_there():
    assert SCRIPTS.keys() == LEAKS.keys()


def test_a_table_says_what_is_missing_and_whose_figures_these_are(tmp_path):
    program = tmp_path / "hitpredict"
    program.write_text(f'#!/bin/sh\ncat "{ROOT}/hitpredict/recipes/$2.toml"\n')
    program.chmod(0o755)
    model = tmp_path / "models" / "hmn-published"
    model.mkdir(parents=True)
    measured = {"metrics": {"r2": {"value": 0.5, "interval": [-2e9, 0.75]}}, "rows": 1200, "groups": 30}
    (model / "metrics.json").write_text(json.dumps(measured))
    (tmp_path / "models" / "wav2vec2-published.collapsed").write_text("")
    other = tmp_path / "models" / "autoen-chorder-published"
    other.mkdir()
    (other / "metrics.json").write_text(json.dumps({"metrics": {}, "rows": 20, "groups": 5}))
    compared = {"metrics": {"r2": {"value": 9.0}}, "nearer": {"share": 0.625, "interval": [0.5, 0.75]}}
    other.with_suffix(".compared.json").write_text(json.dumps(compared))
    rows = [
        "autoen-chorder:nearer",
        "autoen-chorder:r2",
        "hmn:r2=autoen-chorder.r2_hitmusicnet",
        "hmn:kendall",
        "wav2vec2:r2=result",
    ]
    done = subprocess.run(
        [sys.executable, FOLDER / "table.py", tmp_path, "", *rows],
        env={**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        input="one\nanother\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert rows_of(done.stdout) == {
        "": ["published", "reproduced", "without the leak"],
        "autoen-chorder, nearer": ["61.2 %", "0.625 [0.500, 0.750]", "not trained"],
        "autoen-chorder, r2": ["not published", "not defined here", "not trained"],
        "hmn, r2": ["0.5616", "0.500 [-2.0e+09, 0.750]", "not trained"],
        "hmn, kendall": ["not published", "not defined here", "not trained"],
        "wav2vec2, r2": ["collapsed to a constant", "collapsed to a constant", "not trained"],
        "autoen-chorder, test songs": ["", "20 of 5 artists", "–"],
        "hmn, test songs": ["", "1,200 of 30 artists", "–"],
        "wav2vec2, test songs": ["", "–", "–"],
    }
    assert done.stdout.splitlines()[-2:] == ["cannot be known: one", "cannot be known: another"]
    assert "\npublished, wav2vec2: result collapsed to a constant (-0.1074) with" in done.stdout


@pytest.mark.parametrize(
    ("said", "code", "left"), [("recipe x collapsed: it", 0, ["x.collapsed"]), ("no", 1, ["x.log"])]
)
def test_a_collapse_is_a_result_and_another_failure_ends_the_study(said, code, left, tmp_path):
    program = tmp_path / "hitpredict"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2; exit 1\n")
    program.chmod(0o755)
    script = f'set -euo pipefail; source "{FOLDER}/study.sh"; begin "{tmp_path}/work"; trained x x; echo went on'
    path = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], env=path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, "" if code else "went on\n")
    assert said in done.stderr
    assert [each.name for each in (tmp_path / "work" / "models").iterdir()] == left


@pytest.mark.slow
@pytest.mark.parametrize("study", LEAKS)
def test_made_data_show_the_leak(study, tmp_path, path_with_program):
    names, leaking, margin = LEAKS[study]
    done = run(study, tmp_path / study, "--synthetic", *names, environment=path_with_program)
    assert done.returncode == 0, done.stderr
    table = rows_of(done.stdout)
    recipe, metric = leaking.split(", ")
    _, reproduced, honest = table[leaking]
    published, better = (float(cell.split()[0]) for cell in (reproduced, honest))
    assert (published - better) / margin > 1, done.stdout
    assert table[f"{recipe}, test songs"][1:] != ["–", "–"]
    told = [line.removeprefix("cannot be known: ") for line in done.stdout.splitlines() if line.startswith("cannot be")]
    assert told == unknowns_of(study)
    assert len(told) >= 2
    own = recipes.load(recipe).published
    assert f"published, {recipe}: {next(iter(own))} {next(iter(own.values()))}" in done.stdout
    if metric in own:
        assert own[metric].startswith(table[leaking][0])
    assert done.stdout.splitlines()[-1].startswith("made data: ")


@pytest.mark.slow
def test_a_killed_study_goes_on_and_a_finished_one_rests(tmp_path, path_with_program):
    whole = command("kkbox", tmp_path / "work", "--synthetic", "hsp-cnn")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    killed = subprocess.Popen(whole, env=path_with_program, start_new_session=True, **quiet)
    until((tmp_path / "work" / "models" / ".hsp-cnn-honest.partial").exists, killed)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    before = (tmp_path / "work" / "models" / "hsp-cnn-published" / "config.json").stat().st_mtime_ns
    second = run("kkbox", tmp_path / "work", "--synthetic", "hsp-cnn", environment=path_with_program)
    assert second.returncode == 0, second.stderr
    assert "== hsp-cnn-honest" in second.stderr
    assert (tmp_path / "work" / "models" / "hsp-cnn-published" / "config.json").stat().st_mtime_ns == before
    third = run("kkbox", tmp_path / "work", "--synthetic", "hsp-cnn", environment=path_with_program)
    assert third.stdout == second.stdout
    assert "==" not in third.stderr


@pytest.mark.parametrize(("study", "wanted"), [("kkbox", "plays.csv"), ("hiphop", "ids.txt"), ("mppp", "charts")])
def test_what_nobody_can_download_is_asked_for(study, wanted, tmp_path):
    done = run(study, tmp_path / "work")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{study}.sh: there is no {tmp_path / 'work' / wanted}; put there: ")


@pytest.mark.parametrize("arguments", [[], ["work", "--nonsense"]])
def test_wrong_usage_is_told(arguments, tmp_path):
    done = subprocess.run(
        ["bash", SCRIPTS["cs230"], *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (2, "usage: cs230.sh DIR [--synthetic] [--force] [RECIPE...]\n")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("study", LEAKS)
def test_the_page_shows_what_each_script_prints(study):
    text = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    (section,) = (each for each in text.split("\n## ")[1:] if f"examples/reproduce/{study}.sh" in each)
    printed = section[section.index(HEAD) :]
    assert [line for line in unknowns_of(study) if f"cannot be known: {line}" not in printed] == []
    assert [*rows_of(printed)][1:] == labels_of(study)
