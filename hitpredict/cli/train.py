"""`hitpredict train`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.progress import watched
from hitpredict.errors import UsageError, needs
from hitpredict.model_folder.replace import check_replaceable

if TYPE_CHECKING:
    from hitpredict.recipes import Recipe
    from hitpredict.tables.splits import Shares
    from hitpredict.training.run import TrainingRun

COMMAND: dict[str, Any] = {
    "help": "Train a published system, or a baseline, on feature and label tables.",
    "epilog": "Example: hitpredict train --recipe hmn --features hmn207.parquet --labels tracks.jsonl "
    "--target popularity -o model/",
}


FeatureTables = Annotated[
    list[Path] | None,
    typer.Option(metavar="TABLE", help="Feature table (Parquet, CSV, CSV.gz, JSON Lines); once for each input."),
]
Labels = Annotated[Path, typer.Option(metavar="TABLE", help="Label table, joined on track_id.")]
Group = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="Column of groups to keep apart [default: connected artists and duplicates]."),
]


@dataclass(frozen=True, kw_only=True)
class Learning:
    """What is learnt from which tables, and what of them is held out."""

    recipe: Annotated[
        str,
        typer.Option(
            "-r",
            "--recipe",
            metavar="NAME",
            help="A recipe's name or a TOML file.",
            autocompletion=options.recipe_names,
        ),
    ]
    labels: Labels
    target: Annotated[
        list[str],
        typer.Option(metavar="COLUMN", help="Label column; a leading minus turns it round; several are combined."),
    ]
    features: FeatureTables = None
    group: Group = None
    every_column: Annotated[
        bool,
        typer.Option("--all-columns", help="Use every numeric column, not only those of a known kind of features."),
    ] = False
    split: Annotated[
        str,
        typer.Option(
            metavar="SPLIT", help="groups, fma, temporal:COLUMN, column:COLUMN, or random (inflates results)."
        ),
    ] = "groups"
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="SHARES",
            help="Percentages of training, held out (half to choose the epoch, half to calibrate) and test: 80,10,10; "
            "or of all four [default: about 60,10,15,15].",
        ),
    ] = None
    compat: Annotated[
        bool, typer.Option("--compat", help="Reproduce the original's mistakes where the recipe has any.")
    ] = False
    seed: Annotated[
        int,
        typer.Option(min=0, max=options.LAST_SEED, help="Seed of the split, the weights and the order of training."),
    ] = 0
    device: Annotated[options.Device, typer.Option(help="Where to train.")] = options.Device.cpu

    def run(self, settings: Mapping[str, str], messages: Messages, **more: Any) -> "TrainingRun":
        """The training that is asked for, its tables read. settings: of the recipe, in TOML. more: of `TrainingRun`."""
        with needs("train", "training needs"):
            import torch

            from hitpredict.training.run import TrainingRun, data_for
        from hitpredict.engines.local import cores

        # One process does all the work here, so it may use what the others leave to `--jobs`.
        torch.set_num_threads(cores())
        chosen, shares = _chosen(self.recipe, settings, self.compat), _shares(self.shares)
        targets = [name for text in self.target for name in text.split(",")]
        data = data_for(chosen, self.features or [], self.labels, targets, self.group, self.every_column)
        for note in data.notes:
            messages.note(note)
        if self.split == "random":
            messages.note("a random split puts songs of the same artists on both sides: results will be inflated")
        accelerator = self.device.value.replace("cuda", "gpu")
        return TrainingRun(chosen, data, self.split, self.seed, accelerator=accelerator, shares=shares, **more)


@options.spread
def train(
    *,
    learning: Learning,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL_DIR", help="The model folder to write.")],
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set an entry of the recipe, such as training.epochs=5."),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            metavar="K",
            min=0,
            max=1000,
            show_default=False,
            help="Also cross-validate in K folds, groups kept together, and write out_of_fold.csv.",
        ),
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was killed.")] = False,
    devices: Annotated[int, typer.Option(min=1, max=1024, help="How many GPUs.")] = 1,
    precision: Annotated[
        str, typer.Option(metavar="PRECISION", help="Lightning's precision, such as 16-mixed or bf16-mixed.")
    ] = "32-true",
    force: options.Force = False,
    messages: Messages,
) -> None:
    """Train, evaluate on held-out groups, and write the model folder."""
    _check_output(output, force)
    given = {"resume": resume, "devices": devices, "precision": precision, "folds": _folds(folds)}
    progress = watched(messages.quiet, rows_elsewhere=True)
    run = learning.run(options.assigned(setting), messages, progress=progress, **given)
    from hitpredict.training.train import train as trained

    result = trained(run, output)
    messages.note(f"{output}: {len(run.data):,} rows in all; {_headline(result)}")
    if "cross_validation" in result:
        messages.note(f"{output}: {folds} folds; {_headline(result['cross_validation'])}")
    if "warning" in result and run.split != "random":
        messages.note(f"beware: {result['warning']}")


def _shares(text: str | None) -> "Shares | None":
    from hitpredict.tables.splits import parsed_shares

    try:
        return None if text is None else parsed_shares(text)
    except ValueError as error:
        raise UsageError(f"--shares {text}: {error}") from error


def _folds(count: int) -> int:
    if count == 1:
        raise UsageError("--folds 1: a cross-validation has 2 folds at least")
    return count


def _check_output(output: Path, force: bool) -> None:
    if output.exists() and not force:
        raise UsageError(f"{output}: exists already; use --force to replace it")
    check_replaceable(output.resolve())
    if not output.parent.is_dir():
        raise UsageError(f"{output}: the folder {output.parent} does not exist; make it first")


def _headline(result: dict[str, Any]) -> str:
    key = next((name for name in ("spearman", "accuracy") if name in result["metrics"]), None)
    if key is None:
        return f"{result['rows']} test rows"
    found, baseline = result["metrics"][key], result["baselines"]["linear"].get(key, {"value": float("nan")})
    low, high = found["interval"]
    return f"{key} {found['value']:.3f} [{low:.3f}, {high:.3f}] on {result['rows']:,} test rows, linear baseline " + (
        f"{baseline['value']:.3f}"
    )


def _chosen(name: str, assignments: Mapping[str, str], compat: bool) -> "Recipe":
    """The recipe with what `--set` and `--compat` change of it."""
    from hitpredict import recipes

    recipe = recipes.load(name).changed({key: recipes.parsed(value) for key, value in assignments.items()})
    if compat and not recipe.compat:
        raise UsageError(f"--compat: recipe {recipe.name} has no mistakes of its original to repeat")
    return recipe.changed(recipe.compat) if compat else recipe
