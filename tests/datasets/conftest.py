"""A server, and a client that pauses little, for tests of downloads."""

import pytest

from hitpredict.datasets.web.download import Web
from tests.helpers.servers import serving


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def web():
    with Web(timeout=2, attempts=3, pause=0.01) as opened:
        yield opened
