"""Changes in plain words, for every step that is swept by default, and for those with names of their own."""

import pytest

from hitpredict.explanation.grid import DEFAULT, SweptParameter
from hitpredict.mutations import Chain, parse
from tests.helpers import reports

wording = pytest.importorskip("hitpredict.report.wording")


@pytest.mark.parametrize(
    ("parameter", "value", "said"),
    [
        ("pitch", -1, "lowering the pitch by 1 semitone"),
        ("tempo", 0.9, "playing it 10% slower"),
        ("eq-4000", 6, "raising the range around 4 kHz by 6 dB"),
        ("noise-pink", 20, "adding pink noise 20 dB below the music"),
        ("compress", -18, "compressing what is above −18 dBFS"),
        ("width", 0, "making it mono"),
        ("lowpass", 8000, "removing what is above 8 kHz"),
        ("loudness", -9, "setting loudness to −9 LUFS"),
    ],
)
def test_a_change_is_told(parameter, value, said):
    unit = "LUFS" if parameter == "loudness" else "unit"
    assert wording.change_of(reports.effect(parameter, largest_change_at=value, unit=unit)) == said


def test_all_that_is_swept_has_words():
    for name, entry in DEFAULT.items():
        swept = SweptParameter.of(name, *entry)
        for step, value in zip(swept.steps, swept.values, strict=True):
            said = [
                wording.change_of(reports.effect(name, largest_change_at=value, **more))
                for more in ({}, {"recipe": Chain((step,)).to_json()})
            ]
            assert said[0] == said[1]
            assert not said[0].startswith(("setting", "changing"))


def test_a_name_of_its_own_is_told_by_its_recipe():
    recipe = Chain((parse("eq", "12k:-6")[0],)).to_json()
    assert wording.change_of(reports.effect("air", largest_change_at=-6, recipe=recipe)) == (
        "lowering the range around 12 kHz by 6 dB"
    )
    assert wording.change_of(reports.effect("air", largest_change_at=-6, recipe={"steps": 1}, unit="dB")) == (
        "setting air to −6 dB"
    )


def test_what_it_does_to_the_score_comes_with_the_noise():
    lower = reports.effect(largest_change=-3.44, noise={"scale": 0.1, "floor": 1.2})
    assert wording.moved(lower) == "lowers the score by 3.4 ± 1.2"
    assert wording.moved(reports.effect(largest_change=3, noise={})) == "raises the score by 3.0"
