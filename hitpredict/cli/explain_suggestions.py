"""`explain --suggest`: small changes that raise a score, as commands, records and on a terminal."""

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from hitpredict.audio.source import STDIN, Source
from hitpredict.cli.answers import Asked, Question
from hitpredict.cli.formats import Record, Table
from hitpredict.cli.pretty_effects import CAUTION, SongPrinter, change_bar, safe_text
from hitpredict.explanation.records import SUGGESTION_COLUMNS, flat_change

if TYPE_CHECKING:
    from hitpredict.scoring.scorer import Scorer


def suggestion_question(wanted: int, asked: Asked) -> Question:
    """What is asked, as the options say it. Raises `UsageError`."""
    from hitpredict.explanation.suggest import Search, chosen_directions, suggestions
    from hitpredict.explanation.trial import Trial

    search, batch = Search(wanted, chosen_directions(asked.params), asked.quality), asked.batch

    def answer(source: Source, scorers: "tuple[Scorer, ...]") -> list[Record]:
        trial = Trial.read(source, scorers, batch.jobs, batch.timeout, batch.messages.note)
        records, failed = suggestions(search, trial)
        if failed:
            batch.messages.note(f"{source}: left out: {'; '.join(failed)}")
        return [_with_command(record.to_json()) for record in records]

    names = [each.name for each in search.directions]
    settings = {"mode": "suggest", "wanted": wanted, "directions": names, "quality": asked.quality}
    table = Table(SUGGESTION_COLUMNS, partial(flat_change, SUGGESTION_COLUMNS))
    return Question(table, settings, answer, SuggestionPrinter)


def _with_command(record: Record) -> Record:
    return {**record, "command": command_of(record)} if record["found"] else record


def command_of(record: Record) -> str:
    """The line for a shell that makes the changed song."""
    path = record["path"]
    options: list[str] = []
    labels = []
    for step in record["steps"]:
        value = _value(step)
        options += [f"--{step['op']}", value] if value else [f"--{step['op']}"]
        labels.append(step["op"] + value.replace(":", "_"))
    name = f"{PurePath(path).stem if path != STDIN else 'stdin'}.{'.'.join(labels)}.wav"
    # A name like an option would be taken for one.
    safe = [f"./{each}" if each.startswith("-") and each != STDIN else each for each in (path, name)]
    return shlex.join(["hitpredict", "mutate", safe[0], *options, "--quality", record["quality"], "-o", safe[1]])


def _value(step: Mapping[str, Any]) -> str:
    """As `mutate` takes it, with what is the default left out; numbers to the last digit."""
    from hitpredict.mutations import STEPS

    specs = [spec for spec in STEPS[step["op"]].parameters() if spec.name in step]
    while specs and not specs[-1].required and step[specs[-1].name] == specs[-1].default:
        specs.pop()
    return ":".join(_number(step[spec.name], spec.signed) for spec in specs)


def _number(value: Any, signed: bool) -> str:
    if not isinstance(value, int | float):
        return str(value)
    text = str(int(value)) if value == int(value) else repr(value)
    return f"+{text}" if signed and value > 0 else text


class SuggestionPrinter(SongPrinter):
    """Suggestions as a person reads them."""

    def song(self, records: Sequence[Record]) -> None:
        """What small changes raise the score of one song, or that none does."""
        first = self.heading(records[0])
        asked = f"{first['tried']} changes tried; those that should not matter move the score by about ±"
        self.say(f"[dim]{asked}{first['noise']['scale']:.2g}[/]")
        if first["blind"]:
            self.say(f"[dim]the model is blind to {safe_text(', '.join(first['blind']))}[/]")
        if not first["found"]:
            self.say("Nothing small helps: no change within the limits raises the score by more than noise.")
            return
        furthest = max(each["effect"] for each in records)
        for each in records:
            low, high = each["interval"]
            told = f"{each['effect']:+.1f} [{low:+.1f}, {high:+.1f}]  p {each['p_value']:.1g}"
            size = f"{100 * each['size']:.0f} % of {'its limit' if len(each['steps']) == 1 else 'their limits'}"
            self.say(f"{change_bar(each['effect'] / furthest, True)} {told}  {size}  [dim]{_agreement(each)}[/]")
            if each["unlike_training"]:
                self.say("[yellow]unlike training songs[/]")
            # A line to be copied is not to be broken.
            self.say(f"  {safe_text(each['command'])}", whole=True)

    def legend(self) -> None:
        """What it is and is not."""
        self.close(
            "The smallest changes first. p is corrected for all that was tried; limits: pitch ±2 semitones, tempo 8 %, "
            f"EQ ±4 dB, and so on. {CAUTION}"
        )


def _agreement(record: Record) -> str:
    count = max(len(record["models"]), 2)
    agreeing = record["agreeing"]
    return f"{agreeing} of {count} {record['agreement']} agree" if agreeing else "agreement not checked: too short"
