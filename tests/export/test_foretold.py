"""LossNet's question, from training to the record: is the error that it foretells worth anything?"""

import numpy as np
import pytest

from hitpredict import recipes
from hitpredict.evaluation.outputs import measured_outputs
from hitpredict.export.graph import network_graph
from hitpredict.export.parity import all_answers, difference_of
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.model_folder.predictions import Predictions
from hitpredict.recipes.recipe import TargetSpec
from hitpredict.scoring.outputs import Outputs
from hitpredict.tables import targets
from hitpredict.tables.join import TrainingData
from hitpredict.tables.read import Arrays, Features
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train

COUNT = 400


def planted(seed):
    """Songs whose vector tells a popularity of about 50, and whose sequence tells how far it is off."""
    random = np.random.default_rng(seed)
    vectors, hard = random.normal(size=(COUNT, 20)), random.random(COUNT)
    popularity = np.clip(50 + 12 * vectors[:, 0] + 25 * hard * random.normal(size=COUNT), 0, 100)
    sequences = hard[:, None, None] + 0.05 * random.normal(size=(COUNT, 6, 8))
    ids = tuple(map(str, range(COUNT)))
    names = tuple(f"x{number}" for number in range(20))
    vector = Features("planted", None, ids, names, vectors.astype(np.float32))
    arrays = Arrays(sequences.astype(np.float32).ravel(), [(6, 8)] * COUNT)
    inputs = vector, Features("planted", None, ids, None, arrays)
    places = (np.arange(COUNT),) * 2
    groups = np.array([f"{number // 2}" for number in range(COUNT)])
    return TrainingData(ids, inputs, places, ("popularity",), popularity[:, None], groups, {}), hard


def foretelling(quality):
    """What is measured of a foretold error that follows the true one as much as this, of 0 to 1."""
    data, hard = planted(0)
    target = targets.fit(data.labels, data.targets, TargetSpec())
    score = 50 + 12 * data.inputs[0].values[:, 0].astype(float)
    noise = np.random.default_rng(1).random(COUNT)
    foretold = quality * hard + (1 - quality) * noise
    outputs = Outputs(foretold=float(np.abs(data.labels[:, 0] - score).mean() / foretold.mean()))
    return measured_outputs(Predictions(score, foretold=foretold), data, target, outputs)["foretold_error"]


def test_a_foretold_error_is_measured_by_the_error_there_was():
    good, idle = foretelling(1.0), foretelling(0.0)
    assert good["spearman"]["interval"][0] > 0.3
    assert idle["spearman"]["interval"][0] < 0 < idle["spearman"]["interval"][1]
    assert good["foretold"]["value"] == pytest.approx(good["true"]["value"], rel=1e-4)
    assert good["true_by_tenth"][-1] > 4 * good["true_by_tenth"][0]


@pytest.mark.slow
def test_lossnet_answers_its_question(tmp_path):
    data, hard = planted(0)
    settings = {"network.compression": 2, "network.autoencoder_epochs": 3, "training.epochs": 40, "batch_size": 50}
    settings |= {"scaling.windows": [{}, {"length": 6, "pad": "zero"}], "learning_rate": 3e-3, "loss.name": "mse"}
    recipe = recipes.load("lossnet").changed(settings)
    result = train(TrainingRun(recipe, data), tmp_path / "m")
    model = ModelFolder(tmp_path / "m")
    assert model.network.outputs == ("score", "foretold_error")
    predictions = model.predict(data)
    assert np.corrcoef(predictions.foretold, hard)[0, 1] > 0.5
    assert set(result["foretold_error"]) == {"spearman", "foretold", "true", "true_by_tenth"}
    card = (tmp_path / "m" / "MODEL_CARD.md").read_text()
    assert "The error it foretells has a rank correlation of" in card
    graph = network_graph(model)
    assert set(all_answers(graph, [data.inputs[0].values[:2], np.zeros((2, 6, 8), np.float32)])) == {
        "score",
        "foretold_error",
    }
    assert difference_of(model, graph, None) < 1e-4
