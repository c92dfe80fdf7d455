"""`hitpredict mutate`: change the sound of songs, one variant or the product of many."""

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from hitpredict.audio.expand import STDIN_NAMES
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.audio.write import Encoding
from hitpredict.cli import options
from hitpredict.cli.clipping import Clipping, Cut
from hitpredict.cli.inputs import Failed, failures_in, nothing_given, sources
from hitpredict.cli.messages import Messages
from hitpredict.cli.output_paths import cleared, distinct
from hitpredict.cli.progress import Progress, sum_up, watched
from hitpredict.cli.sinks import Place, Sink, sink_for
from hitpredict.cli.streams import is_pipe
from hitpredict.engines import threads
from hitpredict.engines.limits import Budget
from hitpredict.errors import InputError, UsageError
from hitpredict.mutations import STEPS, Chain, parse, product
from hitpredict.mutations.chain import applied, divided


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


def _with_steps(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command one option for each mutation; their values arrive as the keyword `steps`."""

    def run(**arguments: Any) -> int:
        steps = {op: arguments.pop(f"step_{op}") for op in STEPS}
        return command(steps=steps, **arguments)

    own = [p for name, p in inspect.signature(command).parameters.items() if name != "steps"]
    made = [_step_option(op) for op in STEPS]
    run.__doc__, run.__name__ = command.__doc__, command.__name__
    signature = inspect.Signature([*own[:2], *made, *own[2:]])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    return run


def _step_option(op: str) -> inspect.Parameter:
    step = STEPS[op]
    names = [f"step_{op}", f"--{op}"]
    if step.metavar:
        option = typer.Option(*names[1:], metavar=step.metavar, help=step.help_text())
        annotation: Any = Annotated[list[str] | None, option]
        default: Any = None
    else:
        annotation, default = Annotated[bool, typer.Option(*names[1:], help=step.help_text())], False
    return inspect.Parameter(names[0], inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


@_with_steps
def mutate(
    *,
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Audio files, folders, tar archives, or - for standard input."),
    ] = None,
    steps: dict[str, list[str] | bool | None],
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Apply the recipes in FILE (JSON, or one a line) instead of options."),
    ] = None,
    with_original: Annotated[
        bool, typer.Option("--with-original", help="Also give the unchanged sound, as the first variant.")
    ] = False,
    engine: Annotated[PitchEngine, typer.Option(help="What shifts pitch and tempo.")] = PitchEngine.pedalboard,
    quality: Annotated[Quality, typer.Option(help="Draft is about three times as fast.")] = Quality.best,
    seed: Annotated[int, typer.Option(min=0, max=options.LAST_SEED, help="Seed of whatever is random (noise).")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE|DIR", help="Write a file (one variant), a .tar, or files in DIR."),
    ] = None,
    form: Annotated[
        AudioFormat | None, typer.Option("-f", "--format", help="Format of files in DIR [default: wav].")
    ] = None,
    bits: Annotated[Bits | None, typer.Option(help="Sample format of WAV and FLAC [default: float; FLAC 16].")] = None,
    dry_run: Annotated[
        bool,
        typer.Option("-n", "--dry-run", help="Check the inputs, print the recipes as JSON, name the files of -o."),
    ] = False,
    jobs: options.Jobs = None,
    files_from: options.FilesFrom = None,
    null: options.Null = False,
    failures: options.Failures = None,
    max_bytes: options.MaxBytes = None,
    timeout: options.Timeout = options.TIMEOUT,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Apply every recipe to every input and write the variants."""
    inputs = inputs or []
    chosen = _recipes(recipe, context.meta["order"], steps, with_original, str(engine), str(quality), seed)
    if dry_run:
        for each in chosen:
            sys.stdout.write(json.dumps(each.to_json()) + "\n")
        sys.stdout.flush()
        if not inputs and files_from is None:
            return 0
    if nothing_given(inputs, files_from):
        typer.echo(context.get_help(), err=True)
        return 2
    messages = Messages(quiet, verbose)
    output = None if str(output) == "-" else output
    distinct({"-o": output, "--failures": failures}, [*inputs, files_from, recipe])
    cleared({"--failures": failures}, [], force)
    # At the other end of a pipe there may be somebody else who writes to this screen.
    visible = watched(quiet, rows_elsewhere=output is not None) and not (output is None and is_pipe(sys.stdout))
    with (
        failures_in(failures, null) as failed,
        sources(inputs, files_from, null, messages, max_bytes, [output, failures]) as found,
    ):
        head = list(islice(found, 2))
        alone = len(head) == 1 and len(chosen) == 1
        encoding: Encoding | None = bits.value if bits else None
        suffix = f".{form or AudioFormat.wav}"
        if output is None and dry_run:
            sink = Sink("float")
        else:
            sink = sink_for(output, alone, suffix, encoding, force, skip_existing)
        if files_from not in STDIN_NAMES:
            named, _ = found.ahead()
            sink.plan([source for source in (*head, *named) if not source.problem], chosen)
        if dry_run:
            _rehearse(chain(head, found), chosen, sink, messages, failed)
            return 1 if failed else 0
        total = found.count() if visible else None
        with Progress("variants", visible, None if total is None else (len(head) + total) * len(chosen)) as bar:
            written = _write_all(chain(head, found), chosen, sink, jobs, messages, failed, bar, timeout)
    sum_up(messages, bar, {"variants written": written, "failed": len(failed)}, output, failures)
    return 1 if failed else 0


def _recipes(
    file: Path | None,
    order: Sequence[str],
    steps: dict[str, list[str] | bool | None],
    with_original: bool,
    engine: str,
    quality: str,
    seed: int,
) -> list[Chain]:
    choices = _choices(order, steps)
    if file and choices:
        raise UsageError("--recipe and mutation options exclude each other; put the steps into the recipe")
    shared: dict[str, Any] = {"engine": engine, "quality": quality, "seed": seed}
    recipes = product(choices, **shared) if choices else []
    if file:
        recipes = _read_recipes(file)
    if with_original:
        recipes = [Chain((), **shared), *recipes]
    if not recipes:
        raise UsageError("no change was asked for; give one, such as --pitch +2 (see hitpredict mutate --help)")
    return list(dict.fromkeys(recipes))


def _choices(order: Sequence[str], steps: dict[str, list[str] | bool | None]) -> list[Any]:
    """The steps each typed option allows, in the order typed; a repeated option is a step of its own."""
    left = {op: list(texts) for op, texts in steps.items() if isinstance(texts, list | tuple)}
    choices = []
    for op in (name.removeprefix("step_") for name in order if name.startswith("step_")):
        choices.append(parse(op, left[op].pop(0)) if STEPS[op].metavar else parse(op))
    return choices


def _read_recipes(file: Path) -> list[Chain]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--recipe {file}: {getattr(error, 'strerror', None) or error}") from error
    try:
        try:
            entries = [json.loads(text)]
        except ValueError:
            entries = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as error:
        raise UsageError(f"--recipe {file}: not JSON: {error}") from error
    flat = [recipe for entry in entries for recipe in (entry if isinstance(entry, list) else [entry])]
    try:
        return [Chain.from_json(entry) for entry in flat]
    except UsageError as error:
        raise UsageError(f"--recipe {file}: {error}") from error


def _rehearse(found: Iterator[Source], recipes: list[Chain], sink: Sink, messages: Messages, failed: list[str]) -> None:
    """Open every input, name on standard error what would be written, and add to `failed` what cannot be opened."""
    good = []
    for source in found:
        if isinstance(failure := threads.attempted(partial(_opened, source), source, _path), InputError):
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
    found: Iterator[Source],
    recipes: list[Chain],
    sink: Sink,
    jobs: int | None,
    messages: Messages,
    failed: Failed,
    bar: Progress,
    seconds: float,
) -> int:
    """Write every variant; gives how many, and adds to `failed`. seconds: for the work on one input."""
    clipping, before, written, told = Clipping(), None, 0, ""
    variants = _variants(found, recipes, sink, jobs, messages, seconds)
    with closing(threads.run(variants, jobs, _called)) as results, sink:
        for variant, result in bar.over(results):
            if before and before is not variant.source:
                before.discard()
            before = variant.source
            try:
                if isinstance(result, InputError):
                    raise result
                place, cut = result
                if isinstance(failure := threads.attempted(variant.budget.timed(place), variant, _called), InputError):
                    raise failure
                clipping.add(variant.called, cut)
            except InputError as error:
                failed.append(variant.source.path)
                named = variant.source.path in str(error)
                # What is wrong with an input as a whole is said once, not for each of its variants.
                if not named or str(error) != told:
                    messages.failure(error if named else InputError(f"{variant.called}: {error}"))
                told = str(error)
            else:
                written += 1
        failed.put()
    clipping.tell(messages)
    return written


@dataclass(frozen=True)
class _Variant:
    source: Source
    recipe: Chain
    budget: Budget = field(compare=False)
    name: str = ""

    @property
    def called(self) -> str:
        return f"{self.source.path}: {self.recipe.label}"


Made = tuple[Place, Cut]


def _variants(
    found: Iterator[Source], recipes: list[Chain], sink: Sink, jobs: int | None, messages: Messages, seconds: float
) -> Iterator[tuple[_Variant, Callable[[], Made]]]:
    """The work, lazily: what comes after a stretch is a call for each variant, the stretch is done once."""
    with closing(threads.run(_stretches(found, recipes, sink, messages, seconds), jobs, _first_called)) as stretches:
        for variants, sound in stretches:
            for variant in variants:
                if isinstance(sound, InputError):
                    yield variant, partial(_raise, sound)
                else:
                    yield variant, variant.budget.timed(partial(_made, variant, sound, sink))


def _stretches(
    found: Iterator[Source], recipes: list[Chain], sink: Sink, messages: Messages, seconds: float
) -> Iterator[tuple[list[_Variant], Callable[[], Sound]]]:
    """Calls that stretch a sound, each with the neighbouring variants that begin with this stretch."""
    for source in found:
        budget = Budget(source.path, seconds)
        read = threads.attempted(budget.timed(partial(_read, source, recipes, sink, messages, budget)), source, _path)
        if isinstance(read, InputError):
            yield [_Variant(source, recipes[0], budget)], partial(_raise, read)
        elif read:
            wanted, sound = read
            for plan, alike in groupby(wanted, lambda variant: divided(variant.recipe.plan)[0]):
                yield list(alike), budget.timed(partial(applied, plan, sound))


def _read(
    source: Source, recipes: list[Chain], sink: Sink, messages: Messages, budget: Budget
) -> tuple[list[_Variant], Sound] | None:
    """The variants that are wanted of a source, and its sound; None where all are there already."""
    from hitpredict.audio.read import read_sound

    if source.problem:
        raise InputError(f"{source.path}: {source.problem}")
    named = [(recipe, sink.claim(source, recipe)) for recipe in recipes]
    wanted = [_Variant(source, recipe, budget, name) for recipe, name in named if name is not None]
    return (wanted, _within(read_sound(source, partial(_note, messages, source)), budget)) if wanted else None


def _within(sound: Sound, budget: Budget) -> Sound:
    """The same sound, that breaks off when the time is up."""
    return replace(sound, parts=lambda: map(budget.check, sound.parts()))


def _path(source: Source) -> str:
    return source.path


def _called(variant: _Variant) -> str:
    return variant.called


def _first_called(variants: list[_Variant]) -> str:
    return variants[0].called


def _note(messages: Messages, source: Source, warning: str) -> None:
    messages.note(f"{source.path}: {warning}")


def _raise(error: InputError) -> Any:
    raise error


def _made(variant: _Variant, stretched: Sound, sink: Sink) -> Made:
    """The variant, with its name and its recipe in the tags."""
    recipe = variant.recipe
    title = f"{stretched.name} [{recipe.label}]" if recipe.steps else stretched.name
    artist = {"artist": stretched.tags["artist"]} if stretched.tags.get("artist") else {}
    comment = json.dumps(recipe.to_json(), separators=(",", ":"))
    changed = _within(applied(divided(recipe.plan)[1], stretched), variant.budget)
    cut = Cut(changed.frames)
    watched = changed if sink.bits == "float" else changed.each(cut.watch)
    tags = {**artist, "title": title, "comment": comment}
    return sink.take(variant.name, replace(watched, name=title, tags=tags)), cut
