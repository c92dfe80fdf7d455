"""Audio in and out: blocks from any container, exact WAV to a pipe, tar archives of variants."""
