"""What every test shares: slow tests wait to be asked for, and signals arrive."""

import signal

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if not config.option.markexpr:
        config.option.markexpr = "not slow"
    # A shell that starts the tests in the background has them, and what they start, ignore interrupts; nohup, hangups.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
