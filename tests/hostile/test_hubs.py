"""Hubs of weights that mean harm: names, tokens, listings and hashes."""

import hashlib
from dataclasses import replace

import pytest

from hitpredict.datasets import weights
from hitpredict.datasets.web.download import Web
from hitpredict.datasets.web.hashes import check_fetched
from hitpredict.datasets.web.hub import snapshot
from hitpredict.errors import EnvironmentProblem, InputError
from tests.helpers.folders import names_in
from tests.helpers.processes import run
from tests.helpers.servers import Reply, serving

COMMIT = "a" * 40
REPOSITORY = "facebook/wav2vec2-base"


def listing(*siblings: object, sha: object = COMMIT) -> dict:
    return {"sha": sha, "siblings": [*siblings]}


def sibling(name: object, data: bytes = b"{}", **changes: object) -> dict:
    return {"rfilename": name, "blobId": "0" * 40, "size": len(data), **changes}


@pytest.mark.parametrize("name", ["../../VICTIM.json", "/VICTIM.json", "a/../../VICTIM.json", "..\\VICTIM.json", 5])
def test_a_hub_cannot_name_files_outside(tmp_path, server, web, name):
    (tmp_path / "VICTIM.json").write_text("mine")
    server.json(f"/api/models/{REPOSITORY}", listing(sibling(name)))
    server.file(f"/{REPOSITORY}", b"{}")
    with pytest.raises(InputError):
        snapshot(web, REPOSITORY, 10**6)
    assert names_in(tmp_path) == ["VICTIM.json"]


@pytest.mark.parametrize("tag", ['"../../../../VICTIM"', '"/VICTIM"', f'"{"0" * 64}"'])
def test_what_a_hub_says_in_headers_is_no_path(tmp_path, server, tag):
    victim = tmp_path / "VICTIM"
    victim.write_text("mine")
    server.json(f"/api/models/{REPOSITORY}", listing(sibling("model.safetensors")))
    told = {"X-Repo-Commit": "../../..", "ETag": tag, "X-Linked-Etag": tag, "Content-Disposition": "filename=../VICTIM"}
    server.answers[f"/{REPOSITORY}"] = lambda _: Reply(b"{}", 200, told)
    outcome = run("fetch", "weights", "wav2vec2", "-q")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert names_in(tmp_path) == ["VICTIM"]
    assert victim.read_text() == "mine"


def test_a_token_stays_with_the_hub(server, web, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    data = b"{}"
    digest = hashlib.sha256(data).hexdigest()
    listed = sibling("a.safetensors", data, lfs={"sha256": digest})
    with serving() as elsewhere:
        server.json(f"/api/models/{REPOSITORY}", listing(listed))
        server.json(f"/{REPOSITORY}", {}, status=302, headers={"Location": f"{elsewhere.url}/a"})
        elsewhere.file("/a", data)
        assert (snapshot(web, REPOSITORY, 10**6) / "a.safetensors").read_bytes() == data
        assert [request.headers.get("Authorization") for request in server.asked] == ["Bearer secret"] * 2
        assert [request.headers.get("Authorization") for request in elsewhere.asked] == [None]


@pytest.mark.parametrize(
    "answer",
    [
        listing(sibling("a.json"), sha="../../.."),
        listing(sibling("a.json", blobId="../../VICTIM")),
        listing(sibling("a.bin", lfs={"sha256": "../../../VICTIM"})),
        listing(sibling("a.json", size=-5)),
        listing(sibling("a.json", size=10**9)),
        listing(),
        {"sha": COMMIT, "siblings": "a.json"},
        [],
    ],
)
def test_listings_of_another_form_are_refused(tmp_path, server, web, answer):
    server.json(f"/api/models/{REPOSITORY}", answer)
    with pytest.raises(InputError):
        snapshot(web, REPOSITORY, 10**6)
    assert names_in(tmp_path) == []
    assert server.paths(f"/{REPOSITORY}") == []


def test_the_whole_hash_holds_from_the_first_download_on(tmp_path, server):
    data = b"weights"
    digest = hashlib.sha256(data).hexdigest()
    entry = replace(weights.ALL["vggish-pca"], file="a/b.pth", sha256=digest[:8])
    server.file("/a/b.pth", data)
    with Web(pause=0.01) as web:
        path = weights.fetch(web, entry, server.url)
        assert path.with_name("b.pth.sha256").read_text() == f"{digest}  b.pth\n"
        check_fetched(path, "")
        # Another file whose hash begins alike.
        path.with_name("b.pth.sha256").write_text(f"{digest[:8]}{'0' * 56}  b.pth\n")
        with pytest.raises(EnvironmentProblem, match="is damaged or another file"):
            check_fetched(path, "")
        with pytest.raises(InputError, match="damaged or another one"):
            weights.fetch(web, entry, server.url)
