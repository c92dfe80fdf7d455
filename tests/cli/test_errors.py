"""Messages about names that are not known."""

import importlib
from pathlib import Path

import pytest

from hitpredict import errors, recipes
from hitpredict.errors import EnvironmentProblem, UsageError, needs, unknown

KNOWN = ["fbank", "logmel", "hmn207"]


def test_a_name_nearly_right_is_asked_back() -> None:
    assert unknown("kind", "logmell", KNOWN) == "kind logmell: unknown; did you mean logmel?"
    assert unknown("kind", "HMN207", KNOWN) == "kind HMN207: unknown; did you mean hmn207?"


def test_a_name_like_none_lists_what_there_is() -> None:
    assert unknown("kind", "xyz", KNOWN) == "kind xyz: unknown; there are fbank, logmel, hmn207"


def test_recipes_ask_back() -> None:
    with pytest.raises(UsageError, match=r"^recipe hsp-siamse: unknown; did you mean hsp-siamese"):
        recipes.load("hsp-siamse")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ((), "the package nosuch is missing: pip install 'hitpredict[train]'"),
        (("plots need",), "plots need the package nosuch: pip install 'hitpredict[train]'"),
        (("", ", or do without"), "the package nosuch is missing: pip install 'hitpredict[train]', or do without"),
    ],
)
def test_a_missing_package_is_said_with_its_extra(said, message) -> None:
    with pytest.raises(EnvironmentProblem) as raised, needs("train", *said):
        importlib.import_module("nosuch.part")
    assert str(raised.value) == message


def test_no_module_words_a_missing_extra_itself() -> None:
    """But for those that tell before anything is imported, or of anything that is."""
    own = {
        path.name
        for path in Path(errors.__file__).parent.rglob("*.py")
        if "pip install 'hitpredict[" in path.read_text()
    }
    assert own == {"errors.py", "formats.py", "remote.py", "app.py", "machine.py", "trials.py"}
