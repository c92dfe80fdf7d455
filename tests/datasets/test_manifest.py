"""The manifest: one schema, whole or not at all, taken up again after a kill."""

import json

import pytest

from hitpredict.datasets.collection import Collection
from hitpredict.datasets.manifest import FIXED, SCHEMA, Draft, Track, now, write_tracks
from hitpredict.datasets.web.download import GaveUp
from hitpredict.errors import InputError
from tests.helpers.manifests import manifest_rows


def track(key: str = "1", **fields) -> Track:
    return Track(track_id=key, source="test", retrieved=now(), **fields)


def test_a_row_has_every_field_and_its_labels(tmp_path):
    path = write_tracks(tmp_path, [track(title="A\u2028B", artist_ids=("7",), labels={"rank": 3}, extra={"isrc": "X"})])
    (row,) = manifest_rows(path.parent)
    assert [*row] == [*FIXED, "rank", "isrc"]
    assert row["schema"] == SCHEMA
    assert row["id"] == row["track_id"] == "1"
    assert row["labels"] == ["rank"]
    assert (row["rank"], row["artist_ids"], row["title"], row["path"]) == (3, ["7"], "A\u2028B", None)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


def test_labels_cannot_hide_fields():
    with pytest.raises(ValueError, match="duration"):
        track(labels={"duration": 1}).to_json()


def test_the_manifest_appears_whole_or_not_at_all(tmp_path):
    def broken():
        yield track()
        raise InputError("gone")

    with pytest.raises(InputError):
        write_tracks(tmp_path, broken())
    assert [*tmp_path.iterdir()] == []


def test_a_draft_survives_a_kill_and_a_torn_line(tmp_path):
    first = Draft(tmp_path, {"query": "a"})
    first.add("k1", track("1"))
    first.add("k2", track("2"))
    first.close()
    with (tmp_path / ".tracks.jsonl.partial").open("ab") as file:
        file.write(b'{"key": "k3", "row"')
    second = Draft(tmp_path, {"query": "a"})
    assert [*second.rows] == ["k1", "k2"]
    second.add("k3", track("3"))
    path = second.finish(["k3", "k1", "missing", "k2"])
    assert [row["track_id"] for row in manifest_rows(path.parent)] == ["3", "1", "2"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["tracks.jsonl"]


def test_a_draft_of_something_else_is_not_taken_up(tmp_path):
    first = Draft(tmp_path, {"query": "a"})
    first.add("k1", track("1"))
    first.close()
    second = Draft(tmp_path, {"query": "b"})
    assert not second.rows
    second.close()


def test_two_keys_of_one_track_make_one_row(tmp_path):
    draft = Draft(tmp_path, {})
    for key in ("a", "b"):
        draft.add(key, track("1"))
    assert len(manifest_rows(draft.finish(["a", "b"]).parent)) == 1


def test_a_collection_reports_failures_and_goes_on(tmp_path):
    def make(key: str) -> Track:
        if key == "bad":
            raise InputError("bad: no such track")
        if key == "odd":
            raise KeyError("artist")
        return track(key)

    run = Collection(tmp_path, {}, ["1", "bad", "odd", "2"], make)
    problems = [*run.run()]
    assert [problem and str(problem)[:3] for problem in problems] == [None, "bad", "odd", None]
    assert "format has changed" in str(problems[2])
    assert run.failed == ["bad", "odd"]
    assert run.silent == 2
    assert [row["track_id"] for row in manifest_rows(run.manifest.parent)] == ["1", "2"]


def test_a_collection_stops_when_the_source_is_gone_and_goes_on_later(tmp_path):
    asked: list[str] = []

    def make(key: str) -> Track:
        asked.append(key)
        if key == "2" and asked.count("2") == 1:
            raise GaveUp("no network")
        return track(key)

    with pytest.raises(GaveUp):
        [*Collection(tmp_path, {"q": 1}, ["1", "2", "3"], make).run()]
    assert not (tmp_path / "tracks.jsonl").exists()
    run = Collection(tmp_path, {"q": 1}, ["1", "2", "3"], make)
    assert not any(run.run())
    assert asked == ["1", "2", "2", "3"]
    assert [json.loads(line)["id"] for line in run.manifest.read_text().splitlines()] == ["1", "2", "3"]


def test_rows_whose_sound_was_deleted_are_fetched_again(tmp_path):
    draft = Draft(tmp_path, {})
    draft.add("1", track("1", path="gone.mp3"))
    draft.close()
    asked: list[str] = []
    [*Collection(tmp_path, {}, ["1"], lambda key: asked.append(key) or track(key)).run()]
    assert asked == ["1"]
