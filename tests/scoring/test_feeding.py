"""Does a model that many processes feed say what it says of songs one by one? What a GPU does, here on the CPU."""

from dataclasses import replace

import numpy as np
import pytest

from hitpredict.audio.source import Source
from hitpredict.engines import local
from hitpredict.errors import InputError
from hitpredict.files import arrays
from hitpredict.scoring import feeding
from hitpredict.scoring.scorer import Scorer, scored_with
from hitpredict.scoring.session import Session
from hitpredict.scoring.windows import together
from tests.helpers.sounds import saved, tune


@pytest.fixture
def sources(tmp_path):
    """Songs of several lengths, among them two that cannot be scored."""
    paths = [saved(tmp_path, f"{number}.wav", tune(1.0 + number / 4)) for number in range(4)]
    paths.insert(1, tmp_path / "text.wav")
    paths.insert(3, tmp_path / "missing.wav")
    paths[1].write_text("no sound")
    return [Source(str(path), str(path)) for path in paths]


def compared(fed, plain):
    """Whether both say the same in the same order, but for rounding in batches of another size."""
    assert [source for source, _ in fed] == [source for source, _ in plain]
    for (_, one), (_, other) in zip(fed, plain, strict=True):
        if isinstance(other, InputError):
            assert str(one) == str(other)
            continue
        for name in ("score", "percentile", "interval"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-4)
        if other.segments:
            np.testing.assert_allclose([s.score for s in one.segments], [s.score for s in other.segments], rtol=1e-4)
        rounded = {name: getattr(other, name) for name in ("score", "percentile", "interval", "segments", "answers")}
        assert replace(one, **rounded) == other


@pytest.mark.parametrize("segments", [None, 1.0])
def test_fed_songs_are_scored_as_they_are_alone(sources, monkeypatch, segments):
    scorer, sizes = Scorer(device="cpu"), []
    plain = [*local.run(lambda: scored_with(scorer, segments), (), sources, 1)]
    outputs = Session.outputs
    monkeypatch.setattr(Session, "outputs", lambda self, batch: sizes.append(len(batch[0])) or outputs(self, batch))
    compared([*feeding.run(sources, scorer, segments, None, 1)], plain)
    # Four songs and, of segments, 1, 2, 2 and 2 of them, went to the model at once.
    assert sizes == [4 if segments is None else 11]


def test_songs_go_on_before_all_are_heard(sources, monkeypatch):
    monkeypatch.setattr(feeding, "_SONGS", 2)
    asked = []
    results = feeding.run((asked.append(each) or each for each in sources), Scorer(device="cpu"), None, None, 1)
    next(results)
    assert len(asked) == 2
    assert len([*results]) == 5


def test_what_cannot_be_judged_together_is_judged_alone(sources, monkeypatch):
    scorer, outputs = Scorer(device="cpu"), Session.outputs
    plain = [*local.run(lambda: scored_with(scorer, None), (), sources, 1)]

    def small(self, batch):
        if len(batch[0]) > 1:
            raise InputError("model: cannot take this input: out of memory")
        return outputs(self, batch)

    monkeypatch.setattr(Session, "outputs", small)
    compared([*feeding.run(sources, scorer, None, None, 1)], plain)


def test_large_arrays_come_in_files_that_go(sources, monkeypatch):
    scorer = Scorer(device="cpu")
    plain = [*local.run(lambda: scored_with(scorer, None), (), sources, 1)]
    monkeypatch.setattr(arrays, "_IN_MEMORY", 0)
    results = feeding.run(sources, scorer, None, None, 1)
    compared([*results], plain)


def test_bound_arrays_give_what_plain_ones_give():
    session = Scorer(device="cpu").session
    (shape,) = (each.shape for each in session._session.get_inputs())
    batch = [np.broadcast_to(np.linspace(-1, 1, shape[-1], dtype=np.float32), (3, shape[-1]))]
    options = session._options()
    for bound, plain in zip(session._run_bound(batch, options), session._run(batch, options), strict=True):
        np.testing.assert_array_equal(bound, plain)


def test_windows_of_one_shape_are_joined_up_to_a_size():
    def windows(place, count, length):
        return place, [np.full((count, length), place, np.float32), np.full((count, 2), place, np.float32)]

    given = [windows(0, 2, 5), windows(1, 3, 5), windows(2, 1, 5), windows(3, 1, 7)]
    found = [*together(iter(given), 25)]
    assert [list(places) for places, _ in found] == [[0, 0, 1, 1, 1], [2], [3]]
    for places, batch in found:
        for array in batch:
            np.testing.assert_array_equal(array[:, 0], places)
