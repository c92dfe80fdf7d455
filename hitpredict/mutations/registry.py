"""All steps by name, in the order in which the command line lists them."""

from hitpredict.mutations import damage, edit, level, space, time, tone
from hitpredict.mutations.step import Step

STEPS: dict[str, type[Step]] = {
    step.op: step
    for step in (
        time.Pitch,
        time.Tempo,
        level.Gain,
        level.Loudness,
        level.Compress,
        level.Limit,
        level.Fade,
        tone.Lowpass,
        tone.Highpass,
        tone.Equaliser,
        space.Reverb,
        space.Delay,
        space.Chorus,
        space.Width,
        space.Mono,
        damage.Noise,
        damage.Distortion,
        damage.Bitcrush,
        damage.Mp3Compression,
        edit.Reverse,
        edit.Crop,
        edit.Roll,
    )
}
