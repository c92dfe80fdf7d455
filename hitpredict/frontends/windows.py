"""Analysis windows."""

from functools import cache

import numpy as np
from numpy.typing import NDArray


@cache
def hann(size: int, *, symmetric: bool = False) -> NDArray[np.float32]:
    """Hann window of `size` samples: periodic (for spectra, as librosa) or symmetric (as Kaldi's "hanning")."""
    phase = 2 * np.pi * np.arange(size) / (size - 1 if symmetric else size)
    window = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
    window.flags.writeable = False
    return window
