"""Messages about names that are not known."""

import pytest

from hitpredict import recipes
from hitpredict.errors import UsageError, unknown

KNOWN = ["fbank", "logmel", "hmn207"]


def test_a_name_nearly_right_is_asked_back() -> None:
    assert unknown("kind", "logmell", KNOWN) == "kind logmell: unknown; did you mean logmel?"
    assert unknown("kind", "HMN207", KNOWN) == "kind HMN207: unknown; did you mean hmn207?"


def test_a_name_like_none_lists_what_there_is() -> None:
    assert unknown("kind", "xyz", KNOWN) == "kind xyz: unknown; there are fbank, logmel, hmn207"


def test_recipes_ask_back() -> None:
    with pytest.raises(UsageError, match=r"^recipe hsp-siamse: unknown; did you mean hsp-siamese\?"):
        recipes.load("hsp-siamse")
