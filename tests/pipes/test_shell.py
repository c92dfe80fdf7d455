"""Promises 4, 6, 9 and 15: streams, lists and names as shells hand them over."""

import pytest

from tests.helpers.archives import tar_of
from tests.helpers.processes import python, shell
from tests.helpers.sounds import encoded, saved, tune


def test_process_substitution(tmp_path):
    saved(tmp_path, "song.wav", tune(3))
    outcome = shell("hitpredict score <(cat song.wav) <(hitpredict mutate song.wav --gain=-6,-3)", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    paths = [r["path"] for r in outcome.records]
    assert len(paths) == 3
    assert paths[0].startswith("/dev/fd/")
    assert paths[2].endswith("/song.gain-3.wav")


@pytest.mark.parametrize("output", ["", "-o table.tsv"])
def test_streams_are_read_once(tmp_path, output):
    """A table's length and the names of variants are found before the work, and not from what can be read once."""
    (tmp_path / "songs.tar").write_bytes(tar_of({"b.wav": encoded(tune(2)), "c.wav": encoded(tune(3))}))
    saved(tmp_path, "a.wav")
    describe = f"hitpredict featurize -k mfcc_stats -f tsv {output}"
    shown = "cat table.tsv && rm table.tsv" if output else "true"
    outcome = shell(
        f"""
        set -e
        {describe} --files-from <(ls a.wav songs.tar); {shown}
        {describe} a.wav <(cat songs.tar); {shown}
        {describe} /dev/stdin <a.wav; {shown}
        """,
        tmp_path,
    )
    assert (outcome.code, outcome.err) == (0, "")
    rows = [line.split("\t")[1] for line in outcome.out.decode().splitlines()]
    table = ["track_id", "a", "b", "c"]
    assert rows == [*table, *table, "track_id", "stdin"]


def test_variants_of_streams_are_planned_without_reading_them(tmp_path):
    saved(tmp_path, "a.wav")
    (tmp_path / "songs.tar").write_bytes(tar_of({"b.wav": encoded(tune(2)), "c.wav": encoded(tune(3))}))
    outcome = shell("hitpredict mutate --gain -3 a.wav <(cat songs.tar) -o out", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name}.gain-3.wav" for name in "abc"}


def test_standard_input_has_other_names(tmp_path):
    saved(tmp_path, "a.wav")
    outcome = shell(
        "hitpredict score /dev/stdin <a.wav && echo a.wav | hitpredict score --files-from /dev/stdin", tmp_path
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert [record["path"] for record in outcome.records] == ["/dev/stdin", "a.wav"]
    twice = shell("hitpredict score /dev/stdin - <a.wav", tmp_path)
    assert twice.code == 2
    assert "only once" in twice.err


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("yes", "not audio that can be read (format not recognised); convert it to WAV, FLAC, OGG, MP3 or AIFF"),
        ("find . -name '*.wav'", "is a list of file names, not sound; give it as --files-from -"),
        ("find . -name '*.wav' -print0", "is a list of file names, not sound; give it as --files-from -"),
        ("tar cz a.wav 2>/dev/null", "is a gzip file (.gz, .tgz), not sound; unpack it first"),
    ],
)
def test_what_is_no_sound_is_refused_before_it_is_taken_in(tmp_path, script, complaint):
    saved(tmp_path, "a.wav")
    outcome = shell(f"{script} | hitpredict score -", tmp_path)
    assert (outcome.code, outcome.complaints) == (1, [f"hitpredict: -: {complaint}"])


@pytest.mark.parametrize("command", ["score", "featurize -k mfcc_stats", "mutate --gain -3"])
def test_a_stream_without_end_is_given_up_at_the_limit(tmp_path, command):
    saved(tmp_path, "a.wav")
    outcome = shell(f"cat a.wav /dev/zero | hitpredict {command} --max-bytes 20MB -", tmp_path)
    limit = "hitpredict: -: has more than 0.02 GB; is it without end? --max-bytes allows more"
    assert (outcome.code, outcome.complaints) == (1, [limit])


def test_a_list_given_as_sound_is_told_from_it(tmp_path):
    saved(tmp_path, "a.wav")
    outcome = shell("ls *.wav >list.txt; hitpredict score list.txt", tmp_path)
    complaint = "hitpredict: list.txt: is a list of file names, not sound; give it as --files-from list.txt"
    assert (outcome.code, outcome.complaints) == (1, [complaint])


def test_sizes_are_understood_or_refused(tmp_path):
    saved(tmp_path, "a.wav")
    for size in ("1G", "500m", "2 GB", "1000000", "0.5T"):
        assert shell(f"hitpredict score --max-bytes '{size}' - <a.wav", tmp_path).code == 0
    for size in ("lots", "-1", "1X", ""):
        outcome = shell(f"hitpredict score --max-bytes='{size}' - <a.wav", tmp_path)
        assert outcome.code == 2
        assert "expected a number of bytes" in outcome.err


def test_without_a_folder_for_temporary_files_the_environment_is_to_blame(tmp_path):
    code = (
        "import sys, tempfile; tempfile.tempdir = '/nowhere/at/all'; sys.argv = ['hitpredict', 'score', 'a.wav']\n"
        "from hitpredict.cli.app import main; sys.exit(main())"
    )
    outcome = python(code, cwd=tmp_path)
    assert outcome.code == 3
    assert "TMPDIR" in outcome.err


def test_redirection_from_a_file(tmp_path):
    saved(tmp_path, "song.mp3", tune(3))
    outcome = shell("hitpredict score - < song.mp3; hitpredict score < song.mp3", tmp_path)
    assert outcome.code == 0
    assert [r["path"] for r in outcome.records] == ["-", "-"]


def odd_names(tmp_path) -> list[str]:
    names = ["a b.wav", "new\nline.wav", "quote'.wav"]
    for name in names:
        saved(tmp_path / "music", name)
    return [f"music/{name}" for name in names]


@pytest.mark.parametrize(
    "script",
    [
        "find music -name '*.wav' -print0 | sort -z | xargs -0 hitpredict score --",
        "find music -name '*.wav' -print0 | sort -z | hitpredict score --files-from - -0",
        "hitpredict score music",
        "hitpredict score --files-from <(find music -name '*.wav' -print0 | sort -z) -0",
    ],
)
def test_names_with_anything_in_them(tmp_path, script):
    names = odd_names(tmp_path)
    outcome = shell(script, tmp_path, LC_ALL="C")
    assert (outcome.code, outcome.err) == (0, "")
    assert [r["path"] for r in outcome.records] == names


def test_failures_loop_back(tmp_path):
    odd_names(tmp_path)
    (tmp_path / "music" / "bad\nname.wav").write_bytes(b"words")
    script = "hitpredict score -0 --failures failed music >first; xargs -0 -n1 printf '%s' <failed"
    assert shell(script, tmp_path).out.decode() == "music/bad\nname.wav"
    fix = encoded(tune())
    (tmp_path / "music" / "bad\nname.wav").write_bytes(fix)
    assert len(shell("hitpredict score -0 --files-from failed", tmp_path).records) == 1


def test_a_latin_locale_changes_nothing(tmp_path):
    saved(tmp_path, "Für Elise ♫.wav")
    for locale in ("C", "POSIX", "C.UTF-8"):
        outcome = shell("hitpredict score *.wav", tmp_path, LC_ALL=locale)
        assert outcome.records[0]["path"] == "Für Elise ♫.wav"


def test_tables_join_with_the_tools_of_the_shell(tmp_path):
    for n in range(3):
        saved(tmp_path, f"{n}.wav", tune(3, seed=n))
    outcome = shell("hitpredict score -f tsv [0-9].wav | tail -n +2 | cut -f 1 | sort -r", tmp_path)
    assert outcome.out.decode().split() == ["2.wav", "1.wav", "0.wav"]


def test_appending_and_dev_stdout(tmp_path):
    saved(tmp_path, "song.wav")
    outcome = shell("hitpredict score song.wav >> all; hitpredict score song.wav -o - >> all; wc -l < all", tmp_path)
    assert outcome.out.split() == [b"2"]
