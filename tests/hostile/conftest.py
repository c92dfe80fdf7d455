"""A server that means harm, and a patient client with short patience."""

import pytest

from hitpredict.datasets.web.download import Web
from tests.helpers.servers import serving


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_DEEZER", running.url)
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def web():
    with Web(timeout=0.2, attempts=2, pause=0.01, longest_answer=2.0) as opened:
        yield opened
