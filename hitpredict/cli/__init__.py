"""The command line. Only modules in here know typer and rich."""

import os

# One thread for each process, whatever the environment says: the matrices are small, `--jobs` is the way to use more
# cores, and sums come out the same everywhere. BLAS and OpenMP libraries read this when NumPy is first imported, so it
# comes before anything else; worker processes inherit it.
for _library in ("OPENBLAS", "GOTO", "OMP", "MKL", "BLIS"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"
os.environ["VECLIB_MAXIMUM_THREADS"] = "1"
