"""`score --update`: a catalogue that grows, changes, loses files and finds them again."""

import hashlib
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from hitpredict.audio.source import Source
from hitpredict.catalogue.states import hashed_before
from hitpredict.errors import InputError
from hitpredict.report.records import Records, take
from tests.helpers.archives import tar_of
from tests.helpers.calls import Called, call
from tests.helpers.catalogues import EVERY_FORM, TABLES, by_name, rows_of, score_of
from tests.helpers.sounds import encoded, saved, tune

every_form = pytest.mark.parametrize("form", EVERY_FORM)


def sound(folder: Path, name: str, seed: int = 0, seconds: float = 0.5) -> Path:
    return saved(folder, name, tune(seconds, 22050, 1, seed))


def update(folder: Path, output: str, *asked: object) -> Called:
    return call("score", "--update", "-o", output, *(asked or ("music",)), "-j", "1", cwd=folder)


def told(outcome: Called) -> list[int]:
    """New, changed, unchanged, vanished, failed."""
    words = outcome.lines[-1].rpartition(": ")[2].split(", ")
    assert [word.split()[1] for word in words] == ["new", "changed", "unchanged", "vanished", "failed"]
    return [int(word.split()[0].replace(",", "")) for word in words]


@pytest.fixture
def catalogue(tmp_path):
    """Two songs of equal size, and what is no sound."""
    sound(tmp_path, "music/a.wav", 1)
    sound(tmp_path, "music/sub/b.wav", 2)
    (tmp_path / "music/bad.mp3").write_bytes(b"no sound at all")
    return tmp_path


@every_form
def test_a_year_of_a_catalogue(catalogue, form):
    output, file = f"s.{form}", catalogue / f"s.{form}"
    first = update(catalogue, output)
    assert (first.code, told(first)) == (1, [2, 0, 0, 0, 1])
    before = by_name(file)
    assert list(before) == ["a.wav", "bad.mp3", "b.wav"]
    assert before["bad.mp3"]["error"].startswith("not audio")
    assert (score_of(before["bad.mp3"]), before["bad.mp3"]["sha256"]) == (None, None)
    assert int(before["a.wav"]["size"]) == (catalogue / "music/a.wav").stat().st_size

    sound(catalogue, "music/a.wav", 3)
    (catalogue / "music/sub/b.wav").rename(catalogue / "music/c.wav")
    sound(catalogue, "music/d.wav", 4)
    (catalogue / "music/bad.mp3").unlink()
    second = update(catalogue, output)
    assert (second.code, told(second)) == (0, [2, 1, 0, 2, 0])
    after = by_name(file)
    assert set(after) == {"a.wav", "b.wav", "c.wav", "d.wav", "bad.mp3"}
    assert score_of(after["a.wav"]) != score_of(before["a.wav"])
    assert after["c.wav"]["sha256"] == after["b.wav"]["sha256"] == before["b.wav"]["sha256"]
    assert score_of(after["c.wav"]) == score_of(after["b.wav"])
    assert (after["c.wav"]["name"], after["c.wav"]["track_id"]) == ("c", "c")
    assert {name for name, row in after.items() if row["vanished"]} == {"b.wav", "bad.mp3"}

    (catalogue / "music/sub").mkdir(exist_ok=True)
    shutil.copy2(catalogue / "music/c.wav", catalogue / "music/sub/b.wav")
    third = update(catalogue, output)
    assert told(third) == [0, 0, 4, 0, 0]
    again = by_name(file)
    assert again["b.wav"] == {**after["b.wav"], "vanished": None, "modified": again["b.wav"]["modified"]}
    assert again["bad.mp3"] == after["bad.mp3"]


@every_form
def test_what_an_update_made_is_what_one_run_makes(catalogue, form):
    update(catalogue, f"s.{form}", "music/sub")
    sound(catalogue, "music/sub/b.wav", 3)
    update(catalogue, f"s.{form}")
    update(catalogue, f"fresh.{form}")
    run_apart = ("id", "input_id", "scored")
    rows, fresh = (
        {
            name: {key: value for key, value in row.items() if key not in run_apart}
            for name, row in by_name(path).items()
        }
        for path in (catalogue / f"s.{form}", catalogue / f"fresh.{form}")
    )
    assert rows == fresh


@every_form
def test_nothing_new_leaves_the_file_as_it_is(catalogue, form):
    update(catalogue, f"s.{form}")
    before, data = (catalogue / f"s.{form}").stat(), (catalogue / f"s.{form}").read_bytes()
    outcome = update(catalogue, f"s.{form}")
    assert told(outcome) == [0, 0, 2, 0, 1]
    assert (
        outcome.lines[0]
        == "hitpredict: not tried again, since they failed before and have not changed: 1; --retry tries them"
    )
    after = (catalogue / f"s.{form}").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert (catalogue / f"s.{form}").read_bytes() == data
    assert sorted(path.name for path in catalogue.iterdir()) == ["music", f"s.{form}"]


@pytest.mark.parametrize("form", ["csv", "db"])
def test_the_hash_decides_when_the_time_differs(catalogue, form, monkeypatch):
    update(catalogue, f"s.{form}", "music/a.wav")
    before = by_name(catalogue / f"s.{form}")["a.wav"]
    # Before all time, and long after it: compared for equality, never for order.
    for moment in (-1, 0, 4_000_000_000, 12_345):
        os.utime(catalogue / "music/a.wav", (moment, moment))
        with monkeypatch.context() as patch:
            patch.setattr("hitpredict.scoring.scorer.Scorer.score", None)
            assert told(update(catalogue, f"s.{form}", "music/a.wav")) == [0, 0, 1, 0, 0]
        row = by_name(catalogue / f"s.{form}")["a.wav"]
        assert row == {**before, "modified": row["modified"]}
        assert row["modified"] != before["modified"]
    stated = (catalogue / "music/a.wav").stat()
    sound(catalogue, "music/a.wav", 9)
    os.utime(catalogue / "music/a.wav", (20_000, 20_000))
    assert (catalogue / "music/a.wav").stat().st_size == stated.st_size
    assert told(update(catalogue, f"s.{form}", "music/a.wav")) == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("form", ["jsonl", "db"])
def test_a_file_is_the_same_from_any_folder_and_however_often_it_is_given(catalogue, form):
    assert told(update(catalogue, f"s.{form}", "music/a.wav", "./music/../music/a.wav", "music/a.wav")) == [
        1,
        0,
        0,
        0,
        0,
    ]
    outcome = call(
        "score", "--update", "-o", f"../s.{form}", "a.wav", catalogue / "music/a.wav", cwd=catalogue / "music"
    )
    assert told(outcome) == [0, 0, 1, 0, 0]
    (row,) = rows_of(catalogue / f"s.{form}")
    assert row["path"] == str(catalogue / "music/a.wav")


@pytest.mark.parametrize("form", ["parquet", "db"])
def test_only_what_lay_below_the_inputs_given_can_vanish(catalogue, form):
    sound(catalogue, "music-of-others/e.wav", 5)
    update(catalogue, f"s.{form}", "music", "music-of-others")
    for name in ("music/a.wav", "music/sub/b.wav", "music-of-others/e.wav"):
        (catalogue / name).unlink()
    sound(catalogue, "music/sub/f.wav", 6)
    assert told(update(catalogue, f"s.{form}", "music/sub")) == [1, 0, 0, 1, 0]
    assert [name for name, row in by_name(catalogue / f"s.{form}").items() if row["vanished"]] == ["b.wav"]
    outcome = update(catalogue, f"s.{form}", "music/a.wav")
    assert (outcome.code, told(outcome)) == (1, [0, 0, 0, 1, 1])
    assert by_name(catalogue / f"s.{form}")["e.wav"]["vanished"] is None


@pytest.mark.parametrize("how", ["empty", "gone"])
def test_a_folder_that_is_not_mounted_takes_nothing_with_it(catalogue, how):
    update(catalogue, "s.csv")
    (catalogue / "music").rename(catalogue / "elsewhere")
    if how == "empty":
        (catalogue / "music").mkdir()
    outcome = update(catalogue, "s.csv", "music")
    assert (outcome.code, told(outcome)) == (1, [0, 0, 0, 0, 1])


@pytest.mark.parametrize("form", ["tsv", "db"])
def test_what_failed_is_tried_again_when_it_has_changed_or_on_request(catalogue, form, monkeypatch):
    update(catalogue, f"s.{form}", "music/bad.mp3")
    assert told(update(catalogue, f"s.{form}", "music/bad.mp3")) == [0, 0, 0, 0, 1]
    retried = update(catalogue, f"s.{form}", "music/bad.mp3", "--retry", "--failures", "failed.txt")
    assert retried.lines[0].startswith(f"hitpredict: {catalogue}/music/bad.mp3: not audio")
    assert (catalogue / "failed.txt").read_text() == f"{catalogue}/music/bad.mp3\n"
    (catalogue / "music/bad.mp3").write_bytes(encoded(tune(0.5)))
    mended = update(catalogue, f"s.{form}", "music/bad.mp3", "--failures", "failed.txt")
    assert (mended.code, told(mended)) == (0, [0, 1, 0, 0, 0])
    assert (catalogue / "failed.txt").read_text() == ""
    (row,) = rows_of(catalogue / f"s.{form}")
    assert row["error"] is None
    assert score_of(row) is not None


@every_form
def test_a_song_that_is_damaged_keeps_its_score_until_it_is_whole(catalogue, form):
    song, output = catalogue / "music/a.wav", catalogue / f"s.{form}"
    update(catalogue, output.name, song)
    before, data = by_name(output)["a.wav"], song.read_bytes()
    song.write_bytes(b"half of it")
    assert told(update(catalogue, output.name, song)) == [0, 0, 0, 0, 1]
    damaged = by_name(output)["a.wav"]
    assert (score_of(damaged), damaged["sha256"]) == (score_of(before), before["sha256"])
    assert damaged["error"].startswith("not audio")
    assert told(update(catalogue, output.name, song)) == [0, 0, 0, 0, 1]
    song.write_bytes(data)
    assert told(update(catalogue, output.name, song)) == [0, 0, 1, 0, 0]
    whole = by_name(output)["a.wav"]
    assert whole == {**before, "modified": whole["modified"]}


@pytest.mark.parametrize("form", ["jsonl", "db"])
def test_members_of_a_tar(tmp_path, form):
    songs = {f"{seed}.wav": encoded(tune(0.5, 22050, 1, seed)) for seed in range(4)}
    output = tmp_path / f"s.{form}"
    (tmp_path / "set.tar").write_bytes(tar_of({name: songs[name] for name in ("0.wav", "1.wav", "2.wav")}))
    assert told(update(tmp_path, output.name, "set.tar")) == [3, 0, 0, 0, 0]
    changed = {"3.wav": songs["3.wav"], "0.wav": songs["0.wav"], "1.wav": songs["2.wav"]}
    (tmp_path / "set.tar").write_bytes(tar_of(changed))
    os.utime(tmp_path / "set.tar", (1, 1))
    before = by_name(output)
    assert told(update(tmp_path, output.name, "set.tar")) == [1, 1, 1, 1, 0]
    after = by_name(output)
    assert score_of(after["1.wav"]) == score_of(before["2.wav"])
    assert [name for name, row in after.items() if row["vanished"]] == ["2.wav"]
    assert after["0.wav"]["path"] == f"{tmp_path}/set.tar/0.wav"


def test_urls_are_known_by_what_their_store_says(tmp_path):
    import fsspec

    store = fsspec.filesystem("memory")
    store.pipe("/year/a.wav", encoded(tune(0.5, seed=1)))
    store.pipe("/year/b.wav", encoded(tune(0.5, seed=2)))
    url = "memory://year"
    try:
        assert told(update(tmp_path, "s.jsonl", url)) == [2, 0, 0, 0, 0]
        assert told(update(tmp_path, "s.jsonl", url)) == [0, 0, 2, 0, 0]
        store.pipe("/year/a.wav", encoded(tune(0.5, seed=3)))
        store.rm("/year/b.wav")
        assert told(update(tmp_path, "s.jsonl", url)) == [0, 1, 0, 1, 0]
    finally:
        store.rm("/year", recursive=True)


def test_names_of_any_kind_are_known_again(tmp_path):
    names = [
        "-dash.wav",
        "=1+1.wav",
        "new\nline.wav",
        "tab\t.wav",
        'quote".wav',
        "umläut ♫.wav",
        os.fsdecode(b"\xff.wav"),
    ]
    for seed, name in enumerate(names):
        sound(tmp_path, f"music/{name}", seed)
    for form in EVERY_FORM:
        assert told(update(tmp_path, f"s.{form}")) == [len(names), 0, 0, 0, 0]
        assert told(update(tmp_path, f"s.{form}")) == [0, 0, len(names), 0, 0]
        os.utime(tmp_path / "music" / names[0])
        assert told(update(tmp_path, f"s.{form}")) == [0, 0, len(names), 0, 0]


@pytest.mark.parametrize("form", TABLES)
def test_other_settings_and_models_are_refused_in_a_table(catalogue, form):
    update(catalogue, f"s.{form}")
    before = (catalogue / f"s.{form}").read_bytes()
    outcome = update(catalogue, f"s.{form}", "music", "--segments", "1")
    assert outcome.code == 2
    (line,) = outcome.lines
    assert line.endswith("; segments=1; ask for the same, or name another file (this one is left as it is)")
    assert "was made with model=zalo2019-mfcc 1 " in line
    assert (catalogue / f"s.{form}").read_bytes() == before
    assert sorted(path.name for path in catalogue.iterdir()) == ["music", f"s.{form}"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_table_in_which_an_input_is_twice_is_left_alone(catalogue, form):
    update(catalogue, f"s.{form}", "music/a.wav")
    with (catalogue / f"s.{form}").open("r+") as file:
        file.write(file.read().splitlines()[-1] + "\n")
    outcome = update(catalogue, f"s.{form}")
    assert outcome.code == 2
    assert f"({catalogue}/music/a.wav is there twice)" in outcome.lines[0]


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("what", ["scores", "others", "nonsense"])
def test_a_file_that_is_no_such_table_is_left_alone(catalogue, form, what):
    file = catalogue / f"s.{form}"
    if what == "scores":
        assert call("score", "music/a.wav", "-o", file.name, cwd=catalogue).code == 0
    else:
        file.write_bytes(b"a,b\n1,2\n" if what == "others" else os.urandom(500))
    before = file.read_bytes()
    outcome = update(catalogue, file.name)
    assert outcome.code == 2
    assert len(outcome.lines) == 1
    assert "was not written with --update, or is damaged (" in outcome.lines[0]
    assert file.read_bytes() == before
    assert sorted(path.name for path in catalogue.iterdir()) == ["music", f"s.{form}"]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (["--update", "music"], "--update: name the file to bring up to date with -o"),
        (["--update", "-o", "s.csv", "-"], "--update: standard input (-) has no name"),
        (["--update", "-o", "s.csv"], "--update: standard input (-) has no name"),
        (["--update", "-o", "s.csv", "--force", "music"], "leave out --force"),
        (["--update", "-o", "s.csv", "--skip-existing", "music"], "leave out --skip-existing"),
        (["--update", "-o", "s.csv", "--top", "3", "music"], "leave out --top"),
        (["--update", "-o", "s.d", "--parts", "9", "music"], "leave out --parts"),
        (["--update", "-o", "s.csv", "--weeks", "w.csv", "music"], "leave out --weeks"),
        (["--retry", "music"], "--retry: goes with --update"),
    ],
)
def test_what_has_no_meaning_is_said_before_any_work(catalogue, asked, complaint):
    outcome = call("score", *asked, cwd=catalogue)
    assert outcome.code == 2
    (line,) = outcome.lines
    assert complaint in line
    assert [path.name for path in catalogue.iterdir()] == ["music"]


def test_pipes_are_failures(catalogue):
    pipe = catalogue / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(encoded(tune(0.1, 8000, 1)),), daemon=True)
    writer.start()
    outcome = update(catalogue, "s.csv", "pipe", "music/a.wav")
    assert (outcome.code, told(outcome)) == (1, [1, 0, 0, 0, 1])
    assert outcome.lines[0].startswith("hitpredict: pipe: has no name by which a later run would know it")


def test_a_table_of_an_interrupted_run_goes_on(catalogue, monkeypatch):
    """A disk that fills while the table is written, after all was scored."""
    update(catalogue, "s.csv", "music/a.wav")
    before = (catalogue / "s.csv").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hitpredict.catalogue.files.Delimited.writer", full)
        outcome = update(catalogue, "s.csv")
    assert (outcome.code, outcome.lines[-1]) == (3, "hitpredict: No space left on device")
    assert (catalogue / "s.csv").read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr("hitpredict.scoring.scorer.Scorer.score", None)
        outcome = update(catalogue, "s.csv")
    assert outcome.lines[0] == "hitpredict: s.csv: taking up an interrupted update with 2 results"
    assert set(by_name(catalogue / "s.csv")) == {"a.wav", "b.wav", "bad.mp3"}
    assert sorted(path.name for path in catalogue.iterdir()) == ["music", "s.csv"]


def test_work_on_another_state_of_the_table_is_begun_anew(catalogue, monkeypatch):
    update(catalogue, "s.csv", "music/a.wav")
    with monkeypatch.context() as patch:
        patch.setattr("hitpredict.catalogue.files.Delimited.writer", lambda *_: 1 / 0)
        assert update(catalogue, "s.csv").code == 3
    (catalogue / "s.csv").unlink()
    outcome = update(catalogue, "s.csv", "music/sub")
    assert told(outcome) == [1, 0, 0, 0, 0]
    assert set(by_name(catalogue / "s.csv")) == {"b.wav"}


def test_what_has_the_name_of_the_work_but_is_none_is_left_alone(catalogue):
    (catalogue / ".s.csv.update").write_text("mine")
    outcome = update(catalogue, "s.csv")
    assert outcome.code == 3
    assert "is no journal of this program, but has its name" in outcome.lines[0]
    assert (catalogue / ".s.csv.update").read_text() == "mine"


def test_damaged_work_is_begun_anew(catalogue):
    (catalogue / ".s.csv.update").write_bytes(b"SQLite format 3\0" + bytes(52) + b"\0\0\0\0hitw" + bytes(3000))
    assert told(update(catalogue, "s.csv")) == [2, 0, 0, 0, 1]


def test_the_files_of_the_two_runs_are_not_compared_by_their_order_in_time(catalogue):
    """The clock went back between two runs."""
    update(catalogue, "s.csv")
    older = time.time() - 10**8
    for path in (catalogue / "music").rglob("*.wav"):
        os.utime(path, (older, older))
    os.utime(catalogue / "s.csv", (older - 10, older - 10))
    assert told(update(catalogue, "s.csv")) == [0, 0, 2, 0, 1]


def test_what_is_scored_by_one_model_on_a_device_is_hashed_before(tmp_path):
    """Where all processes feed one model, none of them could say what it hashed."""
    good, gone = Source(str(sound(tmp_path, "a.wav")), file=str(tmp_path / "a.wav")), Source("b", problem="damaged")
    far = Source("memory://a.wav", url="memory://a.wav")

    def work(found):
        return ((source, InputError("b: damaged") if source is gone else source.path) for source in list(found))

    found = dict(hashed_before(iter([good, gone, far]), work))
    assert found[good] == (hashlib.sha256((tmp_path / "a.wav").read_bytes()).hexdigest(), good.path)
    assert str(found[gone]) == "b: damaged"
    assert found[far] == (None, far.path)


def test_a_report_takes_the_songs_and_not_the_failures(catalogue):
    update(catalogue, "s.jsonl")
    records, failed = Records(), list[InputError]()
    with (catalogue / "s.jsonl").open("rb") as file:
        take(records, file, "s.jsonl", failed.append)
    assert ([record["name"] for record in records.scores], failed) == (["a", "b"], [])
