"""Which sections a page has: one file below for each kind of record."""

from hitpredict.report import comparisons, corpus, evaluations, explanations, places, questions, scores
from hitpredict.report.records import Records
from hitpredict.report.section import Section
from hitpredict.report.sounds import Sounds


def sections_of(records: Records, model: str | None = None, sounds: Sounds | None = None) -> list[Section]:
    """What the page holds, by kind of record. model: a file or name for the scale and the reference songs.

    Without one, bundled models are known by their hash; of others the scale is what the records show. sounds: where
    the songs are, for waveforms and players.
    """
    sounds = sounds or Sounds()
    found = [
        scores.section(records.scores, model, sounds),
        comparisons.section(records.comparisons),
        corpus.section(records.corpus, records.effects),
        explanations.section(records.effects, sounds),
        places.section(records.places),
        questions.interactions_section(records.interactions),
        questions.stems_section(records.stems),
        questions.suggestions_section(records.suggestions),
        evaluations.section(records.evaluations),
    ]
    return [part for part in found if part is not None]
