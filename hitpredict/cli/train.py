"""`hitpredict train`."""

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


def train(
    recipe: Annotated[
        str,
        typer.Option(
            "-r",
            "--recipe",
            metavar="NAME",
            help="A recipe's name or a TOML file.",
            autocompletion=options.recipe_names,
        ),
    ],
    labels: Labels,
    target: Annotated[
        list[str],
        typer.Option(metavar="COLUMN", help="Label column; a leading minus turns it round; several are combined."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="MODEL_DIR", help="The model folder to write.")],
    features: FeatureTables = None,
    group: Group = None,
    every_column: Annotated[
        bool,
        typer.Option("--all-columns", help="Use every numeric column, not only those of a known kind of features."),
    ] = False,
    split: Annotated[
        str,
        typer.Option(
            metavar="SPLIT", help="groups, fma, temporal:COLUMN, column:COLUMN, or random (inflates results)."
        ),
    ] = "groups",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set an entry of the recipe, such as training.epochs=5."),
    ] = None,
    compat: Annotated[
        bool, typer.Option("--compat", help="Reproduce the original's mistakes where the recipe has any.")
    ] = False,
    seed: Annotated[
        int,
        typer.Option(min=0, max=options.LAST_SEED, help="Seed of the split, the weights and the order of training."),
    ] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was killed.")] = False,
    device: Annotated[options.Device, typer.Option(help="Where to train.")] = options.Device.cpu,
    devices: Annotated[int, typer.Option(min=1, max=1024, help="How many GPUs.")] = 1,
    precision: Annotated[
        str, typer.Option(metavar="PRECISION", help="Lightning's precision, such as 16-mixed or bf16-mixed.")
    ] = "32-true",
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train, evaluate on held-out groups, and write the model folder."""
    messages = Messages(quiet, verbose)
    _check_output(output, force)
    with needs("train", "training needs"):
        import torch

        from hitpredict.training.run import TrainingRun, data_for
        from hitpredict.training.train import train as trained
    from hitpredict.engines.local import cores

    # One process does all the work here, so it may use what the others leave to `--jobs`.
    torch.set_num_threads(cores())
    chosen = _chosen(recipe, setting or [], compat)
    targets = [name for text in target for name in text.split(",")]
    data = data_for(chosen, features or [], labels, targets, group, every_column)
    for note in data.notes:
        messages.note(note)
    if split == "random":
        messages.note("a random split puts songs of the same artists on both sides: results will be inflated")
    progress, accelerator = watched(quiet, rows_elsewhere=True), device.value.replace("cuda", "gpu")
    result = trained(TrainingRun(chosen, data, split, seed, resume, accelerator, devices, precision, progress), output)
    messages.note(f"{output}: {len(data):,} rows in all; {_headline(result)}")
    if "warning" in result and split != "random":
        messages.note(f"beware: {result['warning']}")


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


def _chosen(name: str, assignments: list[str], compat: bool) -> "Recipe":
    """The recipe with what `--set` and `--compat` change of it."""
    from hitpredict import recipes

    settings = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: expected KEY=VALUE")
        settings[key.strip()] = recipes.parsed(value.strip())
    recipe = recipes.load(name).changed(settings)
    if compat and not recipe.compat:
        raise UsageError(f"--compat: recipe {recipe.name} has no mistakes of its original to repeat")
    return recipe.changed(recipe.compat) if compat else recipe
