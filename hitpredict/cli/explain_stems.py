"""`explain --stems`: what each stem does, as records and on a terminal."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hitpredict.audio.source import Source
from hitpredict.cli.answers import Asked, Question
from hitpredict.cli.formats import Record, Table
from hitpredict.cli.pretty_effects import CAUTION, SongPrinter, change_bar, grid_of, safe_text
from hitpredict.errors import UsageError
from hitpredict.explanation.records import STEM_COLUMNS, flat_change

if TYPE_CHECKING:
    from hitpredict.scoring.scorer import Scorer


def stem_question(folder: Path, asked: Asked) -> Question:
    """What is asked, as the options say it. Raises `UsageError`."""
    from hitpredict.audio.sound import Sound
    from hitpredict.engines.limits import Budget
    from hitpredict.explanation.stem_files import FITS, read_stems
    from hitpredict.explanation.stems import explained_stems
    from hitpredict.explanation.trial import Trial

    batch = asked.batch
    if len(asked.inputs) > 1 or batch.files_from is not None:
        raise UsageError("--stems: takes one song, the mix of the stems, or none for their sum")
    alone = Source(str(folder), file=str(folder))

    def answer(source: Source, scorers: "tuple[Scorer, ...]") -> list[Record]:
        def note(text: str) -> None:
            batch.messages.note(f"{source}: {text}")

        stems = read_stems(folder, None if source is alone else source, note)
        for text in (*stems.notes, *(f"{name}: is silent" for name in stems.parts if stems.level(name) is None)):
            note(text)
        if stems.residual > FITS:
            note(f"the stems lack {stems.residual:.1f} dB of the mix, more than {FITS:g} dB; that stays as it is")
        budget = Budget(source.path, batch.timeout)
        records, failed = explained_stems(stems, Trial(source.path, Sound.of(stems.mix), scorers, batch.jobs, budget))
        for text in failed:
            note(f"left out: {text}")
        return [record.to_json() for record in records]

    settings = {"mode": "stems", "stems": _state(folder)}
    table = Table(STEM_COLUMNS, partial(flat_change, STEM_COLUMNS))
    return Question(table, settings, answer, StemPrinter, None if asked.inputs else alone)


def _state(folder: Path) -> list[list[object]]:
    """What tells the stems from others by these names."""
    if not folder.is_dir():
        raise UsageError(f"--stems {folder}: is no folder; give one of sounds such as drums.wav, bass.wav, vocals.wav")
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    return [[path.name, (state := path.stat()).st_size, state.st_mtime_ns, state.st_ctime_ns] for path in paths]


class StemPrinter(SongPrinter):
    """What stems do, as a person reads it."""

    def song(self, records: Sequence[Record]) -> None:
        """A row for each stem in the whole song, and in each section."""
        first = self.heading(records[0])
        noise = max(each["noise"]["scale"] for each in records)
        lacking = f"; the stems lack {first['residual']:.0f} dB of the mix" if "residual" in first else ""
        self.say(f"[dim]changes that should not matter move the score by about ±{noise:.2g}{lacking}[/]")
        places = {each["section"]: (each["start"], each["end"]) for each in records}
        furthest = max(*(abs(each["effect"]) for each in records), 2 * noise)
        changes = list(dict.fromkeys(each["change"] for each in records))
        changes.sort(key=lambda each: (each != "mute", each.startswith("pan"), each))
        for section in sorted(places, key=lambda name: (places[name][0], -places[name][1])):
            own = [each for each in records if each["section"] == section]
            begin, end = (f"{int(at) // 60}:{int(at) % 60:02}" for at in places[section])
            self.say(f"[bold]{safe_text(section)}[/] [dim]{begin} to {end}[/]")
            self._rows(own, changes, furthest)

    def _rows(self, records: Sequence[Record], changes: Sequence[str], furthest: float) -> None:
        """A row for each stem, the largest effect of muting first; what the model is blind to of all is said once."""
        by_change = {change: [each for each in records if each["change"] == change] for change in changes}
        blind = [
            name for name, own in by_change.items() if own and all(each["blind"] or each["silent"] for each in own)
        ]
        shown = [name for name, own in by_change.items() if own and name not in blind]
        rows = grid_of("stem", "level", "lowers · raises", *shown)
        found = {(each["stem"], each["change"]): each for each in records}
        largest = {each["stem"]: abs(each["effect"]) for each in records if each["change"] == "mute"}
        for stem in sorted({each["stem"] for each in records}, key=lambda name: (-largest.get(name, 0.0), name)):
            some = next(each for each in records if each["stem"] == stem)
            muted = found.get((stem, "mute"))
            bar = change_bar(muted["effect"] / furthest, muted["significant"]) if muted and not some["silent"] else ""
            level = "silent" if some["silent"] else f"{some['level']:.0f} dB"
            rows.add_row(safe_text(stem), level, bar, *(_cell(found.get((stem, change))) for change in shown))
        self.say(rows)
        if blind:
            self.say(f"[dim]the model is blind to {', '.join(blind)}[/]")

    def legend(self) -> None:
        """What the numbers are and are not."""
        self.close(
            "What the score of the whole song does when a stem is changed there; in brackets what is no more than "
            f"noise (5 % false discoveries among all that was tried). Bars are of muting. {CAUTION}"
        )


def _cell(record: Record | None) -> str:
    if record is None or record["silent"]:
        return ""
    if record["blind"]:
        return "[dim]blind[/]"
    if not record["significant"]:
        return f"[bright_black]({record['effect']:+.1f})[/]"
    return f"[{'green' if record['effect'] > 0 else 'red'}]{record['effect']:+.1f}[/]"
