"""Synthesise "Paper Lanterns", the toolkit's own example song, with NumPy alone.

    python examples/make_song.py -o examples/song.ogg
    python examples/make_song.py -o song.ogg --stems stems/     # also pad.wav, keys.wav, bass.wav...

Twenty-four bars in D major at 112 beats per minute: intro, verse, chorus, outro. The score is the text in
`SONG`, `CHORDS` and `GROOVES`; edit it and run again. The same seed gives the same samples, bit for bit.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

Array = NDArray[np.float64]

TITLE, ARTIST = "Paper Lanterns", "The hitpredict developers"
RATE, BPM, SWING, TAIL = 44_100, 112, 0.56, 3.0  # Hz, beats a minute, share of the on-beat 16th, seconds
BEAT = 60 / BPM
STEMS = ("pad", "keys", "bass", "lead", "drums", "room")
LEVELS = (0.04, 0.15, 0.24, 0.175, 0.7)  # of the first five
GAIN = 1.22  # puts the song at about -14 LUFS
PITCH = {name: i for i, name in enumerate(("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "Bb", "B"))}
SCALE = {1, 2, 4, 6, 7, 9, 11}  # D major

# Bass note, then the four upper voices in any order: `voice_lead` finds the octaves.
CHORDS = {
    "Dmaj9": ("D", "F# A C# E"), "Dadd9": ("D", "D F# A E"), "D/F#": ("F#", "D F# A E"),
    "Em7": ("E", "E G B D"), "F#m7": ("F#", "F# A C# E"), "Gmaj7": ("G", "G B D F#"),
    "Gm6": ("G", "G Bb D E"), "A9sus": ("A", "G B D E"), "A7": ("A", "G A C# E"),
    "Aadd9": ("A", "A B C# E"), "Bm7": ("B", "B D F# A"),
}  # fmt: skip

# One character is a sixteenth note, a digit its loudness.
GROOVES = {
    "rest": {},
    "tick": {"hat": "4...6...4...6.3."},
    "beat": {"kick": "9.....6...8.....", "snare": "....8..2....8...", "hat": "6.4.6.436.4.6.4."},
    "lift": {"kick": "9.....6...8.....", "snare": "....8.....4.6789", "hat": "6.4.6.436.4....."},
    "full": {
        "kick": "9.....7.8.7.....", "snare": "....9..2....9..3",
        "hat": "6354635463546354", "open": "..............5.",
    },
    "last": {"kick": "9...............", "hat": "5.3.4.3.3.2.2..."},
}  # fmt: skip

# Semitones above the root at each eighth note: "." rests, "<" leads into the next bar's root from below.
BASS = {"none": "........", "long": "0.......", "walk": "0..0.07<", "push": "0.00.C7<"}


@dataclass(frozen=True)
class Section:
    """Part of the song: bars parted by "|"; melody notes are name, octave, ":" and a length in beats."""

    name: str
    chords: str
    melody: str
    grooves: str
    bass: str
    keys: str  # eighth notes: a digit is one voice of the chord, an octave up; "*" is all
    pad: float  # level, as are the next two
    lead: float
    harmony: float = 0.0
    crash: bool = False


@dataclass(frozen=True)
class Chord:
    """A chord in its place: start and length in beats, MIDI notes of the bass and the upper voices."""

    beat: float
    beats: float
    bass: int
    voices: tuple[int, ...]
    section: Section


SONG = (
    Section(
        "intro", "Dmaj9 | Bm7 | Gmaj7 | A9sus A7",
        "r:4 | r:4 | r:4 | r:4",
        "rest rest tick tick", "none none long long", "01232321", pad=0.55, lead=0.0,
    ),
    Section(
        "verse", "Dadd9 | Bm7 | Gmaj7 | A9sus A7 | Dadd9 | Bm7 | Em7 | A9sus A7",
        "r:.5 F#4:.5 A4:.5 B4:.5 A4:1 F#4:1 | D4:1.5 E4:.5 F#4:2 |"
        "r:.5 D4:.5 G4:.5 A4:.5 B4:1 A4:.5 G4:.5 | A4:1.5 G4:.5 E4:2 |"
        "r:.5 F#4:.5 A4:.5 B4:.5 D5:1 A4:1 | F#4:1.5 A4:.5 B4:2 |"
        "r:.5 B4:.5 D5:.5 B4:.5 G4:1 E4:1 | E4:1.5 F#4:.5 E4:1 A4:.5 C#5:.5",
        "beat beat beat beat beat beat beat lift", "walk walk walk walk walk walk walk long",
        "*..*.2*3", pad=0.5, lead=0.8,
    ),
    Section(
        "chorus", "Gmaj7 | Aadd9 | F#m7 | Bm7 | Em7 | A7 | Dadd9 | D/F#",
        "D5:1.5 E5:.5 D5:1 B4:1 | C#5:1.5 B4:.5 A4:1 E5:1 |"
        "C#5:1.5 D5:.5 C#5:1 A4:1 | B4:2.5 r:.5 A4:.5 B4:.5 |"
        "D5:1.5 E5:.5 G5:1 E5:1 | E5:1.5 D5:.5 C#5:1 A4:1 |"
        "D5:2 r:.5 F#4:.5 A4:.5 B4:.5 | A4:2.5 r:1.5",
        "full full full full full full full lift", "push push push push push push push walk",
        "*12*3*21", pad=0.95, lead=0.85, harmony=0.5, crash=True,
    ),
    Section(
        "outro", "Gmaj7 | Gm6 | Dadd9 | Dadd9",
        "r:.5 D4:.5 G4:.5 A4:.5 B4:1 A4:.5 G4:.5 | Bb4:1.5 A4:.5 G4:2 |"
        "r:.5 F#4:.5 A4:.5 B4:.5 A4:2 | D5:3.5 r:.5",
        "last tick rest rest", "long long long long", "01232321", pad=0.55, lead=0.65, crash=True,
    ),
)  # fmt: skip


def hertz(note: float) -> float:
    """Frequency of a MIDI note number."""
    return float(440 * 2 ** ((note - 69) / 12))


def seconds(beat: float) -> float:
    """Time of a beat; sixteenths off the eighth-note grid come a little late (swing)."""
    eighth, part = divmod(2 * beat, 1)
    late = 2 * part * SWING if part < 0.5 else SWING + (2 * part - 1) * (1 - SWING)
    return float(eighth + late) * BEAT / 2


def each_bar() -> Iterator[tuple[int, Section, int]]:
    """(first beat, section, bar within the section) of every bar."""
    bars = ((section, bar) for section in SONG for bar in range(len(section.chords.split("|"))))
    return ((4 * i, section, bar) for i, (section, bar) in enumerate(bars))


def section_spans() -> dict[str, tuple[float, float]]:
    """Start and end of each section in seconds."""
    bars = {s.name: [start for start, section, _ in each_bar() if section is s] for s in SONG}
    return {name: (seconds(starts[0]), seconds(starts[-1] + 4)) for name, starts in bars.items()}


def voice_lead(tones: str, previous: tuple[int, ...], low: int = 54, high: int = 72) -> tuple[int, ...]:
    """The rising voicing (MIDI notes) nearest to the previous one, with no two voices a semitone apart."""
    octaves = [[n for n in range(low, high + 1) if n % 12 == PITCH[tone]] for tone in tones.split()]
    choices = [c for c in map(sorted, product(*octaves)) if min(np.diff(c)) > 1]
    return tuple(min(choices, key=lambda c: (sum(abs(a - b) for a, b in zip(c, previous, strict=True)), c)))


@lru_cache
def harmony() -> tuple[Chord, ...]:
    """Every chord of the song; chords that share a bar share it equally."""
    chords: list[Chord] = []
    voices: tuple[int, ...] = (57, 61, 64, 66)
    for start, section, bar in each_bar():
        names = section.chords.split("|")[bar].split()
        for i, name in enumerate(names):
            bass, tones = CHORDS[name]
            voices = voice_lead(tones, voices)
            beats = 4 / len(names)
            chords.append(Chord(start + i * beats, beats, 31 + (PITCH[bass] - 31) % 12, voices, section))
    return tuple(chords)


def chord_at(beat: float) -> Chord:
    """The chord that sounds at a beat."""
    return [chord for chord in harmony() if chord.beat <= beat][-1]


def melody() -> Iterator[tuple[float, float, int, Section]]:
    """(beat, beats, MIDI note, section) of every melody note."""
    beat = 0.0
    for section in SONG:
        for token in section.melody.replace("|", " ").split():
            name, length = token.split(":")
            if name != "r":
                yield beat, float(length), PITCH[name[:-1]] + 12 * (int(name[-1]) + 1), section
            beat += float(length)


def clock(duration: float) -> Array:
    """Sample times of a sound that lasts `duration` seconds."""
    return np.arange(round(duration * RATE)) / RATE


def gate(t: Array, attack: float, release: float) -> Array:
    """Envelope that rises at the start and falls at the end of `t`, both along a half cosine."""
    ramp: Array = np.clip(np.minimum(t / attack, (t[-1] - t) / release), 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * ramp)


def band_pass(x: Array, low: float, high: float) -> Array:
    """Keep `low`..`high` hertz, falling 12 dB an octave outside, with no phase shift."""
    f = np.fft.rfftfreq(x.shape[-1], 1 / RATE) + 1e-3
    return np.fft.irfft(np.fft.rfft(x) / np.sqrt((1 + (low / f) ** 4) * (1 + (f / high) ** 4)), x.shape[-1])


@lru_cache
def wave_table(partials: int, slope: float) -> Array:
    """One cycle, in 8192 samples, of harmonics n = 1, 2 ... at level n ** -slope."""
    n = np.arange(1, partials + 1)
    table: Array = np.sin(2 * np.pi * np.outer(np.arange(8192) / 8192, n)) @ n**-slope
    return table


def oscillate(cycles: Array, note: int, brightest: float, slope: float) -> Array:
    """Read a wave table along a running count of cycles, with no harmonic above `brightest` hertz."""
    table = wave_table(int(brightest / hertz(note)), slope)
    return np.take(table, (cycles * 8192).astype(np.int64) & 8191)


@lru_cache
def electric_piano(note: int) -> Array:
    """A struck tine: frequency modulation whose depth dies faster than the tone, and a bell on top."""
    t, f = clock(1.6), hertz(note)
    bell = 0.3 * np.exp(-t / 0.09) * np.sin(2 * np.pi * 7 * f * t)
    tone = np.sin(2 * np.pi * f * t + 1.8 * np.exp(-t / 0.3) * np.sin(2 * np.pi * f * t))
    return (tone + bell) * np.exp(-t / 0.5) * gate(t, 0.004, 0.2)


@lru_cache
def bass_note(note: int, duration: float) -> Array:
    """A round bass, rich enough to be heard on small speakers: higher harmonics die sooner."""
    t = clock(duration)
    levels = enumerate((0.6, 0.5, 0.3, 0.2, 0.12, 0.08, 0.05, 0.03), 1)
    tone = sum(a * np.exp(-0.5 * n * t) * np.sin(2 * np.pi * n * hertz(note) * t) for n, a in levels)
    return gate(t, 0.006, 0.05) * tone


def lead_note(note: int, duration: float) -> Array:
    """The singing voice: opens after the attack and takes on vibrato when held."""
    t = clock(duration + 0.1)
    vibrato = 0.0035 * np.clip((t - 0.3) / 0.4, 0, 1) * np.sin(2 * np.pi * 5.3 * t)
    cycles = np.cumsum(hertz(note) * (1 + vibrato - 0.02 * np.exp(-t / 0.025))) / RATE
    opening = np.clip(t / 0.1, 0, 1) * np.exp(-t / 1.5)
    tone = 0.45 * np.sin(2 * np.pi * cycles) + 0.55 * opening * oscillate(cycles, note, 10_000, 1.05)
    return gate(t, 0.02, 0.14) * tone


def drum(kind: str, rng: np.random.Generator) -> Array:
    """One stroke of kick, snare, hat, open (hat) or crash; its noise makes each a little different."""
    t = clock({"kick": 0.35, "snare": 0.3, "hat": 0.09, "open": 0.3, "crash": 2.2}[kind])
    noise, end = rng.standard_normal(t.size), gate(t, 0.0005, 0.02)
    if kind == "kick":
        fall = np.sin(2 * np.pi * (54 * t + 3.2 * (1 - np.exp(-t / 0.022))))
        return end * (fall * np.exp(-t / 0.09) + 0.2 * np.exp(-t / 0.003) * noise)
    if kind == "snare":
        body = 0.5 * np.sin(2 * np.pi * (185 * t + 0.6 * (1 - np.exp(-t / 0.01)))) * np.exp(-t / 0.06)
        return end * (body + 0.5 * band_pass(noise, 1200, 9000) * np.exp(-t / 0.075))
    low, decay = {"hat": (7000, 0.022), "open": (6500, 0.1), "crash": (3500, 0.55)}[kind]
    return end * 0.5 * band_pass(noise, low, 11_000) * np.exp(-t / decay)


def place(bus: Array, sound: Array, at: float, level: float, pan: float = 0.0) -> None:
    """Add a mono sound to a stereo bus (2, frames) at a time in seconds; pan -1 left .. 1 right."""
    start, angle = max(0, round(at * RATE)), (pan + 1) * np.pi / 4
    sides = level * np.array([[np.cos(angle)], [np.sin(angle)]])
    bus[:, start : start + sound.size] += sides * sound[: bus.shape[1] - start]


def play_pad(bus: Array, rng: np.random.Generator) -> None:
    """Slow, soft chords: every voice twice, ten cents apart, one to each side."""
    for chord in harmony():
        t = clock(chord.beats * BEAT + 0.45)
        swell = chord.section.pad * gate(t, 0.35, 0.6)
        for note, side in product(chord.voices, (-1, 1)):
            sound = oscillate(rng.random() + hertz(note + 0.05 * side) * t, note, 7000, 1.25)
            place(bus, swell * sound, seconds(chord.beat), 1.0, 0.75 * side)


def play_keys(bus: Array, rng: np.random.Generator) -> None:
    """Electric piano: chords a little rolled, notes by turns to the left and to the right."""
    for start, section, _ in each_bar():
        for step in (i for i, mark in enumerate(section.keys) if mark != "."):
            voices, mark = chord_at(start + step / 2).voices, section.keys[step]
            for i, note in enumerate(voices if mark == "*" else [voices[int(mark)] + 12]):
                at = seconds(start + step / 2) + 0.008 * i + abs(rng.normal(0, 0.004))
                level = (0.45 if mark == "*" else 0.7) * rng.uniform(0.75, 0.95)
                place(bus, electric_piano(note), at, level, 0.5 * (-1) ** (step + i))


def play_bass(bus: Array, rng: np.random.Generator) -> None:
    """The bass line, in the middle: a note lasts until the next mark of its pattern."""
    for start, section, bar in each_bar():
        pattern = BASS[section.bass.split()[bar]]
        for step in (i for i, mark in enumerate(pattern) if mark != "."):
            beat, rest, ahead = start + step / 2, pattern[step + 1 :], chord_at(start + 4).bass
            below = ahead - (1 if (ahead - 1) % 12 in SCALE else 2)
            note = below if pattern[step] == "<" else chord_at(beat).bass + int(pattern[step], 16)
            beats = (1 + len(rest) - len(rest.lstrip("."))) / 2
            place(bus, bass_note(note, 0.95 * beats * BEAT), seconds(beat), rng.uniform(0.85, 1.0))


def play_lead(bus: Array, rng: np.random.Generator) -> None:
    """The melody and, where the section asks, the next chord tone a third or more below it."""
    for beat, beats, note, section in melody():
        at = seconds(beat) + abs(rng.normal(0, 0.006))
        level = section.lead * (0.9 + 0.012 * (note - 71)) * (1.0 if beat % 2 == 0 else 0.9)
        place(bus, lead_note(note, 0.92 * beats * BEAT), at, level, 0.08)
        if section.harmony:
            tones = {voice % 12 for voice in chord_at(beat).voices}
            below = next(n for n in range(note - 3, 0, -1) if n % 12 in tones)
            place(bus, lead_note(below, 0.9 * beats * BEAT), at + 0.012, level * section.harmony, -0.4)


def play_drums(bus: Array, rng: np.random.Generator) -> list[float]:
    """The kit, with small errors of time and force, and a swell into the chorus; gives the kick's times."""
    levels = {"kick": 0.95, "snare": 0.8, "hat": 0.7, "open": 0.6, "crash": 0.6}
    pans = {"hat": 0.35, "open": 0.35, "crash": -0.45}
    kicks = []
    for start, section, bar in each_bar():
        parts = GROOVES[section.grooves.split()[bar]] | ({"crash": "8"} if section.crash and bar == 0 else {})
        for kind, step in ((k, i) for k in parts for i, mark in enumerate(parts[k]) if mark != "."):
            at = seconds(start + step / 4) + rng.normal(0, 0.0015 if kind == "kick" else 0.004)
            level = levels[kind] * (int(parts[kind][step]) / 9) ** 1.3 * rng.uniform(0.9, 1.0)
            place(bus, drum(kind, rng), at, level, pans.get(kind, 0.0))
            kicks += [at] if kind == "kick" else []
    swell = drum("crash", rng)[::-1]
    place(bus, swell, section_spans()["chorus"][0] - swell.size / RATE, 0.3, 0.3)
    return kicks


def duck(frames: int, times: Sequence[float], depth: float = 0.6) -> Array:
    """Gain (2, frames) that dips at each time and soon recovers: it makes room for the kick."""
    t = clock(0.6)
    gain = np.ones((2, frames))
    for at in times:
        place(gain, -np.exp(-t / 0.09) * np.clip(t / 0.004, 0, 1), at, depth)
    return gain


def echo(x: Array, gap: float, repeats: int = 4, feedback: float = 0.5) -> Array:
    """Ping-pong delay of a stereo signal: each repeat is quieter and on the other side."""
    out, step = np.zeros_like(x), round(gap * RATE)
    for k in range(1, repeats + 1):
        out[k % 2, k * step :] += feedback**k * x.mean(axis=0)[: -k * step]
    return out


def reverb(x: Array, rng: np.random.Generator, decay: float = 1.7) -> Array:
    """Convolve a stereo signal with decaying noise, different on each side and free of low end."""
    t = clock(decay)
    room = rng.standard_normal((2, t.size)) * 10 ** (-3 * t / decay) * np.clip(t / 0.015, 0, 1)
    room = np.pad(band_pass(room, 250, 6000), ((0, 0), (round(0.022 * RATE), 0)))
    room /= np.linalg.norm(room, axis=1, keepdims=True)
    size = -(-(x.shape[1] + room.shape[1]) // 65_536) * 65_536  # a length the transform is fast at
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(room, size), size)[:, : x.shape[1]]


def limiter(x: Array, ceiling: float = 0.84, block: int = 64, reach: int = 24) -> Array:
    """Look-ahead limiter: a smooth gain, alike on both sides, that keeps every sample below the ceiling."""
    blocks = x.shape[1] // block + 1
    padded = np.pad(x, ((0, 0), (0, blocks * block - x.shape[1])))
    peaks = np.abs(padded).max(axis=0).reshape(blocks, block).max(axis=1)
    wanted = np.pad(ceiling / np.maximum(peaks, ceiling), 2 * reach, constant_values=1.0)
    lowest = np.lib.stride_tricks.sliding_window_view(wanted, 2 * reach + 1).min(axis=1)
    window = np.hanning(2 * reach + 1)
    gain = np.convolve(lowest, window / window.sum(), mode="valid")
    return np.interp(np.arange(x.shape[1]), (np.arange(blocks) + 0.5) * block, gain)


def tracks(seed: int = 1) -> Array:
    """The buses and the room, (6, 2, frames) in the order of `STEMS`, before the limiter."""
    frames = round((section_spans()["outro"][1] + TAIL) * RATE)
    pad, keys, _, lead, drums = buses = np.zeros((5, 2, frames))
    rngs = np.random.default_rng(seed).spawn(6)
    for play, bus, rng in zip((play_pad, play_keys, play_bass, play_lead), buses, rngs, strict=False):
        play(bus, rng)
    buses[:3] *= duck(frames, play_drums(drums, rngs[4]))
    lead += 0.35 * echo(lead, 0.75 * BEAT)
    buses *= np.reshape(LEVELS, (5, 1, 1))
    wet = reverb(0.5 * (pad + keys) + 0.4 * lead + 0.12 * drums, rngs[5])
    return np.concatenate([buses, wet[None]])


def mixed(parts: Array) -> tuple[Array, Array]:
    """The sum with its fade, (2, frames), and the gain of the limiter."""
    frames = parts.shape[2]
    fade = np.clip((frames - np.arange(frames)) / RATE, 0, 1) ** 2
    mix = GAIN * fade * (parts[:5].sum(axis=0) + parts[5])
    return mix, GAIN * fade * limiter(mix)


def render(seed: int = 1) -> NDArray[np.float32]:
    """The whole song, float32 (2, frames) at 44,100 Hz, peak below 0.85."""
    mix, _ = mixed(tracks(seed))
    return (mix * limiter(mix)).astype(np.float32)


def write(path: Path, samples: NDArray[np.float32], block: int = 16_384) -> None:
    """Write Ogg Vorbis in blocks, for libsndfile can crash when it is handed a whole song at once."""
    with sf.SoundFile(path, "w", RATE, 2, "VORBIS", format="OGG", compression_level=0.75) as file:
        file.title, file.artist = TITLE, ARTIST
        for start in range(0, samples.shape[1], block):
            file.write(samples[:, start : start + block].T)


def main() -> None:
    """Read the options, render and write."""
    parser = argparse.ArgumentParser(description="Synthesise the example song.")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("song.ogg"))
    parser.add_argument("--seed", type=int, default=1, help="seed of the human touch (default: 1)")
    parser.add_argument("--stems", type=Path, help="also write each instrument, and the room, into this folder")
    options = parser.parse_args()
    parts = tracks(options.seed)
    mix, gain = mixed(parts)
    write(options.output, (mix * limiter(mix)).astype(np.float32))
    print(f"wrote {options.output}")
    if options.stems:
        options.stems.mkdir(parents=True, exist_ok=True)
        for name, part in zip(STEMS, parts, strict=True):
            sf.write(options.stems / f"{name}.wav", (gain * part).T, RATE, subtype="FLOAT")
        print(f"wrote {len(STEMS)} stems to {options.stems}")


if __name__ == "__main__":
    main()
