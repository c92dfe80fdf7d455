"""Which targets, losses and tasks go together, and how a recipe of one task becomes one of another."""

from collections.abc import Mapping
from typing import Any

from hitpredict.errors import UsageError

TASKS = ("regression", "classification", "curve")
CLASS_KEYS = ("thresholds", "quantiles", "classes")
_LOSSES = {
    "regression": ("mse", "mae", "huber", "hit-weighted"),
    "classification": ("cross-entropy", "ranked-probability"),
}
_OWN_LOSS = ("ordinal-pairwise", "mp3", "curves")
_CURVES = ("mp3", "curves")
_ONE_SCORE = ("ordinal-pairwise", "hsp-siamese")
_UNREAD = {"classification": ("learnt",), "curve": ("learnt", "transforms")}
_USUAL_CLASSES = 3


def turned(data: dict[str, Any], task: Any) -> dict[str, Any]:
    """The plain data of a recipe for another task: with the loss that goes with it, three equal classes for a
    classifier, and without what is published of the system, which is of its own task.

    Raises `UsageError` for an unknown task, and where a network cannot do it.
    """
    if task not in TASKS:
        raise UsageError(f"task={task}: must be one of {', '.join(TASKS)}")
    if task == data["task"]:
        return data
    target = {key: value for key, value in data["target"].items() if key not in (*CLASS_KEYS, "learnt")}
    if task == "classification":
        target["classes"] = _USUAL_CLASSES
    elif data["network"].get("activation") == "sigmoid":
        target["learnt"] = "minmax"
    loss = data["loss"]
    if loss and data["network"].get("name") not in _OWN_LOSS:
        loss = {"name": _LOSSES[task][0]} if task in _LOSSES else {}
    # Metrics of the other task cannot stop this one; the loss does.
    training = {key: value for key, value in data["training"].items() if key not in ("monitor", "checkpoint")}
    return data | {"task": task, "target": target, "loss": loss, "training": training, "published": {}}


def check(data: Mapping[str, Any]) -> None:
    """Raises `UsageError` where a recipe's target, loss, network and task do not fit one another."""
    _check_curve(data)
    _check_target(data)
    if data.get("estimator"):
        _check_estimator(data)
    else:
        _check_loss(data)


def _check_curve(data: Mapping[str, Any]) -> None:
    name, task = data.get("name"), data["task"]
    network, target = data.get("network", {}).get("name"), data.get("target", {})
    if task == "curve" and network not in _CURVES:
        raise UsageError(f"task=curve: recipe {name} learns one number; {' and '.join(_CURVES)} learn curves")
    if task != "curve" and network in _CURVES:
        raise UsageError(f"task={task}: recipe {name} learns curves and nothing else")
    if (target.get("combine") == "log-sum") != (task == "curve"):
        raise UsageError(f"target.combine: log-sum is for curves, and curves have no other; recipe {name}: {task}")
    if target.get("combine") == "first" and network in _ONE_SCORE:
        raise UsageError(f"target.combine=first: the network {network} gives one score and learns no other columns")
    if "after" in target and "weeks" not in data.get("inputs", ()):
        raise UsageError("target.after: needs the input weeks, the first weeks on the charts")


def _check_target(data: Mapping[str, Any]) -> None:
    name, task, target = data.get("name"), data["task"], data.get("target", {})
    cut = [key for key in CLASS_KEYS if key in target]
    if cut and task != "classification":
        advice = "; add --set task=classification to turn it into a classifier" if task == "regression" else ""
        raise UsageError(f"target.{cut[0]}: cuts classes, but recipe {name} is of the task {task}{advice}")
    if unread := [key for key in _UNREAD.get(task, ()) if key in target]:
        raise UsageError(f"target.{unread[0]}: is not for {task}; recipe {name}")
    classes, thresholds = target.get("classes", 2), target.get("thresholds", [0])
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 2:
        raise UsageError(f"target.classes={classes}: must be a whole number from 2")
    if not (isinstance(thresholds, list) and thresholds and all(_is_number(each) for each in thresholds)):
        raise UsageError(f"target.thresholds={thresholds}: must be a list of numbers")
    if not isinstance(target.get("transforms", []), list | tuple):
        raise UsageError(f"target.transforms={target['transforms']}: must be a list, such as ['log1p']")


def _check_estimator(data: Mapping[str, Any]) -> None:
    name, estimator = data.get("name"), data["estimator"].get("name")
    for table in ("network", "loss", "augment"):
        if data.get(table):
            raise UsageError(f"{table}: recipe {name} is an estimator and has none")
    if "learnt" in data.get("target", {}):
        raise UsageError(f"target.learnt: recipe {name} is an estimator, which learns the target scale as it is")
    if estimator == "random-normal" and data["task"] == "classification":
        raise UsageError(f"task=classification: recipe {name} draws numbers, not classes; majority is for classes")


def _check_loss(data: Mapping[str, Any]) -> None:
    name, task, loss = data.get("name"), data["task"], data.get("loss", {})
    network, learnt = data.get("network", {}), data.get("target", {}).get("learnt", "zscore")
    if network.get("name") in _OWN_LOSS:
        if loss and loss != {"name": "bce" if network["name"] == "ordinal-pairwise" else "mse"}:
            raise UsageError(f"loss: the network {network['name']} has its own, which this does not change")
    elif loss.get("name") not in _LOSSES[task]:
        fitting, found = ", ".join(_LOSSES[task]), loss.get("name")
        advice = next((f"; --set task={other}" for other, names in _LOSSES.items() if found in names), "")
        raise UsageError(f"loss.name={found}: recipe {name} is of the task {task}, which takes {fitting}{advice}")
    if loss.get("balanced") and loss["name"] != "cross-entropy":
        raise UsageError(f"loss.balanced: weighs the classes of cross-entropy, not {loss['name']}")
    if network.get("name") == "hsp-siamese" and task == "classification":
        raise UsageError(f"task=classification: recipe {name} orders songs by one score")
    if task != "regression" or learnt == "minmax":
        return
    if loss.get("name") == "hit-weighted":
        raise UsageError(f"target.learnt={learnt}: the loss hit-weighted is for targets in [0, 1], learnt=minmax")
    if network.get("activation") == "sigmoid":
        raise UsageError(f"target.learnt={learnt}: network.activation=sigmoid gives 0 to 1, which needs learnt=minmax")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
