"""The main job, tried: sound is written, read, changed and scored."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import TYPE_CHECKING

from hitpredict.diagnosis.finding import Finding, State
from hitpredict.errors import EnvironmentProblem, HitpredictError
from hitpredict.files.owned import scratch_folder

if TYPE_CHECKING:
    from hitpredict.audio.clip import Clip

_RATE, _SECONDS = 48_000, 3


def tried(area: str, name: str, trial: Callable[[], str], advice: str, state: State = State.broken) -> Finding:
    """What a trial says it found, or, when it raises anything, that this is missing or broken."""
    try:
        return Finding(area, name, trial())
    except Exception as error:
        # A library that does not load or answers nonsense may raise anything; finding that is the purpose.
        told = str(error) if isinstance(error, HitpredictError) else f"{type(error).__name__}: {error}"
        return Finding(area, name, told, state, advice)


def again(package: str) -> str:
    """The line that installs a package anew."""
    return f"pip uninstall -y {package} && pip install {package}"


def codec_findings() -> Iterator[Finding]:
    """What can be written and read again, and what else can be read."""
    from hitpredict.audio.formats import INSTALL_FFMPEG

    advice = f"{again('soundfile')}, whose wheels hold libsndfile"
    yield tried("codecs", "libsndfile", _libsndfile, advice)
    for suffix in ("wav", "flac", "ogg", "mp3"):
        state = State.broken if suffix == "wav" else State.missing
        yield tried("codecs", suffix, partial(_copied, suffix), advice, state)
    yield tried("codecs", "m4a", _ffmpeg, INSTALL_FFMPEG, State.missing)


def _libsndfile() -> str:
    import soundfile

    return f"{soundfile.__libsndfile_version__}; reads {', '.join(sorted(soundfile.available_formats()))}"


def _copied(suffix: str) -> str:
    from hitpredict.audio.read import read_audio

    with _written(suffix) as path:
        found = read_audio(path)
    if abs(found.duration - _SECONDS) > 0.1:
        raise ValueError(f"{_SECONDS} s were written, {found.duration:.2f} s read")
    return "written and read"


@contextmanager
def _written(suffix: str) -> Iterator[Path]:
    from hitpredict.audio.write import write_audio

    with scratch_folder() as scratch:
        path = Path(scratch, f"chord.{suffix}")
        write_audio(_sound(), path)
        yield path


def _ffmpeg() -> str:
    import av

    codecs = [name for name in ("aac", "alac", "wmav2", "opus") if name in av.codecs_available]
    return f"PyAV {av.__version__}; reads {', '.join(codecs)} and what else its FFmpeg reads"


def scoring_findings() -> Iterator[Finding]:
    """A mutation, resampling, ONNX Runtime, the bundled models, and a score."""
    yield tried("scoring", "mutate", _mutated, again("pedalboard"), State.missing)
    yield tried("scoring", "resample", _resampled, again("soxr"))
    yield tried("scoring", "onnxruntime", _onnxruntime, again("onnxruntime-gpu"))
    yield from _models()
    yield tried("scoring", "score", _scored, again("hitpredict"))
    advice = "with an NVIDIA GPU and its driver: pip install 'hitpredict[cuda]'"
    yield tried("scoring", "cuda", _cuda, advice, State.missing)


def _mutated() -> str:
    from hitpredict.mutations import mutate

    changed = mutate(_sound(), pitch=1, quality="draft")
    return f"the pitch of {changed.duration:g} s of sound was changed"


def _resampled() -> str:
    from hitpredict.frontends.resample import soxr_mono

    frames = sum(block.size for block in soxr_mono([_sound().samples], _RATE, 16_000))
    return f"{_SECONDS} s at {_RATE} Hz became {frames / 16_000:g} s at 16000 Hz"


def _onnxruntime() -> str:
    from hitpredict.scoring.session import quiet_onnxruntime

    onnxruntime = quiet_onnxruntime()
    return f"{onnxruntime.__version__} with {', '.join(onnxruntime.get_available_providers())}"


def _scored() -> str:
    from hitpredict.scoring.scorer import Scorer

    with _written("wav") as path:
        record = Scorer(device="cpu").score(path)
    return f"{record.model.name} {record.model.version} gives a made sound {record.score:.1f}"


def _cuda() -> str:
    from hitpredict.scoring.session import ModelFile, Session

    session = Session(ModelFile.find(None), "auto")
    if session.device != "cuda":
        raise EnvironmentProblem(session.note)
    return "works"


def _models() -> Iterator[Finding]:
    """The bundled models, compared with the hashes that an installed wheel lists; other installations list none."""
    from hitpredict.scoring.session import bundled

    listed = listed_hashes()
    for name, path in bundled().items():
        digest = hashlib.sha256(path.read_bytes()).digest()
        known = listed.get(path.resolve())
        if known not in (None, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()):
            found = f"{path}: is not the file that was installed"
            yield Finding("scoring", name, found, State.broken, again("hitpredict"))
            continue
        told = "as installed" if known else "not compared: this installation lists no hashes"
        yield Finding("scoring", name, f"sha256 {digest.hex()}, {told}")


def listed_hashes() -> Mapping[Path, str]:
    """The hash of each file that the installation lists, as RECORD has it: SHA-256 in URL-safe base 64."""
    try:
        listed = files("hitpredict") or []
    except PackageNotFoundError:
        return {}
    return {Path(str(each.locate())).resolve(): each.hash.value for each in listed if each.hash}


def _sound() -> "Clip":
    import numpy as np

    from hitpredict.audio.clip import Clip

    time = np.arange(_RATE * _SECONDS) / _RATE
    chord = sum(np.sin(2 * np.pi * frequency * time) for frequency in (220.0, 277.2, 329.6))
    noise = np.random.default_rng(0).normal(size=time.size)
    return Clip((0.1 * chord + 0.01 * noise).astype(np.float32)[np.newaxis], _RATE, "chord")
