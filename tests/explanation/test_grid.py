"""What is swept: defaults, choices among them, and files."""

import pytest

from hitpredict.errors import UsageError
from hitpredict.explanation.grid import DEFAULT, SweptParameter, chosen_parameters


def names(parameters):
    return [each.name for each in parameters]


def test_everything_by_default_and_kinds_by_their_name():
    assert names(chosen_parameters(None, None)) == list(DEFAULT)
    assert names(chosen_parameters("eq-63, pitch", None)) == ["eq-63", "pitch"]
    assert names(chosen_parameters("noise", None)) == ["noise-white", "noise-pink", "noise-brown"]
    assert len(chosen_parameters("eq", None)) == 9


def test_values_ascend_and_know_their_unit():
    (eq,) = chosen_parameters("eq-1000", None)
    assert (eq.values, eq.unit, eq.neutral, eq.direction, eq.octaves) == ([-6.0, 6.0], "dB", 0.0, 1, False)
    (low,) = chosen_parameters("lowpass", None)
    assert (low.values, low.unit, low.neutral, low.direction) == ([2000.0, 4000.0, 8000.0, 16000.0], "Hz", None, -1)
    assert low.places([1000, 4000]) == pytest.approx([9.97, 11.97], abs=0.01)
    (compress,) = chosen_parameters("compress", None)
    assert compress.values == [-30.0, -24.0, -18.0, -12.0]


def test_grids_are_read_from_files(tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text('pitch = "-1,1"\nair = {eq = "12k:-3,12k:3"}\nband = {eq = "2k:3,4k:3"}\n', "utf-8")
    assert names(chosen_parameters(None, grid)) == ["pitch", "air", "band"]
    assert [each.values for each in chosen_parameters("band,air", grid)] == [[2000, 4000], [-3, 3]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("pitch = 2", "pitch: expected"),
        ("pitch = {a = '1', b = '2'}", "pitch: expected"),
        ("pich = '1'", "step pich: unknown; did you mean pitch"),
        ("pitch = '99'", "must be between"),
        ("both = {noise = '10:white,20:pink'}", "one number alone"),
        ("mono = ''", "mono has no value to vary"),
        ("= =", "grid .*grid.toml: "),
    ],
)
def test_bad_grids_are_told(tmp_path, text, complaint):
    grid = tmp_path / "grid.toml"
    grid.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=complaint):
        chosen_parameters(None, grid)


@pytest.mark.parametrize(("text", "complaint"), [("pich", "did you mean pitch"), (" , ", "no parameter is named")])
def test_unknown_names_are_told(text, complaint):
    with pytest.raises(UsageError, match=complaint):
        chosen_parameters(text, None)


def test_one_value_is_enough():
    only = SweptParameter.of("reverb", "reverb", "0.3:0.7")
    assert (only.values, only.unit) == ([0.3], "of the mix")
