"""Things made by name from data: one wording for what is not known or cannot be."""

from collections.abc import Sequence

import numpy as np
import pytest

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.features.kinds import make_kind
from hitpredict.frontends import from_json
from hitpredict.mutations import parse
from hitpredict.mutations.chain import step_from_json
from hitpredict.registry import lookup, made
from hitpredict.training import augment
from hitpredict.training.estimators import fit
from hitpredict.training.losses import make_loss


def network(**spec):
    from hitpredict.networks.registry import build_network

    return build_network(spec, [(4,)], 1)


def estimator(**spec):
    return fit(spec, np.zeros((40, 2), np.float32), np.arange(40.0), 0, ["a", "b"], 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: network(name="mpl"), "network mpl: unknown; did you mean m"),
        (lambda: network(name="mlp", hiden=[3]), "network mlp, parameter hiden: unknown; did you mean hidden?"),
        (lambda: network(name="mlp", hidden=3), "network mlp: hidden 3: must be a list, each a whole number"),
        (lambda: network(name="mlp", dropout="much"), "network mlp: dropout much: must be a number"),
        (lambda: network(name="mlp", nonlinearity="rely"), "nonlinearity rely: unknown; did you mean "),
        (lambda: network(name="hsp-siamese", branch="mlp", width=3), "branch mlp, parameter width: unknown; there are"),
        (lambda: make_loss("hubert"), "loss hubert: unknown; did you mean huber?"),
        (lambda: make_loss("huber", delt=1), "loss huber, parameter delt: unknown; did you mean delta?"),
        (lambda: make_loss("huber", delta="1"), "loss huber: delta 1: must be a number"),
        (lambda: make_loss("huber", delta=-1), "loss huber: delta -1 is not above 0"),
        (lambda: augment.from_config([{"name": "rol"}]), "augmentation rol: unknown; did you mean roll?"),
        (lambda: augment.from_config([{"name": "roll", "shar": 1}]), "augmentation roll, parameter shar: unknown; did"),
        (lambda: augment.from_config([{"name": "crop"}]), "augmentation crop: length is missing"),
        (lambda: estimator(name="linar"), "estimator linar: unknown; did you mean linear?"),
        (lambda: estimator(name="linear", penalti=1), "estimator linear, parameter penalti: unknown; did you mean pen"),
        (lambda: estimator(name="boosted-trees", trees=1), "estimator boosted-trees, parameter trees: unknown; "),
        (lambda: make_kind("logmell", {}), "kind logmell: unknown; did you mean logmel?"),
        (
            lambda: make_kind("logmel", {"n_mel": "1"}),
            "`settings` n_mel: unknown; did you mean n_mels? (parameters of logmel)",
        ),
        (lambda: from_json({"name": "logmell"}), "the model's front-end logmell: unknown; did you mean logmel?"),
        (lambda: from_json({"name": "logmel", "n_mel": 1}), "the model's front-end logmel, parameter n_mel: unknown; "),
        (lambda: parse("pich", "1"), "mutation pich: unknown; did you mean pitch?"),
        (lambda: step_from_json({"op": "pich"}), "recipe: op pich: unknown; did you mean pitch?"),
        (lambda: step_from_json({"op": "pitch", "cents": 1}), "recipe, op pitch, parameter cents: unknown; there are "),
        (lambda: step_from_json({"op": "pitch"}), "recipe, op pitch: semitones is missing"),
    ],
)
def test_what_is_not_known_or_cannot_be(make, message):
    with pytest.raises((UsageError, EnvironmentProblem)) as raised:
        make()
    assert str(raised.value).startswith(message)


def maker(given, count: int, share: float = 0.5, names: Sequence[str] = (), end: float | None = None, **more):
    return given, count, share, names, end, more


def test_what_data_may_name_is_given_to_the_maker():
    assert made("thing", maker, {"count": 2, "share": 1, "end": None, "x": 3}, 1) == (1, 2, 1, (), None, {"x": 3})
    assert lookup("thing", "a", {"a": 1}) == 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"count": True}, "thing: count True: must be a whole number"),
        ({"count": 2.5}, "thing: count 2.5: must be a whole number"),
        ({"count": 1, "end": "late"}, "thing: end late: must be a number or none"),
        ({"count": 1, "names": "ab"}, "thing: names ab: must be a list, each text"),
        ({"count": 1, "names": [1]}, "thing: names [1]: must be a list, each text"),
    ],
)
def test_values_have_the_types_of_their_parameters(parameters, message):
    with pytest.raises(UsageError) as raised:
        made("thing", maker, parameters, 1)
    assert str(raised.value) == message
