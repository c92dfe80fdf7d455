"""Inputs and surroundings that mean harm: one input never ends a batch, and nothing takes more than its share."""

import sys

from processes import run
from sounds import saved

MANY_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "8")


def test_numbers_do_not_depend_on_threads_that_the_environment_asks_for(tmp_path):
    song = saved(tmp_path)
    kinds = ("fma518", "hmn207", "logmel")
    plain, threaded = (
        [run("featurize", "-k", kind, song, env=env).out for kind in kinds] for env in ({}, MANY_THREADS)
    )
    assert plain == threaded
    code = "import hitpredict.cli, numpy, threadpoolctl as t; print(*(p['num_threads'] for p in t.threadpool_info()))"
    pools = run("-c", code, env=MANY_THREADS, program=(sys.executable,)).out.split()
    assert set(pools) == {b"1"}
