"""What the calibration songs say of a model's answers: intervals, probabilities, bands."""

import numpy as np
from numpy.typing import NDArray

from hitpredict.model_folder.predictions import Predictions
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.classes import ClassOutput
from hitpredict.scoring.curve import CurveOutput
from hitpredict.scoring.inputs import WEEKS
from hitpredict.scoring.outputs import Outputs, TargetOutput
from hitpredict.tables.join import TrainingData
from hitpredict.tables.label_inputs import named
from hitpredict.tables.targets import Target


def fit_outputs(target: Target, predictions: Predictions, data: TrainingData, rows: NDArray[np.intp]) -> Outputs:
    """Calibrate all answers of a model but its score on `rows`, which neither the fit nor the choice of weights saw."""
    found, part = predictions.take(rows), data.take(rows)
    classes, curve, foretold = None, None, None
    if found.probabilities is not None:
        truth = target.truth(part.labels)
        classes = ClassOutput.fit(found.probabilities, truth, target.class_names, target.edges)
    if found.curve is not None:
        weeks = named([each.kind for each in data.inputs if each.kind], WEEKS)
        first = int(weeks["count"]) + 1 if weeks else 1
        curve = CurveOutput.fit(part.labels, found.curve, part.groups, float(np.nanmax(data.labels)), first)
    if found.foretold is not None:
        error = np.abs(target.truth(part.labels) - found.score)
        foretold = round(float(error.mean() / max(found.foretold.mean(), 1e-12)), 6)
    return Outputs(_targets(target, predictions, data, rows), classes, curve, foretold)


def _targets(
    target: Target, predictions: Predictions, data: TrainingData, rows: NDArray[np.intp]
) -> tuple[TargetOutput, ...]:
    if predictions.targets is None:
        return ()
    columns = target.by_column(data.labels)
    return tuple(
        TargetOutput(
            name,
            unit,
            Calibration.fit(
                values[rows], answers[rows], data.groups[rows], low=float(values.min()), high=float(values.max())
            ),
        )
        for name, unit, values, answers in zip(
            target.columns, target.units, columns.T, predictions.targets.T, strict=True
        )
    )
