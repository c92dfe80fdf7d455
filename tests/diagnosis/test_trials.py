"""The main job is tried, and a model that is not the installed one is found."""

import base64
import hashlib

import pytest

from hitpredict.diagnosis import trials
from hitpredict.diagnosis.finding import State
from hitpredict.errors import EnvironmentProblem
from hitpredict.scoring.session import bundled


def scoring():
    return {each.name: each for each in trials.scoring_findings()}


@pytest.mark.parametrize(
    ("tail", "state", "told"),
    [(b"", State.ok, "as installed"), (b"x", State.broken, "not the file that was installed")],
)
def test_bundled_models_are_compared_with_what_the_installation_lists(monkeypatch, tail, state, told):
    ((name, path),) = bundled().items()
    digest = hashlib.sha256(path.read_bytes() + tail).digest()
    listed = {path.resolve(): base64.urlsafe_b64encode(digest).decode().rstrip("=")}
    monkeypatch.setattr(trials, "listed_hashes", lambda: listed)
    finding = scoring()[name]
    assert (finding.state, told in finding.found) == (state, True)


def test_hashes_are_those_of_the_installation(monkeypatch, tmp_path):
    folder = tmp_path / "hitpredict-9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: hitpredict\nVersion: 9\n")
    (folder / "RECORD").write_text("hitpredict/a.onnx,sha256=abc_-,3\nhitpredict-9.dist-info/RECORD,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert trials.listed_hashes() == {(tmp_path / "hitpredict" / "a.onnx").resolve(): "abc_-"}


@pytest.mark.parametrize("error", [EnvironmentProblem("no model"), SystemError("no model"), KeyError("no model")])
def test_whatever_a_trial_raises_is_a_finding(error):
    def trial():
        raise error

    finding = trials.tried("scoring", "score", trial, "mend it")
    assert (finding.state, finding.advice) == (State.broken, "mend it")
    assert "no model" in finding.found


def test_a_codec_that_loses_sound_is_not_there(monkeypatch):
    from hitpredict.audio import read

    whole = read.read_audio
    monkeypatch.setattr(read, "read_audio", lambda path: whole(path, duration=1))
    states = {each.name: each.state for each in trials.codec_findings()}
    assert [states[name] for name in ("libsndfile", "wav", "mp3")] == [State.ok, State.broken, State.missing]
