"""Promises 6, 13 and 22: exit codes, where the model runs, and errors that say what to do."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.helpers.commands import FEATURIZE, MUTATE, ON_INPUTS, SCORE
from tests.helpers.processes import finished, python, run, start
from tests.helpers.sounds import saved, tune

MISUSES = [
    ("score", "--nonsense"),
    ("score", "--segments", "0.2", "song.wav"),
    ("score", "-j", "0", "song.wav"),
    ("score", "-f", "xml", "song.wav"),
    ("score", "--device", "tpu", "song.wav"),
    ("score", "-", "-"),
    ("score", "-", "--files-from", "-"),
    ("mutate", "song.wav"),
    ("mutate", "--pitch", "99", "song.wav"),
    ("mutate", "--pitch", "high", "song.wav"),
    ("mutate", "--tempo", "0", "song.wav"),
    ("mutate", "--crop", "5", "song.wav"),
    ("mutate", "--eq", "1000", "song.wav"),
    ("mutate", "--gain", "0:1:0", "song.wav"),
    ("mutate", "--gain", "0:60:0.001", "song.wav"),
    ("mutate", "--seed", "-1", "--noise", "20", "song.wav"),
    ("mutate", "--recipe", "missing.json", "song.wav"),
    ("mutate", "--gain", "-1,-2", "song.wav", "-o", "one.wav"),
    ("mutate", "--gain", "-1", "song.wav", "-o", "one.xyz"),
    ("models", "show", "a", "b"),
    ("dance",),
]


@pytest.mark.parametrize("arguments", MISUSES, ids=" ".join)
def test_misuse_is_2(tmp_path, arguments):
    saved(tmp_path, "song.wav")
    outcome = run(*arguments, cwd=tmp_path)
    assert outcome.code == 2
    assert not outcome.out
    assert len(outcome.complaints) == 1
    assert outcome.err.startswith("hitpredict: ")
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_codes_of_inputs(tmp_path, command):
    song, missing = saved(tmp_path), tmp_path / "missing.wav"
    assert run(*command.call(song)).code == 0
    assert run(*command.call(missing)).code == 1
    assert run(*command.call(song, missing)).code == 1


def test_missing_models_are_3(tmp_path):
    outcome = run("score", "-m", "no-such-model", saved(tmp_path))
    assert outcome.code == 3
    assert len(outcome.complaints) == 1
    assert "zalo2019-mfcc" in outcome.err


def many(folder: Path) -> list[Path]:
    """Work for longer than a test waits."""
    song = saved(folder, "000.wav", tune(60))
    links = [folder / f"{n:03}.wav" for n in range(1, 100)]
    for link in links:
        os.link(song, link)
    return [song, *links]


@pytest.mark.parametrize("arguments", [("score", "-j", "1"), ("score", "-j", "2"), ("mutate", "--pitch", "1")], ids=str)
def test_interruption_is_130(tmp_path, arguments):
    songs = many(tmp_path)
    process = start(*arguments, *(("-o", tmp_path / "out.tar") if arguments[0] == "mutate" else ()), *songs)
    if arguments[0] == "score":
        assert process.stdout is not None
        assert process.stdout.readline()
    else:
        while not list(tmp_path.glob(".out.tar.*.part")):
            assert process.poll() is None
            time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    outcome = finished(process)
    assert outcome.code == 130
    assert outcome.complaints == ["hitpredict: interrupted"]


def test_interruption_from_the_keyboard_reaches_the_workers_too(tmp_path):
    process = start("score", "-j", "2", *many(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    outcome = finished(process)
    assert outcome.code == 130
    assert outcome.complaints == ["hitpredict: interrupted"]


@pytest.mark.parametrize("command", [SCORE, FEATURIZE], ids=str)
def test_an_interruption_says_how_to_go_on(tmp_path, command):
    songs, missing = many(tmp_path), tmp_path / "missing.wav"
    call = command.call(missing, *songs, "-j", "1", "-o", tmp_path / "out.csv", "--failures", tmp_path / "failed")
    process, journal = start(*call), tmp_path / ".out.csv.partial"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    outcome = finished(process)
    assert outcome.code == 130
    kept = journal.read_bytes().count(b"\n") - 1
    assert outcome.complaints[-1] == (
        f"hitpredict: interrupted; {kept} results are kept, and the same command does the rest"
    )
    assert (tmp_path / "failed").read_text() == f"{missing}\n"


def test_an_interrupted_folder_of_variants_says_how_to_go_on(tmp_path):
    process, folder = start("mutate", "--gain", "-1", *many(tmp_path), "-o", tmp_path / "out"), tmp_path / "out"
    while not folder.exists() or not list(folder.glob("0*.wav")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    outcome = finished(process)
    assert outcome.code == 130
    assert outcome.complaints[-1].startswith("hitpredict: interrupted; what is in ")
    assert "--skip-existing" in outcome.complaints[-1]


def test_a_traceback_comes_only_when_asked_for(tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"words")
    plain, wordy = run("score", "-m", bad, bad), run("score", "-v", "-m", bad, bad)
    assert plain.code == wordy.code == 3
    assert "Traceback" not in plain.err
    assert "Traceback" in wordy.err


UNEXPECTED = """
import sys
from hitpredict.frontends import mfcc_stats
from hitpredict.cli.app import main
def broken(*_):
    raise ZeroDivisionError("on purpose")
mfcc_stats.MfccStats.finish = broken
main()
"""


def test_surprises_are_one_line_for_one_input(tmp_path):
    song = saved(tmp_path)
    plain, wordy = python(UNEXPECTED, "score", song, song), python(UNEXPECTED, "score", "-v", song, song)
    assert plain.code == wordy.code == 1
    assert len(plain.complaints) == 2
    assert plain.err.startswith(f"hitpredict: {song}: unexpected ZeroDivisionError: on purpose")
    assert wordy.err.count("Traceback") == 2


def cuda_works() -> bool:
    code = (
        "from hitpredict.scoring.session import ModelFile, Session; print(Session(ModelFile.find(None), 'auto').device)"
    )
    return python(code).out.strip() == b"cuda"


def test_cuda_is_used_or_its_absence_is_said(tmp_path):
    song, here = saved(tmp_path), cuda_works()
    auto, asked = run("score", "--device", "auto", song, song, song), run("score", "--device", "cuda", song)
    assert auto.code == 0
    assert {r["device"] for r in auto.records} == {"cuda" if here else "cpu"}
    assert len(auto.complaints) == (0 if here else 1)
    assert asked.code == (0 if here else 3)
    if not here:
        assert "no CUDA here" in auto.err
        assert asked.err.startswith("hitpredict: --device cuda: ")
        assert len(asked.complaints) == 1
        assert not asked.out


def test_the_cpu_is_used_in_silence_when_asked_for(tmp_path):
    outcome = run("score", "--device", "cpu", saved(tmp_path))
    assert outcome.err == ""
    assert outcome.records[0]["device"] == "cpu"


def test_models_say_what_they_are():
    name, path = run("models", "list").out.decode().strip().split("\t")
    card = run("models", "show").out
    assert card == run("models", "show", name).out == run("models", "show", path).out
    assert card.startswith(b"# ")
    (entries,) = run("models", "show", "--json").records
    assert entries["name"] == name
    assert len(entries["sha256"]) == 64


@pytest.mark.parametrize("command", [SCORE, MUTATE], ids=str)
def test_interruption_while_waiting_for_input(command):
    read, write = os.pipe()
    process = start(*command.call("-"), stdin=read)
    os.close(read)
    os.write(write, b"RIFF")
    while not _waiting(process):
        pass
    process.send_signal(signal.SIGINT)
    outcome = finished(process)
    os.close(write)
    assert outcome.code == 130
    assert outcome.complaints == ["hitpredict: interrupted"]


def _waiting(process) -> bool:
    """Whether the process has been asleep for long enough to be waiting for its input."""
    time.sleep(0.6)
    return bool(psutil.Process(process.pid).status() == psutil.STATUS_SLEEPING)


@pytest.mark.parametrize(("package", "extra"), [("scipy", "train"), ("pyarrow", "parquet")])
def test_a_missing_package_names_the_extra_that_brings_it(package, extra, capsys):
    import typer

    from hitpredict.cli.app import reported

    def command() -> None:
        raise ModuleNotFoundError(f"No module named '{package}.signal'", name=f"{package}.signal")

    with pytest.raises(typer.Exit) as end:
        reported(command)()
    assert end.value.exit_code == 3
    assert capsys.readouterr().err == (
        f"hitpredict: this needs the package {package}: pip install 'hitpredict[{extra}]'\n"
    )
