"""`explain --interactions`: pairs of changes, as records and on a terminal."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from hitpredict.audio.source import Source
from hitpredict.cli.answers import Asked, Question
from hitpredict.cli.formats import Record, Table
from hitpredict.cli.pretty_effects import CAUTION, SongPrinter, change_bar, grid_of, safe_text, verdict_of, with_unit
from hitpredict.explanation.records import INTERACTION_COLUMNS, flat_change

if TYPE_CHECKING:
    from hitpredict.scoring.scorer import Scorer


def interaction_question(asked: Asked) -> Question:
    """What is asked, as the options say it. Raises `UsageError`."""
    from hitpredict.explanation.grid import chosen_parameters
    from hitpredict.explanation.interactions import ASKED_FOR, OF_ITS_OWN, interactions
    from hitpredict.explanation.sweep import Sweep
    from hitpredict.explanation.trial import Trial

    sweep, batch = Sweep(tuple(chosen_parameters(asked.params, asked.grid)), asked.quality), asked.batch
    most = ASKED_FOR if asked.params or asked.grid else OF_ITS_OWN

    def answer(source: Source, scorers: "tuple[Scorer, ...]") -> list[Record]:
        trial = Trial.read(source, scorers, batch.jobs, batch.timeout, batch.messages.note)
        records, failed = interactions(sweep, trial, most)
        if failed:
            batch.messages.note(f"{source}: left out: {'; '.join(failed)}")
        return [record.to_json() for record in records]

    settings = {"chains": [each.to_json() for each in sweep.chains], "mode": "interactions", "most": most}
    return Question(
        Table(INTERACTION_COLUMNS, partial(flat_change, INTERACTION_COLUMNS)), settings, answer, InteractionPrinter
    )


class InteractionPrinter(SongPrinter):
    """Pairs of changes as a person reads them."""

    def song(self, records: Sequence[Record]) -> None:
        """What pairs of changes do to the score of one song."""
        first = self.heading(records[0])
        names = dict.fromkeys(name for each in records for name in each["parameters"])
        count = "1 pair" if first["pairs"] == 1 else f"{first['pairs']} pairs"
        self.say(
            f"[dim]{count} of the {len(names)} parameters that move the score most, each at the value of its largest "
            "change; --params chooses others[/]"
        )
        rows = grid_of("less · more", "than the sum", "alone", "both", "", "pair")
        noise = max(each["noise"]["scale"] for each in records)
        furthest = max(*(abs(each["interaction"]) for each in records), 2 * noise)
        for each in records:
            parts = zip(each["parameters"], each["values"], each["units"], strict=True)
            pair = " + ".join(f"{safe_text(name)} {with_unit(value, unit)}" for name, value, unit in parts)
            alone = " ".join(f"{change:+.1f}" for change in each["alone"])
            bar = change_bar(each["interaction"] / furthest, each["significant"])
            both = f"{each['together']:+.1f}"
            if each["blind"] or each["at_end"]:
                told = "blind to one of them" if each["blind"] else "at the end of the scale"
                rows.add_row("", f"[dim]{told}[/]", alone, both, "", pair)
            else:
                rows.add_row(bar, f"{each['interaction']:+.1f}", alone, both, verdict_of(each), pair)
        self.say(rows)

    def legend(self) -> None:
        """What the bars are and are not."""
        self.close(f"Bars in colour are more than noise (5 % false discoveries among all pairs). {CAUTION}")
