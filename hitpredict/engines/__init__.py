"""Engines run the same work on many inputs: here, in a pool of local processes."""
