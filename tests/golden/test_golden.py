"""Are the answers still those that were frozen? `python -m tests.golden` freezes them anew."""

import pytest

from hitpredict.mutations import STEPS
from tests.golden import answers, frozen
from tests.golden.frozen import Tolerance

# Three times what another BLAS or FFT and other vector instructions changed, and more.
TOLERANCES = {
    "scores": Tolerance(relative=2e-4, of_span=0, absolute=0.011),
    "features": Tolerance(relative=3e-4, of_span=3e-4, absolute=1e-5),
    "embeddings": Tolerance(relative=1e-3, of_span=1e-3, absolute=1e-4),
    "mutations": Tolerance(relative=1e-3, of_span=1e-3, absolute=1e-5),
    "training": Tolerance(relative=2e-3, of_span=2e-3, absolute=2e-3),
}


@pytest.mark.parametrize(
    "subject", [pytest.param(name, marks=pytest.mark.slow if name == "training" else ()) for name in TOLERANCES]
)
def test_answers_are_the_frozen_ones(subject, tmp_path):
    found = answers.ANSWERS[subject](tmp_path)
    wrong = TOLERANCES[subject].disagreeing(found, frozen.read(subject))
    assert not wrong, "\n".join([f"{len(wrong)} numbers or words", *wrong[:20]])


def test_there_are_answers_of_every_step_and_every_kind():
    assert set(STEPS) == {said.split()[0].strip(",:") for said in frozen.read("mutations")}
    kinds = {line.split("\t")[0] for line in answers.run("featurize", "--list-kinds").splitlines() if line[0] != "\t"}
    assert kinds == {said.split()[0] for subject in ("features", "embeddings") for said in frozen.read(subject)}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"a": [1.0, 5.0], "b": "about 2.00 s", "c": None}, 0),
        ({"a": [1.03, 5.0], "b": "about 2.01 s", "c": None}, 0),
        ({"a": [1.06, 5.0], "b": "about 2.00 s", "c": None}, 1),
        ({"a": [1.0, 5.2], "b": "about 2.05 s", "c": 0.0}, 3),
        ({"a": [1.0, 5.0], "b": "of 2.00 s", "c": None}, 1),
        ({"a": [1.0], "b": "about 2.00 s", "c": None}, 1),
        ({"a": [1.0, float("nan")], "b": "about 2.00 s", "c": None}, 1),
        ({"a": [1.0, 5.0], "b": "about 2.00 s"}, 1),
    ],
)
def test_what_does_not_agree_is_told(found, told):
    tolerance = Tolerance(relative=0.01, of_span=0.01, absolute=0)
    assert len(tolerance.disagreeing(found, {"a": [1.0, 5.0], "b": "about 2.00 s", "c": None})) == told
