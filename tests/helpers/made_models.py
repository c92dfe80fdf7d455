"""Models made for tests: what they hear is known, and what they say of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto, helper

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError
from hitpredict.export.metadata import with_metadata
from hitpredict.scoring.records import ModelReference, ScoreRecord
from hitpredict.scoring.scorer import ScoreScale
from hitpredict.scoring.session import ModelFile, Session


def band(clip: Clip, low: float, high: float) -> float:
    """Level of what the mean of the channels has between two frequencies, in dB."""
    power = np.abs(np.fft.rfft(clip.samples.mean(axis=0).astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(clip.frames, 1 / clip.rate)
    return float(10 * np.log10(power[(hz >= low) & (hz < high)].sum() / clip.frames**2 + 1e-12))


@dataclass
class MadeScorer:
    """In the place of a `Scorer`: `rule` gives the score of a clip. shortest: seconds."""

    rule: Callable[[Clip], float]
    noise_floor: float | None = None
    shortest: float = 0.0
    target: ScoreScale = field(default_factory=lambda: ScoreScale("made", 0.0, 100.0, "", ""))

    def score(self, sound: Sound | Clip) -> ScoreRecord:
        clip = sound.clip() if isinstance(sound, Sound) else sound
        if clip.duration < self.shortest:
            raise InputError(f"{clip.name}: too short for this model")
        silent = () if np.abs(clip.samples).max() > 1e-5 else ("silent: nothing",)
        score = float(np.clip(self.rule(clip), self.target.low, self.target.high))
        model = ModelReference("made", "1", "0" * 64)
        return ScoreRecord(clip.name, clip.name, clip.duration, score, 50, (0, 100), 0.8, "", silent, model, "cpu")


def linear_on_mfcc(weights: dict[str, float], constant: float = 50.0) -> bytes:
    """A model file as the bundled one, whose score is linear in its features: weights by the name of a column."""
    from hitpredict.frontends.mfcc_stats import MfccStats

    session = Session(ModelFile.find(None), "cpu", 1, None)
    columns = MfccStats().columns
    vector = np.array([[weights.get(name, 0.0)] for name in columns], np.float32)
    made = helper.make_tensor
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "w"], ["product"]),
            helper.make_node("Add", ["product", "b"], ["sum"]),
            helper.make_node("Squeeze", ["sum", "axes"], ["score"]),
        ],
        "made",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", len(columns)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["N"])],
        [
            made("w", TensorProto.FLOAT, vector.shape, vector.ravel()),
            made("b", TensorProto.FLOAT, [1], [constant]),
            made("axes", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    metadata = {f"hitpredict.{key}": value for key, value in session.metadata.items() if key != "noise_floor"}
    return with_metadata(model.SerializeToString(), metadata)
