"""Changes to the sound in plain words: from `eq-4000` at 6 dB to "raising 4 kHz by 6 dB"."""

from collections.abc import Callable, Mapping

from hitpredict.errors import UsageError
from hitpredict.mutations import Chain
from hitpredict.report.records import Printed
from hitpredict.report.section import figure


def _frequency(hertz: float) -> str:
    return f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz:g} Hz"


def _turned(what: str, by: str, value: float, unit: str) -> str:
    return f"{'raising' if value > 0 else 'lowering'} {what} {by} {abs(value):g} {unit}"


def _equalised(value: float, detail: str) -> str:
    try:
        where = _frequency(float(detail))
    except ValueError:
        where = detail
    return _turned(f"the range around {where}" if where else "a range", "by", value, "dB")


_CHANGES: Mapping[str, Callable[[float, str], str]] = {
    "pitch": lambda value, _: _turned("the pitch", "by", value, "semitone" if abs(value) == 1 else "semitones"),
    "tempo": lambda value, _: f"playing it {abs(value - 1):.0%} {'faster' if value > 1 else 'slower'}",
    "gain": lambda value, _: f"making it {abs(value):g} dB {'louder' if value > 0 else 'quieter'}",
    "compress": lambda value, _: f"compressing what is above {figure(value, 'g')} dBFS",
    "lowpass": lambda value, _: f"removing what is above {_frequency(value)}",
    "highpass": lambda value, _: f"removing what is below {_frequency(value)}",
    "eq": _equalised,
    "noise": lambda value, colour: f"adding {colour} noise {value:g} dB below the music".replace("  ", " "),
    "reverb": lambda value, _: f"adding {value:.0%} of reverb",
    "distortion": lambda value, _: f"distorting it, driven by {value:g} dB",
    "width": lambda value, _: (
        "making it mono"
        if not value
        else f"making the stereo {abs(value - 1):.0%} {'wider' if value > 1 else 'narrower'}"
    ),
    "mp3": lambda value, _: f"encoding it as MP3 at {value:g} kbit/s",
    "bitcrush": lambda value, _: f"keeping {value:g} bits",
}


def recipe_of(record: Printed) -> Chain | None:
    """The one step that makes the largest change of a record, where it says so."""
    try:
        recipe = Chain.from_json(record["recipe"])
    except (KeyError, UsageError):
        return None
    return recipe if len(recipe.steps) == 1 else None


def change_of(record: Printed) -> str:
    """What was done where the score changes most: "raising the pitch by 2 semitones"."""
    value, name = record.get("largest_change_at"), record["parameter"]
    op, _, detail = name.partition("-")
    if recipe := recipe_of(record):
        step = recipe.steps[0]
        op, fields = step.op, [*step.values, ""]
        value, detail = (fields[1], fields[0]) if op == "eq" else fields[:2]
    if value is None:
        return f"changing {name}"
    if op in _CHANGES:
        return _CHANGES[op](value, str(detail))
    return f"setting {name} to {figure(value, 'g')} {record['unit']}".strip()


def moved(record: Printed) -> str:
    """What that does to the score: "lowers the score by 3.4 ± 1.2"."""
    change, noise = record["largest_change"], noise_of(record)
    if record["blind"]:
        return "does not move the score"
    more = f" ± {noise:.1f}" if noise else ""
    return f"{'raises' if change > 0 else 'lowers'} the score by {abs(change):.1f}{more}"


def noise_of(record: Printed) -> float:
    """How far changes that nobody hears move a score, in 95 of 100 cases."""
    noise = record.get("noise", {})
    return max(float(noise.get("floor", 0.0)), 1.96 * float(noise.get("scale", 0.0)))


def capitalised(text: str) -> str:
    """The beginning of a sentence."""
    return text[:1].upper() + text[1:]
