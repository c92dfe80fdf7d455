"""Downloads: whole, right, resumed, retried, or one clear error."""

import errno
import hashlib
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from hitpredict.datasets.web import disk
from hitpredict.datasets.web.cache import cache_folder
from hitpredict.datasets.web.disk import made
from hitpredict.datasets.web.download import GaveUp, Refused, Unreachable, Web
from hitpredict.datasets.web.limits import RateLimiter
from hitpredict.datasets.web.part import Part
from hitpredict.errors import EnvironmentProblem, InputError
from tests.helpers.servers import Reply, serving

BODY = bytes(range(256)) * 400
SHA1 = f"sha1:{hashlib.sha1(BODY).hexdigest()}"


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture
def web():
    with Web(timeout=2, attempts=3, pause=0.01) as opened:
        yield opened


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ranges(server) -> list[str | None]:
    return [request.headers.get("Range") for request in server.asked]


def test_a_file_arrives_whole_and_alone(tmp_path, server, web):
    server.file("/a.zip", BODY)
    seen = []
    web.report = lambda *state: seen.append(state)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY
    assert left(tmp_path) == ["a.zip"]
    assert seen[-1] == ("a.zip", len(BODY), len(BODY))


def test_what_is_there_and_right_is_not_fetched_again(tmp_path, server, web):
    (tmp_path / "a.zip").write_bytes(BODY)
    (tmp_path / "b.mp3").write_bytes(b"kept")
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY
    assert web.download(f"{server.url}/b.mp3", tmp_path / "b.mp3").read_bytes() == b"kept"
    assert not server.asked


def test_what_is_there_and_damaged_is_fetched_again(tmp_path, server, web):
    (tmp_path / "a.zip").write_bytes(BODY[:-1])
    with Web(offline=True) as away, pytest.raises(EnvironmentProblem, match="is damaged or another file"):
        away.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1)
    server.file("/a.zip", BODY)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY
    assert left(tmp_path) == ["a.zip"]


def test_a_cut_connection_is_resumed_by_range(tmp_path, server, web):
    server.file("/a.zip", BODY, cuts=[70_000, 20_000])
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY
    assert ranges(server) == [None, "bytes=70000-", "bytes=90000-"]
    assert server.asked[1].headers["If-Range"] == '"one"'


def test_a_download_that_grows_is_never_given_up(tmp_path, server, web):
    server.file("/a.zip", BODY, cuts=[10_000] * 9)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY
    assert len(server.asked) == 10


def test_a_later_run_goes_on(tmp_path, server):
    server.file("/a.zip", BODY, cuts=[50_000, 0, 0])
    with Web(attempts=1, pause=0.01) as first, pytest.raises(GaveUp, match="run the same command later"):
        first.download(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert left(tmp_path) == [".a.zip.part", ".a.zip.part.json"]
    with Web(pause=0.01) as second:
        assert second.download(f"{server.url}/a.zip", tmp_path / "a.zip").read_bytes() == BODY
    assert ranges(server)[-1] == "bytes=50000-"
    assert left(tmp_path) == ["a.zip"]


def test_a_run_killed_before_the_rename_asks_for_nothing_more(tmp_path, server, web):
    server.file("/a.zip", BODY)
    (tmp_path / ".a.zip.part").write_bytes(BODY)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY
    assert ranges(server) == [f"bytes={len(BODY)}-"]


def test_a_server_without_ranges_starts_again(tmp_path, server, web):
    server.file("/a.zip", BODY, ranges=False, cuts=[50_000])
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY


def test_another_version_is_not_glued_to_the_first(tmp_path, server, web):
    (tmp_path / ".a.zip.part").write_bytes(b"x" * 1000)
    (tmp_path / ".a.zip.part.json").write_text(json.dumps({"version": '"old"'}))
    server.file("/a.zip", BODY)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip").read_bytes() == BODY


def test_pieces_that_make_the_wrong_file_are_fetched_anew(tmp_path, server, web):
    (tmp_path / ".a.zip.part").write_bytes(b"x" * 1000)
    server.file("/a.zip", BODY, tag=None)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY
    assert ranges(server) == ["bytes=1000-", None]


def test_without_version_or_hash_nothing_is_resumed(tmp_path, server, web):
    (tmp_path / ".a.zip.part").write_bytes(b"x" * 1000)
    server.file("/a.zip", BODY, tag=None)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip").read_bytes() == BODY
    assert ranges(server) == [None]


@pytest.mark.parametrize("digest", [f"sha1:{'0' * 40}", f"sha256:{'0' * 64}", "sha256:00000000"])
def test_a_wrong_hash_leaves_nothing(tmp_path, server, web, digest):
    server.file("/a.zip", BODY)
    with pytest.raises(InputError, match="damaged or another one"):
        web.download(f"{server.url}/a.zip", tmp_path / "a.zip", digest)
    assert left(tmp_path) == []
    assert len(server.asked) == 1


def test_the_beginning_of_a_hash_is_enough(tmp_path, server, web):
    server.file("/a.pth", BODY)
    digest = f"sha256:{hashlib.sha256(BODY).hexdigest()[:8]}"
    assert web.download(f"{server.url}/a.pth", tmp_path / "a.pth", digest).exists()


def test_dribbling_bytes_count_as_a_broken_connection(tmp_path, server):
    server.answers["/a.zip"] = lambda _: Reply(BODY, delay=0.11)
    with Web(timeout=0.3, attempts=1) as web, pytest.raises(GaveUp, match="hardly anything"):
        web.download(f"{server.url}/a.zip", tmp_path / "a.zip")


def test_silence_counts_as_a_broken_connection(tmp_path, server):
    server.answers["/a.zip"] = lambda _: Reply(BODY[:100], delay=0.5)
    with Web(timeout=0.1, attempts=2, pause=0.01) as web, pytest.raises(GaveUp, match="no answer in time"):
        web.download(f"{server.url}/a.zip", tmp_path / "a.zip")


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


def test_a_folder_in_which_nothing_came_goes_again(tmp_path):
    (tmp_path / "there").mkdir()
    for name, brought in [("there", False), ("new/deep", False), ("kept/deep", True)]:
        folder = tmp_path / name
        with pytest.raises(InputError), made(folder):
            assert folder.is_dir()
            if brought:
                (folder / "a").write_text("a")
            raise InputError("no")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        *("kept", "kept/deep", "kept/deep/a", "there"),
    ]
    with pytest.raises(EnvironmentProblem, match=r"kept/deep/a.*cannot be made"), made(tmp_path / "kept/deep/a/b"):
        pass


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


def test_offline_takes_what_is_there_and_asks_for_nothing(tmp_path, server):
    (tmp_path / "here").write_bytes(b"1")
    with Web(offline=True) as web:
        assert web.download(f"{server.url}/here", tmp_path / "here").exists()
        with pytest.raises(EnvironmentProblem, match="away is not in the cache and --offline"):
            web.download(f"{server.url}/away", tmp_path / "away")
        with pytest.raises(EnvironmentProblem, match="cannot be asked"):
            web.json(f"{server.url}/x")
    assert not server.asked


def test_a_full_disk_is_one_clear_error_and_keeps_what_came(tmp_path, server, web, monkeypatch):
    server.answers["/a.zip"] = lambda _: Reply(BODY, delay=0.0001)
    written = Part.write

    def on_full_disk(part: Part, data: bytes) -> None:
        part.flush()
        if part.size > 30_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(part, data)

    monkeypatch.setattr(Part, "write", on_full_disk)
    with pytest.raises(EnvironmentProblem, match="the disk is full; free some space and run") as full:
        web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1)
    assert full.value.exit_code == 3
    monkeypatch.undo()
    kept = (tmp_path / ".a.zip.part").read_bytes()
    assert kept
    assert BODY.startswith(kept)
    server.file("/a.zip", BODY)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY


def test_room_is_asked_for_first(tmp_path, server, web, monkeypatch):
    server.file("/a.zip", BODY)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: disk.shutil._ntuple_diskusage(10, 10, 1000))
    with pytest.raises(EnvironmentProblem, match=r"a\.zip: needs 0 MB"):
        web.download(f"{server.url}/a.zip", tmp_path / "a.zip")


def test_the_cache_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "deep" / "cache"))
    assert cache_folder("fma") == tmp_path / "deep" / "cache" / "fma"
    assert left(tmp_path) == []


def test_the_cache_is_in_the_xdg_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("HITPREDICT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("fma") == tmp_path / "hitpredict" / "fma"


def test_a_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "file"))
    with pytest.raises(EnvironmentProblem, match="set HITPREDICT_CACHE to a folder"):
        cache_folder("fma")


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
