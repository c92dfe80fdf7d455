"""The job of `hitpredict mutate IN --pitch N -o OUT` (or --tempo R), written plainly with pyrubberband.

python mutate_pyrubberband.py pitch|tempo VALUE r2|r3 IN OUT       r2 is the default of the program rubberband
"""

import sys

import numpy as np
import pyrubberband
import soundfile


def changed(samples: np.ndarray, rate: int, what: str, value: float, engine: str) -> np.ndarray:
    """Samples (frames, channels) transposed by semitones, or played so many times as fast."""
    function = {"pitch": pyrubberband.pitch_shift, "tempo": pyrubberband.time_stretch}[what]
    return function(samples, rate, value, rbargs={"-3": ""} if engine == "r3" else {})


if __name__ == "__main__":
    what, value, engine, source, target = sys.argv[1:]
    samples, rate = soundfile.read(source)
    soundfile.write(target, changed(samples, rate, what, float(value), engine), rate)
