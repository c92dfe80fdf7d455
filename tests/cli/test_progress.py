"""Progress on a terminal: how many, how fast, how long still; and that it leaves nothing behind."""

import io
import sys
import time

import pytest

from hitpredict.cli import progress
from hitpredict.cli.messages import say
from hitpredict.cli.progress import Progress, Transfers, watched


class Screen(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(progress, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")

    def installed() -> Screen:
        """pytest sets standard error anew between a fixture and its test."""
        monkeypatch.setattr(sys, "stderr", Screen())
        return sys.stderr

    return installed


def test_total_rate_and_time_left_are_shown(terminal):
    screen = terminal()
    with Progress("scored", watched(False, rows_elsewhere=True), 20) as bar:
        for _ in bar.over(range(10)):
            time.sleep(0.05)
    shown = screen.getvalue()
    assert bar.shown
    for text in ("/20", "scored", "a second", "left"):
        assert text in shown


def test_lines_said_meanwhile_stay_whole(terminal):
    screen = terminal()
    long = "/a/long/path" * 20
    with Progress("scored", True, 3) as bar:
        for _ in bar.over(range(3)):
            time.sleep(0.05)
            say(long)
    assert screen.getvalue().count(f"hitpredict: {long}\n") == 3
    assert sys.stderr is screen


def test_it_is_gone_when_the_work_is_interrupted(terminal):
    screen = terminal()
    with pytest.raises(KeyboardInterrupt), Progress("scored", True, 3) as bar:
        for _ in bar.over(range(3)):
            time.sleep(0.1)
            raise KeyboardInterrupt
    hidden, visible = "\x1b[?25l", "\x1b[?25h"
    assert screen.getvalue().rfind(visible) > screen.getvalue().find(hidden) >= 0
    assert sys.stderr is screen


def test_one_has_the_screen_at_a_time(terminal):
    screen = terminal()
    transfers = Transfers(quiet=False)
    with Progress("tracks", True, 3) as outer:
        time.sleep(0.1)
        transfers("song.mp3", 10, 100)
        time.sleep(0.1)
        transfers.clear()
    assert outer.shown
    assert "song.mp3" not in screen.getvalue()


def test_transfers_tell_name_size_and_speed(terminal):
    screen = terminal()
    transfers = Transfers(quiet=False)
    for done in (10**6, 2 * 10**6, 3 * 10**6):
        transfers("fma_small.zip [x]", done, 8 * 10**6)
        time.sleep(0.1)
    transfers.clear()
    assert "fma_small.zip [x]" in screen.getvalue()
    assert "/8.0 MB" in screen.getvalue()
    assert "MB/s" in screen.getvalue()


@pytest.mark.parametrize("muted", [{"quiet": True}, {"TERM": "dumb"}], ids=str)
def test_it_stays_away_where_nobody_wants_it(terminal, monkeypatch, muted):
    screen = terminal()
    monkeypatch.setenv("TERM", muted.get("TERM", "xterm"))
    assert not watched(muted.get("quiet", False), rows_elsewhere=True)
    with Progress("scored", watched(muted.get("quiet", False), rows_elsewhere=True), 3) as bar:
        for _ in bar.over(range(3)):
            time.sleep(0.02)
    assert (screen.getvalue(), bar.shown) == ("", False)
