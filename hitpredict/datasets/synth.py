"""Songs whose popularity has known causes: what a model claims to have found can be checked against the truth.

Six drivers are drawn independently and evenly for each song and heard in its sound. With z the drivers, each shifted
and scaled to mean 0 and variance 1, the latent popularity is

    latent = sum of weight * z + artist effect + label noise,

with an effect drawn once for each artist and noise for each song, both normal; popularity is 100 Phi(latent / s),
where s is the latent's standard deviation and Phi the normal distribution function, so that it spreads over 0 to 100.
Every value is drawn from the seed and the song's own number: songs do not depend on how many there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import erf, sqrt
from typing import Any

import numpy as np

from hitpredict.datasets.manifest import Track
from hitpredict.errors import UsageError

TEST_EVERY = 5
_CEILING_DRAWS = 100_000
_SONG, _ARTIST, _CEILING = range(3)


@dataclass(frozen=True)
class Driver:
    """One cause. low, high: its range, even on a linear or logarithmic scale, or over the whole numbers."""

    low: float
    high: float
    unit: str
    meaning: str
    scale: str = "linear"

    def value(self, share: float) -> float:
        """The value at a share, 0 to 1, of the range."""
        if self.scale == "whole":
            return self.low + int(share * (self.high - self.low + 1))
        if self.scale == "log":
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)

    def standard(self, value: float) -> float:
        """The value with mean 0 and variance 1 over the range (on the logarithmic scale where it is one)."""
        if self.scale == "whole":
            count = self.high - self.low + 1
            return (value - (self.low + self.high) / 2) / sqrt((count**2 - 1) / 12)
        low, high, at = np.log((self.low, self.high, value)) if self.scale == "log" else (self.low, self.high, value)
        return float(((at - low) / (high - low) - 0.5) * sqrt(12))


DRIVERS: Mapping[str, Driver] = {
    "tempo": Driver(70, 170, "beats/min", "tempo of the grid on which everything is played", "log"),
    "key_height": Driver(48, 62, "MIDI note", "register of the tonic: all parts move with it", "whole"),
    "brightness": Driver(700, 7000, "Hz", "cut-off of the low-pass filter over everything", "log"),
    "loudness_range": Driver(0, 18, "dB", "from the quietest to the loudest part of the level contour"),
    "density": Driver(0.75, 4, "onsets/beat", "notes and strokes in a beat", "log"),
    "noise": Driver(-45, -15, "dB", "level of the noise relative to the music: minus the signal-to-noise ratio"),
}
WEIGHTS: Mapping[str, float] = {
    "tempo": 0.4,
    "key_height": 0.25,
    "brightness": 0.55,
    "loudness_range": -0.35,
    "density": 0.45,
    "noise": -0.4,
}


@dataclass(frozen=True)
class Settings:
    """Everything the songs follow from. weights: of each driver, per standard deviation. label_noise,
    artist_effect: standard deviations, on the latent scale. seconds: length of each song. format: wav, flac or ogg.
    """

    seed: int = 0
    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    label_noise: float = 0.6
    artist_effect: float = 0.4
    songs_per_artist: int = 4
    seconds: float = 12.0
    format: str = "ogg"

    def __post_init__(self) -> None:
        if unknown := {*self.weights} - {*DRIVERS}:
            raise UsageError(f"{', '.join(sorted(unknown))}: no such driver; there are {', '.join(DRIVERS)}")
        if self.spread == 0:
            raise UsageError("all weights, the label noise and the artist effect are 0: every song is as popular")

    @property
    def signal(self) -> float:
        """Variance of the latent popularity that the drivers cause."""
        return sum(weight**2 for weight in self.weights.values())

    @property
    def spread(self) -> float:
        """Standard deviation of the latent popularity."""
        return sqrt(self.signal + self.artist_effect**2 + self.label_noise**2)


@dataclass(frozen=True)
class Song:
    """What is planted in one song. drivers: values in their units. expected: the mean popularity of songs with
    these drivers, the best that can be predicted of a new artist; effect: the artist's, on the latent scale.
    """

    number: int
    artist: int
    drivers: Mapping[str, float]
    effect: float
    popularity: float
    expected: float

    @property
    def track_id(self) -> str:
        return f"synth_{self.number:05d}"

    @property
    def split(self) -> str:
        """Every fifth artist is for testing."""
        return "test" if self.artist % TEST_EVERY == TEST_EVERY - 1 else "train"


def song(settings: Settings, number: int) -> Song:
    """The drivers and the popularity of song `number`, counted from 0; nothing is rendered."""
    artist = number // settings.songs_per_artist
    rng = generator(settings.seed, _SONG, number)
    shares = rng.random(len(DRIVERS))
    drivers = {
        name: driver.value(share) for (name, driver), share in zip(DRIVERS.items(), shares.tolist(), strict=True)
    }
    signal = sum(weight * DRIVERS[name].standard(drivers[name]) for name, weight in settings.weights.items())
    effect = settings.artist_effect * generator(settings.seed, _ARTIST, artist).normal()
    latent = signal + effect + settings.label_noise * rng.normal()
    popularity = 100 * normal_share(latent / settings.spread)
    return Song(number, artist, drivers, effect, popularity, 100 * normal_share(signal / _shrunk(settings)))


def generator(*key: int) -> np.random.Generator:
    """Random numbers of their own for each key."""
    return np.random.default_rng(key)


def style_generator(seed: int, artist: int) -> np.random.Generator:
    """Random numbers for an artist's way of playing, which is audible and has nothing to do with the drivers."""
    return generator(seed, _ARTIST, artist, 1)


def normal_share(z: float) -> float:
    """Phi: the share of a standard normal distribution below z."""
    return 0.5 + 0.5 * erf(z / sqrt(2))


def _shrunk(settings: Settings, artist_known: bool = False) -> float:
    """What takes the place of `spread` in the mean of popularity, when part of the latent is unknown.

    For normal e of variance v, the mean of Phi((a + e) / s) is Phi(a / sqrt(s² + v)).
    """
    unknown = settings.label_noise**2 + (0.0 if artist_known else settings.artist_effect**2)
    return sqrt(settings.spread**2 + unknown)


def ceilings(settings: Settings) -> dict[str, float]:
    """The highest R² there is: on the latent scale (exact) and of popularity (from 100,000 draws), from the drivers
    alone, as for new artists, and with the artist known.
    """
    rng = generator(settings.seed, _CEILING)
    shares = rng.random((len(DRIVERS), _CEILING_DRAWS))
    signal = sum(
        settings.weights.get(name, 0.0) * sqrt(12) * (s - 0.5) for name, s in zip(DRIVERS, shares, strict=True)
    )
    effect = settings.artist_effect * rng.normal(size=_CEILING_DRAWS)
    latent = signal + effect + settings.label_noise * rng.normal(size=_CEILING_DRAWS)
    shares_below = np.vectorize(normal_share, otypes=[float])
    whole = shares_below(latent / settings.spread).var()
    new = shares_below(signal / _shrunk(settings)).var() / whole
    known = shares_below((signal + effect) / _shrunk(settings, artist_known=True)).var() / whole
    return {
        "latent_r2": settings.signal / settings.spread**2,
        "latent_r2_artist_known": (settings.signal + settings.artist_effect**2) / settings.spread**2,
        "popularity_r2": float(new),
        "popularity_r2_artist_known": float(known),
    }


def audio_path(settings: Settings, planted: Song) -> str:
    """Where a song lies in its folder."""
    return f"audio/{planted.track_id}.{settings.format}"


def row(settings: Settings, planted: Song) -> dict[str, Any]:
    """The song's row of the manifest: `popularity` is its label; `driver_*`, `popularity_expected` and
    `artist_effect` are the truth behind it. `retrieved` is null, so that the same settings give the same bytes.
    """
    artist = f"artist_{planted.artist:04d}"
    truth: dict[str, Any] = {f"driver_{name}": round(value, 6) for name, value in planted.drivers.items()}
    known = Track(
        planted.track_id,
        "synth",
        retrieved="",
        path=audio_path(settings, planted),
        title=f"Song {planted.number}",
        artist=artist,
        artist_ids=(artist,),
        duration=settings.seconds,
        split=planted.split,
        licence="CC0-1.0",
        labels={"popularity": round(planted.popularity, 4)},
        extra={
            **truth,
            "popularity_expected": round(planted.expected, 4),
            "artist_effect": round(planted.effect, 6),
        },
    )
    return {**known.to_json(), "retrieved": None}


def description(settings: Settings) -> dict[str, Any]:
    """Settings and what follows from them, as in `synth.json`; the songs depend on `settings` alone."""
    own = {name: getattr(settings, name) for name in settings.__dataclass_fields__}
    return {
        "schema": "hitpredict.synth/1",
        "settings": {**own, "weights": {name: settings.weights.get(name, 0.0) for name in DRIVERS}},
        "drivers": {
            name: {key: getattr(driver, key) for key in ("unit", "low", "high", "scale", "meaning")}
            for name, driver in DRIVERS.items()
        },
        "spread": settings.spread,
        "ceilings": ceilings(settings),
    }
