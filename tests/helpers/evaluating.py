"""Predictions of a known quality, and what an evaluation makes of them."""

import numpy as np

from hitpredict.evaluation.baselines import Baselines
from hitpredict.model_folder.predictions import Predictions
from hitpredict.recipes.recipe import TargetSpec
from hitpredict.scoring.calibration import Calibration
from hitpredict.tables import targets

ROWS = 300
PICTURES = ("reliability", "predicted-versus-true")


def parts(data, spec=None, score=None):
    """A target, predictions from the first feature, a calibration and baselines."""
    target = targets.fit(data.labels, data.targets, TargetSpec(**(spec or {})))
    values = target.values(data.labels)
    truth = target.class_of(values).astype(float) if target.classes else values
    score = 50 + 15 * data.inputs[0].values[:, 0].astype(float) if score is None else score
    probabilities = None
    if target.classes:
        distance = np.linspace(-1, 1, target.classes) - (score[:, None] - 50) / 20
        probabilities = np.exp(-3 * distance**2)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        score = probabilities @ np.arange(target.classes)
    ends = (0, target.classes - 1) if target.classes else (0, 100)
    calibration = Calibration.fit(truth, score, data.groups, 0.8, *ends)
    return target, Predictions(score, probabilities), calibration, Baselines.fit(data, truth, 0), truth
