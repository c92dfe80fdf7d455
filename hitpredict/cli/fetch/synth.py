"""`hitpredict fetch synth`: songs made on the spot, whose popularity has known causes."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.progress import Progress, watched
from hitpredict.errors import InputError, UsageError
from hitpredict.files.owned import atomic

if TYPE_CHECKING:
    from hitpredict.datasets.synth import Settings, Song

COMMAND: dict[str, Any] = {
    "help": "Make songs whose popularity has known causes (tempo, key height, brightness, loudness range, density, "
    "noise), to check what a model says it has found against the truth. Nothing is downloaded.",
    "epilog": "Example: hitpredict fetch synth -n 200 --seed 0 -o synth/",
}
SETTINGS = "synth.json"


class SongFormat(StrEnum):
    """Formats the songs can have."""

    ogg = "ogg"
    flac = "flac"
    wav = "wav"


@options.spread
def synth(
    *,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Write audio/, tracks.jsonl and synth.json into this folder."
        ),
    ],
    songs: Annotated[int, typer.Option("-n", "--songs", min=1, max=10**7, help="How many songs.")] = 200,
    seed: Annotated[int, typer.Option(min=0, max=options.LAST_SEED, help="Another seed makes other songs.")] = 0,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=W,...",
            help="Weight of each driver in the popularity; those not named weigh 0 [default: tempo=0.4,key_height=0.25,"
            "brightness=0.55,loudness_range=-0.35,density=0.45,noise=-0.4].",
        ),
    ] = None,
    label_noise: Annotated[
        float,
        typer.Option(
            min=0, max=100, help="Standard deviation of the chance in a song's popularity, in units of weight."
        ),
    ] = 0.6,
    artist_effect: Annotated[
        float,
        typer.Option(min=0, max=100, help="Standard deviation of what an artist's songs share, in units of weight."),
    ] = 0.4,
    songs_per_artist: Annotated[int, typer.Option(min=1, max=10**7, help="Songs that share an artist.")] = 4,
    seconds: Annotated[float, typer.Option(min=2, max=600, help="Length of a song.")] = 12.0,
    form: Annotated[SongFormat, typer.Option("-f", "--format", help="Format of the songs.")] = SongFormat.ogg,
    jobs: options.Jobs = None,
    force: options.Force = False,
    messages: Messages,
) -> int:
    """Write the songs that are missing, then the manifest; what is known of the whole goes to standard error."""
    from hitpredict.datasets.synth import WEIGHTS, Settings, song

    weighed = dict(WEIGHTS) if weights is None else _weights(weights)
    settings = Settings(seed, weighed, label_noise, artist_effect, songs_per_artist, seconds, form.value)
    planted = [song(settings, number) for number in range(songs)]
    _prepare(output, settings, force)
    failed = _render(output, settings, planted, jobs, messages)
    if not failed:
        _finish(output, settings, planted, messages)
    return 1 if failed else 0


def _weights(text: str) -> dict[str, float]:
    try:
        pairs = [part.split("=") for part in text.split(",") if part.strip()]
        return {name.strip(): float(value) for name, value in pairs}
    except ValueError as error:
        raise UsageError(f"--weights {text}: write it like tempo=0.5,brightness=-0.3") from error


def _prepare(output: Path, settings: "Settings", force: bool) -> None:
    """Make the folder for these settings. Songs of the same settings stay, unless `force`; others are an error."""
    from hitpredict.datasets.manifest import MANIFEST
    from hitpredict.datasets.synth import description

    text = json.dumps(description(settings), indent=2) + "\n"
    known = output / SETTINGS
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file; give a folder")
    same = known.is_file() and known.read_text(encoding="utf-8") == text
    if not same and not force and (known.exists() or (output / MANIFEST).exists()):
        raise UsageError(f"{output}: holds songs of other settings; use --force to replace them")
    if force and any(path.exists() for path in (output / MANIFEST, *output.glob("audio/synth_*"))) and not _ours(known):
        raise UsageError(f"{output}: was not made by fetch synth; nothing is replaced there, give another folder")
    if force:
        for stale in (known, output / MANIFEST, *output.glob("audio/synth_*")):
            stale.unlink(missing_ok=True)
    (output / "audio").mkdir(parents=True, exist_ok=True)
    if force or not same:
        with atomic(known) as file:
            file.write(text.encode())


def _ours(known: Path) -> bool:
    """Whether this command wrote a description of songs."""
    try:
        return str(json.loads(known.read_text(encoding="utf-8"))["schema"]).startswith("hitpredict.synth/")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _render(output: Path, settings: "Settings", planted: "list[Song]", jobs: int | None, messages: Messages) -> int:
    """Write the songs that are not there; gives how many could not be."""
    from hitpredict.datasets.synth import audio_path
    from hitpredict.datasets.synth_audio import writer
    from hitpredict.engines import local

    missing = [song for song in planted if not (output / audio_path(settings, song)).exists()]
    if there := len(planted) - len(missing):
        messages.note(f"{output}: {there:,} songs are there already and are kept")
    work = local.run(writer, (settings, str(output)), missing, jobs, _name)
    failed = 0
    with Progress("songs made", watched(messages.quiet, rows_elsewhere=True), len(missing)) as bar:
        for _, result in bar.over(work):
            if isinstance(result, InputError):
                failed += 1
                messages.failure(result)
    return failed


def _name(song: "Song") -> str:
    return song.track_id


def _finish(output: Path, settings: "Settings", planted: "list[Song]", messages: Messages) -> None:
    from hitpredict.datasets.manifest import write_tracks
    from hitpredict.datasets.synth import row

    write_tracks(output, [row(settings, song) for song in planted])
    ceiling = json.loads((output / SETTINGS).read_text(encoding="utf-8"))["ceilings"]
    artists = len({song.artist for song in planted})
    messages.note(
        f"{output}: {len(planted):,} songs of {artists:,} artists; of the variance of popularity, the drivers explain "
        f"at most {ceiling['popularity_r2']:.3f}, and with the artist known {ceiling['popularity_r2_artist_known']:.3f}"
    )
