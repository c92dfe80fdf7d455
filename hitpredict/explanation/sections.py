"""Where the sections of a song begin, and which of them are alike. NumPy only.

Boundaries are peaks of novelty: a checkerboard kernel slides along the diagonal of the matrix of similarities of a
song to itself (Foote 2000). What is compared is timbre (cepstral coefficients of a mel spectrum) and harmony (power by
pitch class). Labels are letters: what a section is called, nobody knows from this.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip
from hitpredict.files.arrays import Floats
from hitpredict.frontends.mel import dct, filterbank

MOST_SECTIONS = 12
_FRAME_SECONDS, _BLOCK_SECONDS = 0.093, 0.5
_BANDS, _COEFFICIENTS = 40, 13
_DEEP, _FAINT = 60.0, 30.0
_PITCHES = (130.0, 4000.0)
_HALF_KERNEL, _LEAST_SECONDS = 8.0, 5.0
_SHORTEST = 8.0
# Of 50 made songs without sections the highest peak was 0.13; of 80 boundaries in made songs the lowest was 0.56, of
# changes that one hears in recordings 0.15.
_NOVEL = 0.14
# In mean squared distances of two moments of the song.
_ALIKE = 0.2
_AT_ONCE = 1024


@dataclass(frozen=True)
class SongSection:
    """begin, end: seconds. label: a letter, the same for sections that sound alike. remark: `most repeated`, `loudest`,
    both, or nothing."""

    begin: float
    end: float
    label: str
    remark: str = ""


def sections_in(clip: Clip) -> list[SongSection]:
    """The sections of a song, in order and without gaps; one alone where no boundary is found, or in less than 8 s."""
    if clip.duration < _SHORTEST:
        return [SongSection(0.0, clip.duration, "A")]
    seconds = float(np.clip(clip.duration / 120, 0.25, _BLOCK_SECONDS))
    moments, levels = _moments(clip, seconds)
    edges = _boundaries(moments, clip.duration, seconds)
    cuts = [0, *edges, len(moments)]
    parts = [slice(first, last) for first, last in pairwise(cuts)]
    labels = _labels(moments, parts)
    times = [0.0, *(edge * seconds for edge in edges), clip.duration]
    loudness = [float(levels[part].mean()) for part in parts]
    remarks = _remarks(labels, loudness)
    return [SongSection(*each) for each in zip(times[:-1], times[1:], labels, remarks, strict=True)]


def _moments(clip: Clip, seconds: float) -> tuple[Floats, Floats]:
    """What each block of so many seconds sounds like, (n, D), the squared distance of two being 1 on average; power."""
    size = 1 << round(np.log2(clip.rate * _FRAME_SECONDS))
    mono = np.pad(clip.samples.mean(axis=0), (0, size))
    frames = np.lib.stride_tricks.sliding_window_view(mono, size)[:: size // 2]
    count = max(1, int(clip.duration / seconds))
    bins = np.arange(size // 2 + 1) * clip.rate / size
    bank = filterbank(clip.rate, size, _BANDS, 30.0, min(clip.rate / 2, 11000.0))
    heard = (bins > _PITCHES[0]) & (bins < _PITCHES[1])
    classes = np.eye(12)[np.rint(12 * np.log2(bins[heard] / 440)).astype(int) % 12]
    mels, chroma, window = np.zeros((count, _BANDS)), np.zeros((count, 12)), np.hanning(size)
    amounts = np.zeros(count)
    for at in range(0, len(frames), _AT_ONCE):
        power = np.abs(np.fft.rfft(frames[at : at + _AT_ONCE] * window)) ** 2
        times = (at + np.arange(len(power))) * (size // 2) / clip.rate
        block = np.minimum((times / seconds).astype(int), count - 1)
        np.add.at(mels, block, power @ bank)
        np.add.at(chroma, block, power[:, heard] @ classes)
        np.add.at(amounts, block, 1)
    mels /= np.maximum(amounts, 1)[:, None]
    decibels = 10 * np.log10(np.maximum(mels, mels.max() * 10 ** (-_DEEP / 10)) + 1e-30)
    harmony = np.sqrt(chroma / np.maximum(chroma.sum(axis=1, keepdims=True), 1e-30))
    levels = mels.sum(axis=1)
    # Pauses, and silence at the ends, would set the scale of everything else.
    loud = levels >= levels.max() * 10 ** (-_FAINT / 10)
    both = [_scaled(each, loud) for each in (decibels @ dct(_COEFFICIENTS, _BANDS), harmony)]
    return np.concatenate(both, axis=1) / 2, levels


def _scaled(table: Floats, among: NDArray[np.bool_]) -> Floats:
    """Rows centred, and of such a scale that two of some of them have a squared distance of 2 on average."""
    centred = table - table[among].mean(axis=0)
    return np.asarray(centred / np.sqrt(max(float(np.square(centred[among]).sum(axis=1).mean()), 1e-12)))


def _boundaries(moments: Floats, duration: float, seconds: float) -> list[int]:
    """The blocks that sections begin with, but for the first."""
    novelty = _novelty(moments, max(2, round(min(_HALF_KERNEL, max(2.0, duration / 8)) / seconds)))
    least = max(1, round(min(_LEAST_SECONDS, max(2.0, duration / 8)) / seconds))
    found: list[int] = []
    for place in np.argsort(-novelty, kind="stable"):
        at = int(place)
        if novelty[at] < _NOVEL or len(found) == MOST_SECTIONS - 1:
            break
        near = novelty[max(0, at - least) : at + least + 1]
        inside = least <= at <= len(moments) - least
        if inside and novelty[at] == near.max() and all(abs(at - other) >= least for other in found):
            found.append(at)
    return sorted(found)


def _novelty(moments: Floats, half: int) -> Floats:
    """How much more alike the moments before a block are, and those from it on, than the ones to the others; to 1."""
    count = len(moments)
    found = np.zeros(count)
    for at in range(2, count - 1):
        # At the ends of a song there is less to compare.
        room = min(half, at, count - at)
        near = moments[at - room : at + room]
        alike = np.exp(-np.square(near[:, None] - near[None]).sum(axis=2))
        offsets = np.arange(-room, room) + 0.5
        taper, side = np.exp(-2 * (offsets / room) ** 2), offsets > 0
        weights = np.outer(taper, taper)
        # That every moment is like itself says nothing.
        np.fill_diagonal(weights, 0)
        same = side[:, None] == side
        within, across = (np.average(alike, weights=weights * which) for which in (same, ~same))
        found[at] = (within - across) * np.sqrt(room / half)
    return found


def _labels(moments: Floats, parts: Sequence[slice]) -> list[str]:
    """A letter for each section, by average linkage of their means."""
    means = np.array([moments[part].mean(axis=0) for part in parts])
    apart = np.square(means[:, None] - means[None]).sum(axis=2)
    groups = [[number] for number in range(len(parts))]
    while len(groups) > 1:
        pairs = [(a, b) for a in range(len(groups)) for b in range(a)]
        distances = [apart[np.ix_(groups[a], groups[b])].mean() for a, b in pairs]
        best = int(np.argmin(distances))
        if distances[best] > _ALIKE:
            break
        first, second = pairs[best]
        groups[second] += groups.pop(first)
    order = sorted(groups, key=min)
    return [next("ABCDEFGHIJKL"[place] for place, own in enumerate(order) if each in own) for each in range(len(parts))]


def _remarks(labels: Sequence[str], loudness: Sequence[float]) -> list[str]:
    """What is known of sections besides their letters."""
    if len(labels) < 2:
        return [""] * len(labels)
    counts = Counter(labels)
    loud = {label: max(level for own, level in zip(labels, loudness, strict=True) if own == label) for label in counts}
    often = max(counts, key=lambda label: (counts[label], loud[label]))
    loudest = int(np.argmax(loudness))
    return [
        ", ".join(
            word
            for word, there in (
                ("most repeated", counts[often] > 1 and label == often),
                ("loudest", place == loudest),
            )
            if there
        )
        for place, label in enumerate(labels)
    ]
