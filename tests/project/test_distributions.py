"""Wheel and sdist: built twice alike, installed where nothing else is, used, and complete."""

import json
import os
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

from tests.helpers.processes import environment

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SONG = ROOT / "examples" / "song.ogg"
CONSTRAINTS = ROOT / "constraints.txt"
UV = (sys.executable, "-m", "uv", "--quiet", "--no-progress")
EPOCH = "1700000000"


def done(*command, cwd=None, **env):
    """What a command printed; away from the tree under test."""
    kept = {key: text for key, text in environment(**env).items() if key != "PYTHONPATH"}
    run = subprocess.run(
        [*map(str, command)], cwd=cwd, env=kept, capture_output=True, text=True, check=False, timeout=600
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def build(source, folder, *options):
    done(*UV, "build", "--out-dir", folder, *options, source, SOURCE_DATE_EPOCH=EPOCH)
    return {path.suffix: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel made from it."""
    return build(ROOT, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built[".gz"]) as archive:
        archive.extractall(folder, filter="data")
    (found,) = folder.iterdir()
    return found


def test_the_same_tree_gives_the_same_bytes(built, tmp_path):
    """The first wheel came from the unpacked sdist, in another place and at another time."""
    again = build(ROOT, tmp_path / "wheel", "--wheel")
    assert again[".whl"].read_bytes() == built[".whl"].read_bytes()
    assert build(ROOT, tmp_path / "sdist", "--sdist")[".gz"].read_bytes() == built[".gz"].read_bytes()


def by_pip(distribution, folder):
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    done(python, "-m", "pip", "install", "-q", "-c", CONSTRAINTS, distribution)
    return folder / "venv", folder / "venv" / "bin"


def by_uv(distribution, folder):
    """As pipx does it: in an environment of its own, with a link to the program."""
    places = {"UV_TOOL_DIR": str(folder / "tools"), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    done(*UV, "tool", "install", "-c", CONSTRAINTS, distribution, **places)
    return folder / "tools" / "hitpredict", folder / "bin"


@pytest.mark.parametrize("kind", [".whl", ".gz"], ids=["wheel", "sdist"])
@pytest.mark.parametrize("install", [by_pip, by_uv])
def test_what_is_installed_scores_and_has_its_pages_and_completion(built, tmp_path, install, kind):
    home, programs = install(built[kind], tmp_path)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    record = json.loads(done("hitpredict", "score", SONG, cwd=tmp_path, PATH=path))
    assert record["name"] == "Paper Lanterns"
    findings = [json.loads(line) for line in done("hitpredict", "doctor", cwd=tmp_path, PATH=path).splitlines()]
    (model,) = [each for each in findings if each["name"] == record["model"]["name"]]
    assert model["found"] == f"sha256 {record['model']['sha256']}, as installed"
    assert [each for each in findings if each["area"] == "packages" and each["state"] != "ok"] == []
    page = home / "share" / "man" / "man1" / "hitpredict-score.1"
    if install is by_pip:
        assert Path(done("man", "-w", "hitpredict-score", PATH=path).strip()).resolve() == page.resolve()
    assert files(home / "share") == files(ROOT / "share")


def files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def test_the_tests_of_the_sdist_can_be_collected(unpacked):
    """Where they import what is packed beside them."""
    kept = {**environment(), "PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-m", "slow or not slow"]
    run = subprocess.run(command, cwd=unpacked, env=kept, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
    here = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    assert {line.partition(": ")[0] for line in run.stdout.splitlines() if ".py: " in line} == here
