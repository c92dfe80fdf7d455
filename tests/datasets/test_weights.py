"""Weights: the table, licences, files checked by the hash in their names, repositories of the hub."""

import dataclasses
import hashlib
import inspect
import shutil
from dataclasses import replace
from importlib import import_module

import pytest

from hitpredict import recipes
from hitpredict.cli.messages import in_options
from hitpredict.datasets import weights
from hitpredict.datasets.web.cache import fetched_repository
from hitpredict.datasets.web.download import Web
from hitpredict.errors import InputError, UsageError
from hitpredict.features.kinds import kind_class
from hitpredict.networks.registry import NETWORKS
from tests.helpers.processes import run
from tests.helpers.servers import Server, serving

COMMIT = "a" * 40
BIG, SMALL = b"weights" * 1000, b'{"hidden_size": 768}'
REPOSITORY = "facebook/wav2vec2-base"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_WEIGHTS", running.url)
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def serve_repository(server: Server, files: dict[str, bytes], sent: dict[str, bytes] | None = None) -> None:
    """Serve a repository as the hub does; `sent` replaces what really comes."""
    siblings = []
    for name, data in files.items():
        large = len(data) > 1000
        lfs = {"lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}}
        siblings.append({"rfilename": name, "blobId": git_hash(data), "size": len(data), **(lfs if large else {})})
        server.file(f"/{REPOSITORY}/resolve/{COMMIT}/{name}", (sent or {}).get(name, data))
    server.json(f"/api/models/{REPOSITORY}", {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings})


FILES = {"model.safetensors": BIG, "config.json": SMALL, "pytorch_model.bin": b"x" * 2000, "modeling.py": b"import os"}


def test_the_table_names_licences(tmp_path):
    outcome = run("fetch", "weights", "--list", env={"HITPREDICT_CACHE": str(tmp_path)})
    assert (outcome.code, outcome.err) == (0, "")
    header, *rows = [line.split("\t") for line in outcome.out.decode().splitlines()]
    assert header == ["name", "megabytes", "licence", "accept", "source", "use"]
    assert {row[0]: row[3] for row in rows}["mert-95m"] == "yes"
    assert {row[0]: row[2] for row in rows}["vggish"] == "Apache-2.0"
    assert all(("NC" in row[2] or "none" in row[2]) == (row[3] == "yes") for row in rows)
    assert not [*tmp_path.iterdir()]


def test_the_uses_exist():
    """Each use of the table names a kind or a recipe that starts from such weights; what nothing takes is not there."""
    for entry in weights.ALL.values():
        for use in in_options(entry.use).split("; "):
            words = use.split()
            if words[0] == "featurize":
                settings = {field.name: field.default for field in dataclasses.fields(kind_class(words[2]))}
                assert settings.keys() & {"weights", "checkpoint"}
                assert "--set" not in words or words[words.index("--set") + 1].removesuffix("=…") in settings
                assert "checkpoint=…" in words or settings.get("checkpoint", entry.repository) == entry.repository
            else:
                assert words[:3] == ["train", "--set", "network.checkpoint=…"]
                module, network = NETWORKS[recipes.load(words[-1]).network["name"]].split(":")
                cls = getattr(import_module(f"hitpredict.networks.{module}"), network)
                assert "checkpoint" in inspect.signature(cls).parameters


def test_licences_that_are_not_free_must_be_accepted():
    with pytest.raises(UsageError, match=r"mert-95m \(CC-BY-NC-4.0\), fma2vec \(none stated\): .*`accept_licence`"):
        weights.chosen(["ast", "mert-95m", "fma2vec"], accept_licence=False)
    assert [*weights.chosen(["ast", "mert-95m"], accept_licence=True)] == ["ast", "mert-95m"]


def test_unknown_names_are_said_with_those_there_are():
    with pytest.raises(UsageError, match="weights vgish: unknown; did you mean vggish"):
        weights.chosen(["vgish"], accept_licence=False)


def test_a_file_is_checked_by_the_hash_in_its_name(server, tmp_path):
    name = f"vggish-{hashlib.sha256(BIG).hexdigest()[:8]}.pth"
    entry = replace(weights.ALL["vggish"], file=f"some/release/{name}", sha256=hashlib.sha256(BIG).hexdigest()[:8])
    server.file(f"/some/release/{name}", BIG, cuts=[3000])
    with Web(pause=0.01) as web:
        path = weights.fetch(web, entry)
        assert path == tmp_path / "cache" / "weights" / name
        server.file("/some/release/vggish-00000000.pth", BIG)
        with pytest.raises(InputError, match="damaged or another one"):
            weights.fetch(web, replace(entry, file="some/release/vggish-00000000.pth", sha256="00000000"))
    with Web(offline=True) as web:
        assert weights.fetch(web, entry) == path


def test_as_a_process_the_pinned_hash_is_checked(server):
    server.file(f"/{weights.ALL['vggish-pca'].file}", BIG)
    outcome = run("fetch", "weights", "vggish-pca", "-q")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert "its hash is not sha256:970ea276" in outcome.err
    assert not outcome.out


def test_a_repository_comes_without_code_and_pickles_and_works_offline(server, tmp_path):
    serve_repository(server, FILES)
    outcome = run("fetch", "weights", "wav2vec2")
    assert outcome.code == 0, outcome.err
    assert outcome.complaints == [
        "hitpredict: wav2vec2: huggingface.co/facebook/wav2vec2-base, about 380 MB, licence Apache-2.0"
    ]
    name, path = outcome.out.decode().rstrip().split("\t")
    assert name == "wav2vec2"
    folder = tmp_path / "cache" / "weights"
    assert path.startswith(str(folder))
    found = {file.name: file.read_bytes() for file in (folder / path).iterdir()}
    assert found == {"model.safetensors": BIG, "config.json": SMALL}
    assert fetched_repository(REPOSITORY) == folder / path
    assert fetched_repository("some/other") is None
    asked = len(server.asked)
    again = run("fetch", "weights", "wav2vec2", "--offline", "-q")
    assert (again.code, again.out) == (0, outcome.out)
    assert len(server.asked) == asked


def test_pickles_come_where_there_is_nothing_safer(server, tmp_path):
    serve_repository(server, {name: data for name, data in FILES.items() if name != "model.safetensors"})
    outcome = run(
        "fetch", "weights", "wav2vec2", "-q", "--mirror", server.url, env={"HF_ENDPOINT": "http://127.0.0.1:9"}
    )
    assert outcome.code == 0, outcome.err
    assert {path.name for path in (tmp_path / "cache").rglob(f"{COMMIT}/*")} == {"config.json", "pytorch_model.bin"}


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_damaged_file_of_a_repository_is_deleted(server, tmp_path, name):
    serve_repository(server, FILES, {name: FILES[name][::-1]})
    outcome = run("fetch", "weights", "wav2vec2", "-q")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert "the file is damaged or another one" in outcome.err
    assert run("fetch", "weights", "wav2vec2", "-q", "--offline").code == 3
    serve_repository(server, FILES)
    assert run("fetch", "weights", "wav2vec2", "-q").code == 0
    shutil.rmtree(tmp_path / "cache")


def test_a_repository_that_is_gone_is_one_line(server):
    server.json("/api/models", {"error": "Repository not found"}, status=404, headers={"X-Error-Code": "RepoNotFound"})
    outcome = run("fetch", "weights", "wav2vec2", "-q")
    assert outcome.code == 1
    assert outcome.complaints == ["hitpredict: facebook/wav2vec2-base: the hub has no such repository (any more)"]


def test_a_hub_that_is_not_there_is_one_line(tmp_path):
    variables = {"HF_ENDPOINT": "http://127.0.0.1:9", "HITPREDICT_CACHE": str(tmp_path)}
    outcome = run("fetch", "weights", "wav2vec2", "-q", env=variables)
    assert outcome.code == 3
    assert outcome.complaints == [
        "hitpredict: no connection to 127.0.0.1:9 ([Errno 111] Connection refused); are you offline?"
    ]
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("arguments", [(), ("mert-95m",), ("nothing",)])
def test_wrong_usage(tmp_path, arguments):
    outcome = run("fetch", "weights", *arguments, env={"HITPREDICT_CACHE": str(tmp_path)})
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
