"""`hitpredict mutate`: change the sound of songs, one variant or the product of many."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, make_dataclass
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from hitpredict.audio.expand import STDIN_NAMES
from hitpredict.audio.source import Source
from hitpredict.audio.write import Encoding
from hitpredict.cli import options
from hitpredict.cli.batch import Batch
from hitpredict.cli.clipping import Clipping
from hitpredict.cli.inputs import Failed
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import cleared, distinct
from hitpredict.cli.progress import Progress, watched
from hitpredict.cli.sinks import Sink, sink_for
from hitpredict.cli.streams import is_pipe
from hitpredict.engines import threads
from hitpredict.errors import InputError, UsageError
from hitpredict.mutations import STEPS, Chain, parse, product
from hitpredict.mutations.chain import read_recipes


class PitchEngine(StrEnum):
    """What shifts pitch and tempo."""

    pedalboard = "pedalboard"
    rubberband = "rubberband"


class Quality(StrEnum):
    """How carefully pitch and tempo are shifted."""

    best = "best"
    draft = "draft"


class Bits(StrEnum):
    """Sample format of WAV and FLAC."""

    sixteen = "16"
    twenty_four = "24"
    float = "float"


class AudioFormat(StrEnum):
    """Containers of written files."""

    wav = "wav"
    flac = "flac"
    ogg = "ogg"
    mp3 = "mp3"


class _InOrder(TyperCommand):
    """A command that remembers in which order its options were typed: it is the order of the chain."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta["order"] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


COMMAND: dict[str, Any] = {
    "cls": _InOrder,
    "help": "Change the sound of songs. The order of the options is the order of the changes; a value may be a list "
    "(-2,0,2) or a range (-4:4:1), and several values make every combination.",
    "epilog": "One variant is written as WAV, several as a tar of WAVs. Examples: "
    "hitpredict mutate song.mp3 --pitch +2 | hitpredict score - · "
    "hitpredict mutate song.mp3 --pitch=-2,0,2 --tempo 0.9,1.1 -o variants/",
}


def _step_option(op: str) -> tuple[str, Any, Any]:
    """Name, annotation and default of the option for one mutation."""
    step = STEPS[op]
    if step.metavar:
        option = typer.Option(f"--{op}", metavar=step.metavar, help=step.help_text())
        return op, Annotated[list[str] | None, option], None
    return op, Annotated[bool, typer.Option(f"--{op}", help=step.help_text())], False


if TYPE_CHECKING:
    Steps = Any
else:
    Steps = make_dataclass("Steps", map(_step_option, STEPS))


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all recipes of a run have in common."""

    engine: Annotated[PitchEngine, typer.Option(help="What shifts pitch and tempo.")] = PitchEngine.pedalboard
    quality: Annotated[Quality, typer.Option(help="Draft is about three times as fast.")] = Quality.best
    seed: Annotated[int, typer.Option(min=0, max=options.LAST_SEED, help="Seed of whatever is random (noise).")] = 0


@options.spread
def mutate(
    *,
    context: typer.Context,
    inputs: options.Inputs = None,
    steps: Steps,
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Apply the recipes in FILE (JSON, or one a line) instead of options."),
    ] = None,
    with_original: Annotated[
        bool, typer.Option("--with-original", help="Also give the unchanged sound, as the first variant.")
    ] = False,
    shared: Shared,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|DIR",
            callback=options.unless_stdout,
            help="Write a file (one variant), a .tar, or files in DIR.",
        ),
    ] = None,
    form: Annotated[AudioFormat, typer.Option("-f", "--format", help="Format of files in DIR.")] = AudioFormat.wav,
    bits: Annotated[Bits | None, typer.Option(help="Sample format of WAV and FLAC [default: float; FLAC 16].")] = None,
    dry_run: Annotated[
        bool,
        typer.Option("-n", "--dry-run", help="Check the inputs, print the recipes as JSON, name the files of -o."),
    ] = False,
    batch: Batch,
) -> int:
    """Apply every recipe to every input and write the variants."""
    recipes = _recipes(recipe, _choices(context.meta["order"], steps), with_original, shared)
    if dry_run:
        sys.stdout.writelines(json.dumps(each.to_json()) + "\n" for each in recipes)
        sys.stdout.flush()
        if not inputs and batch.files_from is None:
            return 0
    if batch.helps(context, inputs or []):
        return 2
    distinct({"-o": output, "--failures": batch.failures}, [*(inputs or []), batch.files_from, recipe])
    cleared({"--failures": batch.failures}, [], batch.force)
    with batch.opened(inputs or [], output) as (found, failed):
        head = list(islice(found, 2))
        encoding: Encoding | None = bits.value if bits else None
        alone, kept = len(head) == len(recipes) == 1, (batch.force, batch.skip_existing)
        nowhere = output is None and dry_run
        sink = Sink("float") if nowhere else sink_for(output, alone, f".{form}", encoding, *kept)
        if batch.files_from not in STDIN_NAMES:
            sink.plan([source for source in (*head, *found.ahead()[0]) if not source.problem], recipes)
        if dry_run:
            _rehearse(chain(head, found), recipes, sink, batch.messages, failed)
        else:
            # At the other end of a pipe there may be somebody else who writes to this screen.
            visible = watched(batch.messages.quiet, output is not None) and not (output is None and is_pipe(sys.stdout))
            total = found.count() if visible else None
            with Progress("variants", visible, None if total is None else (len(head) + total) * len(recipes)) as bar:
                written = _write_all(chain(head, found), recipes, sink, batch, failed, bar)
    if not dry_run:
        batch.sum_up(bar, {"variants written": written, "failed": len(failed)}, output)
    return 1 if failed else 0


def _recipes(file: Path | None, choices: list[Any], with_original: bool, shared: Shared) -> list[Chain]:
    if file and choices:
        raise UsageError("--recipe and mutation options exclude each other; put the steps into the recipe")
    common: Any = {name: str(value) if isinstance(value, StrEnum) else value for name, value in vars(shared).items()}
    recipes = read_recipes(file) if file else product(choices, **common) if choices else []
    if with_original:
        recipes = [Chain((), **common), *recipes]
    if not recipes:
        raise UsageError("no change was asked for; give one, such as --pitch +2 (see hitpredict mutate --help)")
    return list(dict.fromkeys(recipes))


def _choices(order: Sequence[str], steps: Steps) -> list[Any]:
    """The steps each typed option allows, in the order typed; a repeated option is a step of its own."""
    left = {op: iter(texts) for op, texts in vars(steps).items() if isinstance(texts, list | tuple)}
    typed = (op for op in order if op in STEPS)
    return [parse(op, next(left[op])) if STEPS[op].metavar else parse(op) for op in typed]


def _rehearse(found: Iterator[Source], recipes: list[Chain], sink: Sink, messages: Messages, failed: list[str]) -> None:
    """Open every input, name on standard error what would be written, and add to `failed` what cannot be opened."""
    good = []
    for source in found:
        if isinstance(failure := threads.attempted(partial(_opened, source), source), InputError):
            failed.append(source.path)
            messages.failure(failure)
        else:
            good.append(source)
    for name in sink.names(good, recipes):
        messages.note(f"would write {name}")


def _opened(source: Source) -> None:
    from hitpredict.audio.read import open_audio

    with open_audio(source):
        pass


def _write_all(
    found: Iterator[Source], recipes: list[Chain], sink: Sink, batch: Batch, failed: Failed, bar: Progress
) -> int:
    """Write every variant; gives how many, and adds to `failed`."""
    from hitpredict.mutations import variants

    clipping, before, written, told = Clipping(sink), None, 0, ""
    made = variants.made(found, recipes, clipping, batch.jobs, batch.timeout, batch.messages.note)
    with closing(made) as results, sink:
        for variant, result in bar.over(results):
            if before and before is not variant.source:
                before.discard()
            before = variant.source
            try:
                if isinstance(result, InputError):
                    raise result
                place, cut = result
                if isinstance(failure := threads.attempted(variant.budget.timed(place), variant), InputError):
                    raise failure
                clipping.add(str(variant), cut)
            except InputError as error:
                failed.append(variant.source.path)
                named = variant.source.path in str(error)
                # What is wrong with an input as a whole is said once, not for each of its variants.
                if not named or str(error) != told:
                    batch.messages.failure(error if named else InputError(f"{variant}: {error}"))
                told = str(error)
            else:
                written += 1
        failed.put()
    clipping.tell(batch.messages)
    return written
