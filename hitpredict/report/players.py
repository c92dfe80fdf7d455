"""The changes that move a score, made again to be heard: a passage of each, encoded small."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hitpredict.audio.sound import Sound, reblocked
from hitpredict.errors import HitpredictError, InputError
from hitpredict.mutations import Chain
from hitpredict.mutations.edit import Crop
from hitpredict.mutations.level import Gain, Loudness
from hitpredict.mutations.loudness import integrated_loudness
from hitpredict.mutations.step import decibels
from hitpredict.report.records import Printed
from hitpredict.report.section import Player, minutes
from hitpredict.report.sounds import PASSAGE, FoundSong
from hitpredict.report.wording import capitalised, change_of, moved, recipe_of

MOST, _MOST_OF_A_SONG = 24, 8
"""Players of a page, and of a song, the unchanged one among them."""
_RATE = 48_000
_SMALLNESS = 0.864
"""libsndfile's word for 40 kbit/s a channel, 100 kB for a stereo passage."""
_HIGHEST = 0.9


@dataclass
class Players:
    """What a page has of them. room: how many more it takes."""

    room: int = MOST

    def of(self, song: FoundSong, effects: Sequence[Printed]) -> tuple[list[Player], list[str]]:
        """The unchanged passage of a song and one of each effect, as far as there is room; and what to say of them.

        effects: those that are more than noise, the largest first.
        """
        wanted = [(each, recipe) for each in effects if (recipe := recipe_of(each)) is not None]
        notes = []
        if old := len(effects) - len(wanted):
            notes.append(f"Of {old} effects the records do not say how they were made: explain the song again.")
        chosen = wanted[: max(0, min(self.room, _MOST_OF_A_SONG) - 1)]
        if len(chosen) < len(wanted):
            notes.append(f"Of {len(wanted)} effects the {len(chosen)} largest can be heard." if chosen else _FULL)
        start = song.loudest
        passages, kept = [passage(song.sound, Chain(), start)], []
        for each, recipe in chosen:
            try:
                passages.append(passage(song.sound, recipe, start))
                kept.append((each, recipe))
            except HitpredictError as error:
                notes.append(f"{capitalised(change_of(each))} cannot be heard: {error}.")
        if not kept:
            return [], notes
        self.room -= len(passages)
        level, turned = _alike(passages, [False, *(isinstance(recipe.steps[0], Gain | Loudness) for _, recipe in kept)])
        end = min(song.sound.duration, start + PASSAGE)
        notes.insert(0, f"The loudest passage, {minutes(start)} to {minutes(end)}, {level}")
        words = [("Unchanged", f"scored {effects[0]['base_score']:.1f}")]
        words += [(capitalised(change_of(each)), moved(each)) for each, _ in kept]
        made = [Player(*told, as_opus(sound)) for told, sound in zip(words, turned, strict=True)]
        return made, notes


_FULL = f"A page has room for {MOST} players, which are those of the songs above; explain fewer songs to hear this one."


def passage(sound: Sound, recipe: Chain, start: float) -> Sound:
    """What a recipe of one step or none makes of the passage that begins there.

    The whole song is changed and then cut, but for stretching, which is the same everywhere: it begins with the cut.
    """
    end = min(sound.duration, start + PASSAGE)
    cut = Crop(start, end if end < sound.duration else None)
    steps = (cut, *recipe.steps) if any(step.whole for step in recipe.steps) else (*recipe.steps, cut)
    changed = Chain(steps, recipe.engine, recipe.quality, recipe.seed).stream(sound)
    return Sound.of(changed.clip())


def _alike(sounds: Sequence[Sound], louder: Sequence[bool]) -> tuple[str, list[Sound]]:
    """Passages at the loudness of the first, or so much below as none clips, and words for it.

    louder: which keep what their level differs from the first's, being changes of level themselves.
    """
    peaks = [max(float(np.abs(part).max()) for part in sound.parts()) or 1.0 for sound in sounds]
    try:
        found = [integrated_loudness(sounds[0] if kept else sound) for sound, kept in zip(sounds, louder, strict=True)]
    except InputError:
        gain = min(1.0, _HIGHEST / max(peaks))
        return "played as loud as they are.", [_turned(sound, gain) for sound in sounds]
    room = (20 * np.log10(_HIGHEST / peak) + loud for peak, loud in zip(peaks, found, strict=True))
    level = min(found[0], *room)
    turned = [_turned(sound, decibels(level - loud)) for sound, loud in zip(sounds, found, strict=True)]
    but = " but for changes of level" if any(louder) else ""
    return f"all{but} turned to one loudness ({level:.0f} LUFS), so that louder does not seem better.", turned


def _turned(sound: Sound, gain: float) -> Sound:
    return sound.each(lambda block: np.clip(block * np.float32(gain), -1, 1))


def as_opus(sound: Sound) -> bytes:
    """A sound of one channel or more as Opus in Ogg, of two channels at most; the same sound gives the same bytes."""
    import soundfile
    import soxr

    samples = sound.clip().samples
    heard = np.ascontiguousarray((samples if samples.shape[0] <= 2 else samples.mean(axis=0, keepdims=True)).T)
    heard = np.clip(soxr.resample(heard, sound.rate, _RATE), -1, 1)
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", _RATE, heard.shape[1], format="OGG", subtype="OPUS", compression_level=_SMALLNESS
    ) as out:
        # Blocks, because libsndfile's encoders overflow their stack on one huge write.
        for block in reblocked([heard.T], _RATE):
            out.write(block.T)
    return b"".join(_numbered(file.getvalue()))


def _numbered(data: bytes) -> Iterator[bytes]:
    """The pages of an Ogg stream under the number 1 instead of one by chance, with checksums anew (RFC 3533)."""
    at = 0
    while at < len(data):
        count = data[at + 26]
        end = at + 27 + count + sum(data[at + 27 : at + 27 + count])
        page = bytearray(data[at:end])
        page[14:18], page[22:26] = (1).to_bytes(4, "little"), bytes(4)
        checksum = 0
        for byte in page:
            checksum = (checksum << 8 & 0xFFFFFFFF) ^ _CHECKSUMS[checksum >> 24 ^ byte]
        page[22:26] = checksum.to_bytes(4, "little")
        yield bytes(page)
        at = end


def _checksum(value: int) -> int:
    value <<= 24
    for _ in range(8):
        value = value << 1 ^ (0x104C11DB7 if value & 0x80000000 else 0)
    return value


_CHECKSUMS = [_checksum(value) for value in range(256)]
