"""What is made of refusals, waits, redirects, and answers that are not what they should be?"""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from hitpredict.datasets.web.download import GaveUp, Refused, Unreachable, Web
from hitpredict.datasets.web.limits import RateLimiter
from hitpredict.errors import InputError
from tests.helpers.folders import left
from tests.helpers.servers import BODY, Reply, serving


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://nowhere.invalid"])
def test_a_server_that_is_not_there_is_asked_once(tmp_path, address):
    pauses = []
    said = rf"^no connection to {address.removeprefix('http://')} \(.+\); are you offline\?$"
    with Web(sleep=pauses.append) as web:
        with pytest.raises(Unreachable, match=said):
            web.download(f"{address}/a.zip", tmp_path / "cache" / "a.zip")
        with pytest.raises(Unreachable, match=said):
            web.json(f"{address}/a")
    assert pauses == []
    assert left(tmp_path) == []


def test_a_server_that_goes_away_may_come_back(tmp_path):
    pauses = []
    with Web(attempts=3, sleep=pauses.append) as web:
        with serving() as going:
            going.file("/a.zip", BODY, cuts=[len(BODY)])
            web.download(f"{going.url}/a.zip", tmp_path / "a.zip")
        with pytest.raises(GaveUp, match="the connection failed"):
            web.download(f"{going.url}/b.zip", tmp_path / "b.zip")
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("status", "said"), [(403, "refuses it"), (404, "not there"), (410, "not there"), (401, "credentials")]
)
def test_refusals_are_final(tmp_path, server, web, status, said):
    server.json("/a.zip", {}, status=status)
    with pytest.raises(Refused, match=said) as refused:
        web.download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert refused.value.status == status
    assert refused.value.exit_code == 1
    assert len(server.asked) == 1
    assert left(tmp_path) == []


def test_429_waits_as_long_as_asked(server, web):
    slept, notes = [], []
    web.sleep, web.note = slept.append, notes.append
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    server.json(
        "/x", Reply(status=429, headers={"Retry-After": "7"}), Reply(status=503, headers={"Retry-After": later}), 1
    )
    assert web.json(f"{server.url}/x") == 1
    assert slept[0] == 7
    assert 20 < slept[1] <= 30
    assert "HTTP 429 Too Many Requests; trying again in 7.0 s" in notes[0]


def test_a_long_wait_is_left_to_the_user(server, web):
    server.json("/x", {}, status=429, headers={"Retry-After": "86400"})
    with pytest.raises(GaveUp, match="asks to wait 86,400 s"):
        web.json(f"{server.url}/x")
    assert len(server.asked) == 1


def test_pauses_grow(server, web):
    slept = []
    web.sleep, web.attempts, web.pause = slept.append, 5, 1.0
    server.json("/x", {}, status=500)
    with pytest.raises(GaveUp, match="HTTP 500"):
        web.json(f"{server.url}/x")
    assert len(slept) == 4
    assert all(2**n <= pause <= 2**n + 1 for n, pause in enumerate(slept))


def test_an_answer_that_is_not_json(server, web):
    server.file("/x", b"<html>we have moved</html>")
    with pytest.raises(InputError, match="not JSON; the service has changed"):
        web.json(f"{server.url}/x")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a", "nonsense"])
def test_addresses_that_are_none(tmp_path, web, url):
    with pytest.raises(InputError, match="cannot be fetched"):
        web.download(url, tmp_path / "a")


def test_redirects_that_go_in_circles(tmp_path, server, web):
    server.json("/a", {}, status=302, headers={"Location": "/a"})
    with pytest.raises(InputError, match="cannot be fetched"):
        web.download(f"{server.url}/a", tmp_path / "a")


def test_the_limiter_lets_fifty_through_in_five_seconds():
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    limiter = RateLimiter(50, 5.0, lambda: now[0], sleep)
    times = []
    for _ in range(175):
        limiter.wait()
        times.append(now[0])
        now[0] += 0.01
    assert all(later - earlier >= 5 - 1e-9 for earlier, later in zip(times, times[50:], strict=False))
    assert now[0] == pytest.approx(15 + 25 * 0.01)
