"""Every recipe with every target, loss and task: it trains and its scores make sense, or one line says why not."""

import itertools

import numpy as np
import pytest
import torch

from hitpredict import recipes
from hitpredict.errors import HitpredictError, UsageError
from hitpredict.evaluation import metrics
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.recipes.recipe import TargetSpec
from hitpredict.tables.join import TrainingData
from hitpredict.tables.read import Arrays, Features
from hitpredict.training.losses import LOSSES, make_loss
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train

SONGS, WEEKS = 90, 6
CLASSES = {"task": "classification"}
SETTINGS = [
    {},
    *({"task": task} for task in recipes.TASKS),
    *({"loss.name": loss} for loss in LOSSES),
    *({"target.learnt": learnt} for learnt in ("none", "minmax", "zscore")),
    *({"target.combine": combine} for combine in ("pca", "first", "log-sum")),
    *({"target.classes": 3}, {"target.quantiles": [0.5]}, {"target.thresholds": [45.0]}, {"loss.balanced": True}),
    *({"target.transforms": ["log1p"]}, {"target.after": 2}, {"network.activation": "sigmoid"}),
    *(CLASSES | {"target.classes": 4}, CLASSES | {"target.thresholds": [45.0]}, CLASSES | {"target.learnt": "minmax"}),
    *(CLASSES | {"loss.name": "ranked-probability"}, CLASSES | {"loss.balanced": True}, CLASSES | {"loss.name": "mse"}),
    CLASSES | {"target.quantiles": [0.4], "loss.weights": [1.0, 2.0, 3.0]},
]
VECTOR = (24,)
_HMN = {"network.compression": 2, "network.alpha": 4.0, "network.beta": 2.0, "network.initialiser": "he"}
_HMN |= {"network.autoencoder_epochs": 1}
_PAIR = {"scaling.windows": [{}, {"length": 6, "pad": "zero"}], "network.autoencoder_epochs": 1}
_MEL = {"scaling.windows": [{"length": 64, "pad": "least"}]}
_CONVOLUTIONS = _MEL | {"network.filters": [4, 4, 4, 4]}
_BANKS = {"scaling.windows": [{"length": 32, "pad": "zero"}], "network.dim": 16, "network.depth": 1, "network.heads": 2}
_BANKS |= {"augment": []}
FAST = {
    **{
        "constant": {},
        "majority": {},
        "random-normal": {},
        "linear": {},
        "mlp": {},
        "wide-deep": {"network.groups": [12, 12]},
    },
    **{
        "ordinal-pairwise": {},
        "boosted-trees": {"n_estimators": 5},
        "hmn": _HMN,
        "hmn-classify": _HMN,
        "hsp-siamese": {},
        "complexity": {},
    },
}
SLOW = {
    **dict.fromkeys(("autoen-chorder", "lossnet"), ([VECTOR, (6, 8)], _PAIR | {"network.layers": 2})),
    "single-autoencoder": ([VECTOR, (6, 8)], _PAIR | {"network.layers": 2}),
    "hmn-vggish": ([VECTOR, (6, 8)], _PAIR),
    "rnn": ([VECTOR, (6, 8)], _PAIR | {"network.layers": 2}),
    "cs230-6conv-rgb": ([(102, 159, 3)], {"network.width": 0.05, "network.hidden": 8}),
    "mlp-hiphop": ([(64, 16)], _MEL | {"network.hidden": [16, 8]}),
    "hiphop-cnn": ([(64, 64)], _CONVOLUTIONS),
    "hiphop-crnn": ([(64, 64)], _CONVOLUTIONS | {"network.pools": [[2, 2], [4, 2], [4, 2], [2, 2]]}),
    # Its first answers, without an activation that bounds them, may lie far off.
    "hsp-cnn": ([(64, 128)], _MEL | {"epochs": 8}),
    "hsp-tags": ([(64, 128), VECTOR], {"scaling.windows": [*_MEL["scaling.windows"], {}], "epochs": 8}),
    "fcn": ([(64, 64)], _MEL | {"network.filters": [4, 4], "network.pools": [[4, 4], [8, 8]]}),
    "vggish-finetuned": (
        [(2, 96, 64)],
        {"scaling.windows": [], "network.channels": [2, 2, 2, 2, 2, 2], "network.dense": 8},
    ),
    "mp2": ([(32, 128)], _BANKS),
    "mp3": ([(32, 128)], _BANKS),
}
SYSTEMS = {name: ([VECTOR], settings) for name, settings in FAST.items()} | SLOW


def name_of(value):
    return value if isinstance(value, str) else ",".join(f"{k.split('.')[-1]}={v}" for k, v in value.items()) or "as-is"


def changed(name, settings):
    """The recipe, or None where it is refused in one line that says what cannot be."""
    try:
        return recipes.load(name).changed(settings)
    except UsageError as error:
        assert "\n" not in str(error) and any(part in str(error) for part in ("target", "loss", "task", "network"))
        return None


def data_of(shapes, curves):
    random = np.random.default_rng(0)
    driver = random.normal(size=SONGS)
    ids = tuple(map(str, range(SONGS)))
    inputs = []
    for shape in shapes:
        values = random.normal(size=(SONGS, *shape)) + driver.reshape(-1, *(1,) * len(shape))
        values = values.astype(np.float32)
        if len(shape) == 1:
            inputs.append(Features("t", None, ids, tuple(f"x{i}" for i in range(shape[0])), values))
        else:
            inputs.append(Features("t", None, ids, None, Arrays(values.ravel(), [shape] * SONGS)))
    labels = (50 + 12 * driver + 3 * random.normal(size=SONGS)).clip(1, 100)[:, None]
    if curves:
        labels = 4 + labels / 50 - np.arange(WEEKS) / 10
    rows = tuple(np.arange(SONGS) for _ in shapes)
    groups = np.array([f"g{row // 2}" for row in range(SONGS)])
    return TrainingData(ids, tuple(inputs), rows, ("curve" if curves else "y",), labels, groups, {})


@pytest.mark.parametrize("name", recipes.names())
def test_target_loss_and_task_fit_one_another_or_are_refused(name):
    """What is accepted cannot answer on another scale than the target's."""
    for settings in SETTINGS:
        recipe = changed(name, settings)
        if recipe is None:
            continue
        assert bool(recipe.target.cut_by) == (recipe.task == "classification")
        assert (recipe.target.combine == "log-sum") == (recipe.task == "curve")
        if recipe.network.get("name") not in (None, "ordinal-pairwise", "mp3", "curves"):
            logits = recipe.loss["name"] in ("cross-entropy", "ranked-probability")
            assert logits == (recipe.task == "classification")
        if recipe.task == "regression" and recipe.network.get("activation") == "sigmoid":
            assert recipe.target.learnt == "minmax"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        pytest.param(name, settings, marks=[pytest.mark.slow] if name in SLOW else [], id=f"{name}-{name_of(settings)}")
        for name, settings in itertools.product(SYSTEMS, SETTINGS)
        if changed(name, settings) is not None
    ],
)
def test_what_is_accepted_trains_and_scores_on_its_scale(name, settings, tmp_path, monkeypatch):
    drawn = metrics.group_resamples
    monkeypatch.setattr(metrics, "group_resamples", lambda groups, resamples, seed=0: drawn(groups, 2, seed))
    shapes, small = SYSTEMS[name]
    small = small if recipes.load(name).estimator else {"epochs": 1} | small
    recipe = recipes.load(name).changed({**{"target.quantiles": [0.5]}, **small} if name == "hmn-classify" else small)
    recipe = recipe.changed(settings)
    data = data_of(shapes, recipe.task == "curve")
    try:
        train(TrainingRun(recipe, data), tmp_path / "m")
    except HitpredictError as error:
        assert "\n" not in str(error)
        assert any(
            reason in str(error) for reason in ("loss.weights", "collapsed", "weights: unknown", "activation: unknown")
        )
        return
    model = ModelFolder(tmp_path / "m")
    predictions = model.predict(data)
    if recipe.task == "classification":
        classes = model.target.classes
        np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-4)
        assert predictions.score.min() >= -1e-5 and predictions.score.max() <= classes - 1 + 1e-5
        np.testing.assert_allclose(predictions.score, predictions.probabilities @ np.arange(classes), atol=1e-4)
    elif recipe.target.learnt != "none" and recipe.task == "regression":
        truth = model.target.values(data.labels)
        assert abs(np.median(predictions.score) - truth.mean()) < 2.5 * truth.std()
    assert np.isfinite(predictions.score).all()


def test_turning_a_recipe_into_a_classifier():
    turned = recipes.load("rnn").changed(CLASSES)
    assert (turned.task, turned.loss["name"], turned.target.classes) == ("classification", "cross-entropy", 3)
    assert not turned.published
    back = turned.changed({"task": "regression"})
    assert (back.loss["name"], back.target) == ("mse", TargetSpec(learnt="minmax"))
    with pytest.raises(UsageError, match="`settings` task=classification"):
        recipes.load("mlp").changed({"target.classes": 3})
    with pytest.raises(UsageError, match="`settings` task=classification"):
        recipes.load("mlp").changed({"loss.name": "cross-entropy"})


def test_ranked_probability_is_the_squared_distance_of_the_cumulated_shares():
    logits, truth = torch.log(torch.tensor([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]])), torch.tensor([0, 2])
    found = make_loss("ranked-probability")(logits, truth)
    np.testing.assert_allclose(found, [((0.2 - 1) ** 2 + (0.7 - 1) ** 2) / 2, (0.2**2 + 0.7**2) / 2], rtol=1e-5)
