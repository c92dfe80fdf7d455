"""Sweeps: how often a sound is stretched, and when variants are handed on."""

import threading
from collections.abc import Callable, Iterator
from time import sleep as pause

import pytest
from typer.testing import CliRunner

from hitpredict.cli.app import build
from hitpredict.engines import threads
from hitpredict.mutations import time
from tests.helpers.sounds import saved, tune


@pytest.mark.parametrize(
    ("options", "stretches", "channels"),
    [
        (("--pitch=-2,2", "--gain=-6,-3,0"), 2, 2),
        (("--pitch=-2,2", "--tempo", "0.9,1.1"), 4, 2),
        (("--pitch=-2,2", "--tempo", "0.9", "--lowpass", "2000,3000", "--mono"), 2, 1),
        (("--gain=-6,-3", "--pitch", "2"), 2, 2),
        (("--gain=-6,-3", "--with-original"), 0, 0),
    ],
)
def test_variants_share_their_stretches(tmp_path, monkeypatch, options, stretches, channels):
    done: list[int] = []
    stretch = time._with_pedalboard

    def counted(samples, *rest):
        done.append(samples.shape[0])
        return stretch(samples, *rest)

    monkeypatch.setattr(time, "_with_pedalboard", counted)
    song = saved(tmp_path, "song.wav", tune(1))
    outcome = CliRunner().invoke(
        build("mutate"), ["mutate", str(song), *options, "--quality", "draft", "-o", str(tmp_path / "out"), "-j", "2"]
    )
    assert outcome.exit_code == 0, outcome.output
    assert done == [channels] * stretches


def test_a_result_is_handed_on_as_soon_as_it_is_there():
    """Before more work is asked for, not when as many wait as there are threads."""
    ready, asked = threading.Event(), []

    def work() -> Iterator[tuple[int, Callable[[], int]]]:
        for number in range(6):
            asked.append(number)
            if number == 1:
                assert ready.wait(10)
                pause(0.1)
            yield number, lambda number=number: ready.set() or number  # type: ignore[misc]

    results = threads.run(work(), 4)
    assert next(results) == (0, 0)
    assert len(asked) <= 3
    assert [number for number, _ in results] == [1, 2, 3, 4, 5]
