"""Embeddings of pretrained networks as kinds of features.

Each kind is a frozen dataclass whose fields are its parameters. Called with blocks of samples (channels, frames) and
their rate it gives a float32 vector, named by `columns`, or (`pool` "none", `columns` None) one row for each piece of
the sound. Long sounds pass through in windows. A network is loaded at first use, once in a process.
"""
