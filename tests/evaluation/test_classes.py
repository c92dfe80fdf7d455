"""Confusion, figures by class and of a cut score: those of scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as reference

from hitpredict.errors import UsageError
from hitpredict.evaluation import metrics
from hitpredict.evaluation.classes import by_class, confusion, cut_statistics
from hitpredict.evaluation.evaluate import class_numbers
from hitpredict.model_folder.predictions import Predictions
from tests.helpers.evaluating import parts


@pytest.fixture
def three(data):
    target, predictions, _, _, truth = parts(data, {"classes": 3})
    return target, predictions, truth, class_numbers(predictions, 3)


def test_the_confusion_is_that_of_the_library(three):
    _, _, truth, chosen = three
    np.testing.assert_array_equal(confusion(truth, chosen, 3), reference.confusion_matrix(truth, chosen))
    assert confusion(np.zeros(4), np.ones(4), 3).tolist() == [[0, 4, 0], [0, 0, 0], [0, 0, 0]]


def test_each_class_is_judged_against_the_rest(data, three):
    target, predictions, truth, chosen = three
    found = by_class(predictions, truth, data.groups, target)
    precision, recall, f1, rows = reference.precision_recall_fscore_support(truth, chosen)
    for number, each in enumerate(found["classes"]):
        assert (each["class"], each["rows"]) == (number, rows[number])
        area = reference.roc_auc_score(truth == number, predictions.probabilities[:, number])
        expected = {"precision": precision[number], "recall": recall[number], "f1": f1[number], "roc_auc": area}
        for name, value in expected.items():
            assert each[name]["value"] == pytest.approx(value, abs=1e-5), name
            assert each[name]["interval"][0] <= each[name]["value"] <= each[name]["interval"][1]
    assert found["classes"][0]["name"] == f"below {target.edges[0]:.3g}"


def test_means_over_classes_are_those_of_the_library(three):
    _, predictions, truth, chosen = three
    assert metrics.macro_precision(truth, chosen) == pytest.approx(
        reference.precision_score(truth, chosen, average="macro")
    )
    assert metrics.balanced_accuracy(truth, chosen) == pytest.approx(
        reference.recall_score(truth, chosen, average="macro")
    )
    area = metrics.auc_one_versus_rest(truth, predictions.probabilities)
    assert area == pytest.approx(reference.roc_auc_score(truth, predictions.probabilities, multi_class="ovr"))


def test_a_class_nobody_is_given_has_precision_0():
    truth = np.array([0, 1, 2, 2])
    assert metrics.macro_precision(truth, np.array([0, 0, 2, 2])) == pytest.approx(
        reference.precision_score(truth, [0, 0, 2, 2], average="macro", zero_division=0)
    )


def test_a_cut_score_is_judged_as_the_library_judges(data):
    _, predictions, _, _, truth = parts(data)
    found = cut_statistics(truth, predictions.score, 60)
    every, positive, chosen = np.arange(len(truth)), truth >= 60, predictions.score >= 60
    expected = {
        "accuracy": reference.accuracy_score(positive, chosen),
        "balanced_accuracy": reference.balanced_accuracy_score(positive, chosen),
        "precision": reference.precision_score(positive, chosen),
        "recall": reference.recall_score(positive, chosen),
        "f1": reference.f1_score(positive, chosen),
        "roc_auc": reference.roc_auc_score(positive, predictions.score),
    }
    assert {name: statistic(every) for name, statistic in found.items()} == pytest.approx(expected)
    assert set(cut_statistics(truth, predictions.score, 60, by_rank=True)) == {"roc_auc"}
    with pytest.raises(UsageError, match="`threshold` 1000: all songs are on one side"):
        cut_statistics(truth, predictions.score, 1000)


def test_without_probabilities_the_nearest_class_counts(data, three):
    target, predictions, truth, _ = three
    found = by_class(Predictions(predictions.score), truth, data.groups, target)
    assert found["classes"][1]["roc_auc"]["value"] > 0.6
