"""Output in parts: a folder of Parquet files that is one data set, and survives a kill part by part."""

import hashlib
import json
import os
import signal

import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from hitpredict.cli import app
from tests.helpers.processes import run, start, until
from tests.helpers.sounds import saved, tune

duckdb = pytest.importorskip("duckdb")
WORDS = CliRunner()


def done(*arguments, code=0):
    """A run in this process: what it says, a line each."""
    result = WORDS.invoke(app.build(arguments[0]), [str(each) for each in arguments], env={"NO_COLOR": "1"})
    assert result.exit_code == code, result.output
    return result.stderr.splitlines()


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def rows_of(folder):
    return duckdb.sql(f"select * from read_parquet('{folder}/*.parquet') order by path").fetchall()


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    for number in range(5):
        saved(folder, f"{number}.wav", tune(0.3, seed=number))
    (folder / "3.wav").write_bytes(b"no sound")
    return folder


@pytest.fixture
def parts(music, tmp_path):
    """Scores of five inputs, of which one fails, in three parts."""
    done("score", "--parts", 2, "-o", tmp_path / "scores", "-j", 1, music, code=1)
    return tmp_path / "scores"


def unfinished(folder, count):
    """What a kill leaves when so many parts are done."""
    about = manifest(folder)
    for part in about["parts"][count:]:
        (folder / part["file"]).unlink()
    about |= {"complete": False, "parts": about["parts"][:count]}
    (folder / "manifest.json").write_text(json.dumps(about))


def test_the_parts_are_one_data_set(parts, music, tmp_path):
    done("score", "-o", tmp_path / "whole.parquet", "-j", 1, music, code=1)
    assert sorted(path.name for path in parts.iterdir()) == [
        "manifest.json", *(f"part-0000{number}.parquet" for number in range(3))
    ]  # fmt: skip
    assert rows_of(parts) == duckdb.sql(f"select * from '{tmp_path}/whole.parquet' order by path").fetchall()
    assert pyarrow.parquet.read_table(tmp_path / "whole.parquet").equals(
        pyarrow.concat_tables(map(pyarrow.parquet.read_table, sorted(parts.glob("*.parquet"))))
    )
    about = manifest(parts)
    assert (about["schema"], about["complete"], about["rows"], about["inputs"]) == ("hitpredict.parts/1", True, 4, 5)
    assert about["settings"]["schema"] == "hitpredict.score/1"
    assert len(about["settings"]["model"]["sha256"]) == 64
    assert [(part["rows"], part["inputs"]) for part in about["parts"]] == [(2, 2), (1, 2), (1, 1)]
    for part in about["parts"]:
        assert hashlib.sha256((parts / part["file"]).read_bytes()).hexdigest() == part["sha256"]


def test_parts_that_are_done_are_kept(parts, music):
    before, kept = rows_of(parts), [(parts / f"part-0000{number}.parquet").stat().st_ino for number in range(2)]
    unfinished(parts, 2)
    said = done("score", "--parts", 2, "-o", parts, "-j", 1, music, code=1)
    assert any("2 of its parts" in line for line in said)
    assert [line for line in said if "3.wav" in line], "what failed in a part that is kept is told again"
    assert [(parts / f"part-0000{number}.parquet").stat().st_ino for number in range(2)] == kept
    assert (rows_of(parts), manifest(parts)["complete"]) == (before, True)


def test_a_part_whose_inputs_have_changed_is_made_again(parts, music, tmp_path):
    unfinished(parts, 2)
    first = (parts / "part-00000.parquet").stat().st_ino
    saved(tmp_path, "other.wav", tune(0.4, seed=9)).rename(music / "2.wav")
    said = done("score", "--parts", 2, "-o", parts, "-j", 1, music, code=1)
    assert [line for line in said if "changed" in line] == [
        f"hitpredict: {parts}/part-00001.parquet: its inputs have changed; it is made again"
    ]
    assert (parts / "part-00000.parquet").stat().st_ino == first
    assert [row[2] for row in rows_of(parts)] == pytest.approx([0.3, 0.3, 0.4, 0.3], abs=0.01)


def test_a_damaged_part_is_made_again(parts, music):
    before = rows_of(parts)
    unfinished(parts, 2)
    (parts / "part-00000.parquet").write_bytes(b"PAR1")
    said = done("score", "--parts", 2, "-o", parts, "-j", 1, music, code=1)
    assert any("part-00000.parquet: is not what" in line for line in said)
    assert rows_of(parts) == before


@pytest.mark.parametrize(
    ("other", "word"),
    [(("--parts", 3), "inputs_per_part"), (("--parts", 2, "--segments", 1), "segments")],
)
def test_other_settings_are_found(parts, music, other, word):
    unfinished(parts, 1)
    (said,) = done("score", *other, "-o", parts, "-j", 1, music, code=2)
    assert f"1 parts of a run with another {word}" in said
    assert len(list(parts.glob("*.parquet"))) == 1
    done("score", *other, "-o", parts, "-j", 1, "--force", music, code=1)
    assert (manifest(parts)["complete"], manifest(parts)["rows"]) == (True, 4)


def test_what_is_complete_is_in_the_way(parts, music):
    stamp = (parts / "manifest.json").stat().st_mtime_ns
    (said,) = done("score", "--parts", 2, "-o", parts, music, code=2)
    assert "--force" in said
    (said,) = done("score", "--parts", 2, "-o", parts, "--skip-existing", music)
    assert "left as it is" in said
    assert (parts / "manifest.json").stat().st_mtime_ns == stamp
    done("score", "--parts", 2, "-o", parts, "--force", "-j", 1, music / "0.wav")
    assert (len(list(parts.glob("*.parquet"))), manifest(parts)["rows"]) == (1, 1)


def test_fewer_inputs_leave_no_old_parts(parts, music):
    unfinished(parts, 2)
    said = done("score", "--parts", 2, "-o", parts, "-j", 1, music / "0.wav", music / "1.wav")
    assert any("1 parts are gone" in line for line in said)
    assert [path.name for path in parts.glob("*.parquet")] == ["part-00000.parquet"]


def test_a_folder_of_something_else_is_refused(music, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "part-00000.parquet").write_text("mine")
    for force in ((), ("--force",)):
        (said,) = done("score", "--parts", 2, "-o", tmp_path / "precious", *force, music, code=2)
        assert "no folder of parts" in said
    assert (tmp_path / "precious" / "part-00000.parquet").read_text() == "mine"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "with -o"),
        (("-o", "x", "-f", "csv"), "--format csv"),
        (("-o", "x", "--top", 3), "leave out --sort and --top"),
        (("-o", "nowhere/x"), "does not exist"),
    ],
)
def test_what_cannot_be_in_parts(music, more, said):
    (line,) = done("score", "--parts", 2, *more, music, code=2)
    assert said in line


@pytest.mark.parametrize("kind", ["mfcc_stats", "logmel"])
def test_features_in_parts(music, tmp_path, kind):
    arguments = ("featurize", "-k", kind, "-j", 1, music)
    done(*arguments, "-o", tmp_path / "whole.parquet", code=1)
    done(*arguments, "--parts", 2, "-o", tmp_path / "parts", code=1)
    whole = pyarrow.parquet.read_table(tmp_path / "whole.parquet")
    found = map(pyarrow.parquet.read_table, sorted((tmp_path / "parts").glob("*.parquet")))
    assert pyarrow.concat_tables(found).equals(whole)
    assert manifest(tmp_path / "parts")["settings"]["kind"]["name"] == kind


@pytest.mark.slow
def test_a_killed_run_goes_on_with_its_parts(tmp_path):
    for number in range(60):
        saved(tmp_path / "music", f"{number:02}.wav", tune(0.5, seed=number))
    arguments, folder = ("score", "--parts", 10, "-o", "parts", "-j", 2, "music"), tmp_path / "parts"
    # Nobody ever writes to the last input, so that the first run does not end.
    os.mkfifo(tmp_path / "last.wav")
    process = start(*arguments, "last.wav", cwd=tmp_path)
    until((folder / "part-00001.parquet").exists, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = {part["file"]: (folder / part["file"]).stat().st_ino for part in manifest(folder)["parts"]}
    assert 1 <= len(kept) <= 5
    again = run(*arguments, cwd=tmp_path)
    assert again.code == 0, again.err
    assert {name: (folder / name).stat().st_ino for name in kept} == kept
    assert not list(folder.glob(".*"))
    assert run("score", "-o", "whole.parquet", "music", cwd=tmp_path).code == 0
    whole = duckdb.sql(f"select * from '{tmp_path}/whole.parquet' order by path").fetchall()
    assert rows_of(folder) == whole
