"""What was cut at full scale while variants were written, told once a run."""

import numpy as np

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import Sound
from hitpredict.cli.messages import Messages
from hitpredict.cli.sinks import Place, Sink

_AUDIBLE = 0.001


class Cut:
    """Counts the frames, of `frames` in a variant, that exceed full scale in any channel, while they pass."""

    def __init__(self, frames: int):
        self._frames, self._cut = frames, 0

    @property
    def share(self) -> float:
        """Of the frames, in [0, 1]."""
        return self._cut / self._frames

    def watch(self, block: Samples) -> Samples:
        """The block as it is."""
        if block.max() > 1 or block.min() < -1:
            self._cut += int((np.abs(block) > 1).any(axis=0).sum())
        return block


class Clipping:
    """All variants of a run of which more than 0.1 % was cut on the way into a sink."""

    def __init__(self, sink: Sink):
        self._sink, self.claim = sink, sink.claim
        self._shares: dict[str, float] = {}

    def take(self, name: str, sound: Sound) -> tuple[Place, Cut]:
        """As the sink does it, and what will have been cut once the variant is in its place."""
        cut = Cut(sound.frames)
        return self._sink.take(name, sound if self._sink.bits == "float" else sound.each(cut.watch)), cut

    def add(self, called: str, cut: Cut) -> None:
        """A variant that has been written, and what was cut of it."""
        if cut.share >= _AUDIBLE:
            self._shares[called] = cut.share

    def tell(self, messages: Messages) -> None:
        """One line: how many variants, and the worst."""
        if self._shares:
            worst = max(self._shares, key=self._shares.__getitem__)
            count = len(self._shares)
            others = f" ({count} variants were cut, this one the most)" if count > 1 else ""
            messages.note(
                f"{worst}: {100 * self._shares[worst]:.2g} % of the sound exceeds full scale and was cut{others}; "
                "add --limit -1 or a negative --gain, or write --bits float"
            )
