"""The command line. Only modules in here know typer and rich."""

import os

# One thread for each process: the matrices are small, `--jobs` is the way to use more cores, and sums come out the
# same in every process. BLAS libraries read this when NumPy is first imported, so it comes before anything else.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
