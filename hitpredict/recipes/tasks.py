"""Which targets, losses and tasks go together, and how a recipe of one task becomes one of another."""

from typing import TYPE_CHECKING, Any, Literal, get_args

from hitpredict.errors import UsageError

if TYPE_CHECKING:
    from hitpredict.recipes.recipe import Recipe

Task = Literal["regression", "classification", "curve"]
TASKS = get_args(Task)
CLASS_KEYS = ("thresholds", "quantiles", "classes")
_LOSSES = {
    "regression": ("mse", "mae", "huber", "hit-weighted"),
    "classification": ("cross-entropy", "ranked-probability"),
}
_OWN_LOSS = ("ordinal-pairwise", "mp3", "curves")
_CURVES = ("mp3", "curves")
_ONE_SCORE = ("ordinal-pairwise", "hsp-siamese")
_UNREAD = {"regression": ("names",), "classification": ("learnt",), "curve": ("learnt", "transforms", "names")}
_USUAL_CLASSES = 3
_METRICS = {"regression": "mae", "classification": "accuracy"}


def turned(data: dict[str, Any], task: Any) -> dict[str, Any]:
    """The plain data of a recipe for another task: with the loss that goes with it, three equal classes for a
    classifier, and without what is published of the system, which is of its own task.

    Raises `UsageError` for an unknown task, and where a network cannot do it.
    """
    if task not in TASKS:
        raise UsageError(f"task={task}: must be one of {', '.join(TASKS)}")
    if task == data["task"]:
        return data
    target = {key: value for key, value in data["target"].items() if key not in (*CLASS_KEYS, "learnt", "names")}
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


def check(recipe: "Recipe") -> None:
    """Raises `UsageError` where a recipe's target, loss, network and task do not fit one another."""
    _check_named(recipe)
    _check_curve(recipe)
    _check_target(recipe)
    if recipe.estimator:
        _check_estimator(recipe)
    else:
        _check_training(recipe)
        _check_loss(recipe)


def _check_named(recipe: "Recipe") -> None:
    for table in ("estimator",) if recipe.estimator else ("network", "loss"):
        if not isinstance(getattr(recipe, table).get("name"), str):
            raise UsageError(f"{table}.name: recipe {recipe.name} must name its {table}")


def _check_curve(recipe: "Recipe") -> None:
    name, task, target = recipe.name, recipe.task, recipe.target
    network = recipe.network.get("name")
    if task == "curve" and network not in _CURVES:
        raise UsageError(f"task=curve: recipe {name} learns one number; {' and '.join(_CURVES)} learn curves")
    if task != "curve" and network in _CURVES:
        raise UsageError(f"task={task}: recipe {name} learns curves and nothing else")
    if (target.combine == "log-sum") != (task == "curve"):
        raise UsageError(f"target.combine: log-sum is for curves, and curves have no other; recipe {name}: {task}")
    if target.combine == "first" and network in _ONE_SCORE:
        raise UsageError(f"target.combine=first: the network {network} gives one score and learns no other columns")
    if target.after is not None and "weeks" not in recipe.inputs:
        raise UsageError("target.after: needs the input weeks, the first weeks on the charts")


def _check_target(recipe: "Recipe") -> None:
    name, task, target = recipe.name, recipe.task, recipe.target
    if target.cut_by and task != "classification":
        advice = "; add `settings` task=classification to turn it into a classifier" if task == "regression" else ""
        raise UsageError(f"target.{target.cut_by}: cuts classes, but recipe {name} is of the task {task}{advice}")
    if unread := [key for key in _UNREAD.get(task, ()) if getattr(target, key) is not None]:
        raise UsageError(f"target.{unread[0]}: is not for {task}; recipe {name}")


def _check_estimator(recipe: "Recipe") -> None:
    name = recipe.name
    for table in ("network", "loss", "augment"):
        if getattr(recipe, table):
            raise UsageError(f"{table}: recipe {name} is an estimator and has none")
    if recipe.target.learnt is not None:
        raise UsageError(f"target.learnt: recipe {name} is an estimator, which learns the target scale as it is")
    if recipe.estimator["name"] == "random-normal" and recipe.task == "classification":
        raise UsageError(f"task=classification: recipe {name} draws numbers, not classes; majority is for classes")


def _check_training(recipe: "Recipe") -> None:
    training = recipe.training
    if training is None:
        raise UsageError(f"training: recipe {recipe.name} must give epochs, batch_size and learning_rate")
    for key in ("monitor", "checkpoint"):
        if (metric := getattr(training, key)) not in (None, "loss", _METRICS.get(recipe.task)):
            raise UsageError(f"training.{key}={metric}: is not a metric of {recipe.task}")


def _check_loss(recipe: "Recipe") -> None:
    name, task, loss, network = recipe.name, recipe.task, recipe.loss, recipe.network
    learnt = recipe.target.learnt or "zscore"
    if network["name"] in _OWN_LOSS:
        if loss != {"name": "bce" if network["name"] == "ordinal-pairwise" else "mse"}:
            raise UsageError(f"loss: the network {network['name']} has its own, which this does not change")
    elif loss["name"] not in _LOSSES[task]:
        fitting, found = ", ".join(_LOSSES[task]), loss["name"]
        advice = next((f"; `settings` task={other}" for other, names in _LOSSES.items() if found in names), "")
        raise UsageError(f"loss.name={found}: recipe {name} is of the task {task}, which takes {fitting}{advice}")
    if loss.get("balanced") and loss["name"] != "cross-entropy":
        raise UsageError(f"loss.balanced: weighs the classes of cross-entropy, not {loss['name']}")
    if network["name"] == "hsp-siamese" and task == "classification":
        raise UsageError(f"task=classification: recipe {name} orders songs by one score")
    if task != "regression" or learnt == "minmax":
        return
    if loss["name"] == "hit-weighted":
        raise UsageError(f"target.learnt={learnt}: the loss hit-weighted is for targets in [0, 1], learnt=minmax")
    if network.get("activation") == "sigmoid":
        raise UsageError(f"target.learnt={learnt}: network.activation=sigmoid gives 0 to 1, which needs learnt=minmax")
