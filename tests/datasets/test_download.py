"""Downloads: whole, right, resumed, retried, or one clear error."""

import hashlib
import json

import pytest

from hitpredict.datasets.web.download import GaveUp, Web
from hitpredict.errors import EnvironmentProblem, InputError
from tests.helpers.folders import left
from tests.helpers.servers import BODY, SHA1, Reply


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
