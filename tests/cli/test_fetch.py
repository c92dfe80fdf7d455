"""What every source of `fetch` promises alike."""

import re

import pytest
from typer.testing import CliRunner

from hitpredict.cli.app import app
from tests.helpers.processes import in_terminal, python, run
from tests.helpers.servers import Reply, serving

WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from hitpredict.cli.app import main
main()
"""
SOURCES = {
    "fma": ("--metadata-only",),
    "spotgentrack": (),
    "zalo2019": (),
    "deezer": ("--chart",),
    "spotify": ("0" * 22,),
    "kworb": ("us",),
}
CREDENTIALS = {"SPOTIFY_CLIENT_ID": "me", "SPOTIFY_CLIENT_SECRET": "hush"}


@pytest.mark.parametrize("package", ["httpx", "tenacity", "platformdirs", "pyarrow"])
def test_a_missing_package_names_its_extra(tmp_path, package):
    outcome = python(WITHOUT, package, "fetch", "fma", "-q", "--offline", "-o", tmp_path)
    assert outcome.code == 3
    assert outcome.complaints == [f"hitpredict: the package {package} is missing: pip install 'hitpredict[fetch]'"]


@pytest.mark.parametrize("source", SOURCES)
def test_faults_of_the_network_are_one_line_each(tmp_path, source):
    with serving() as server:
        variables = {**CREDENTIALS, "HITPREDICT_CACHE": str(tmp_path / "cache")}

        def fetched(*more: str):
            arguments = ("fetch", source, *SOURCES[source], "-q", "--mirror", server.url, "-o", str(tmp_path / "out"))
            return CliRunner().invoke(app, [*arguments, *more], env=variables)

        server.answers["/"] = server.answers[""] = lambda _: Reply(status=403)
        refused = fetched()
        server.answers["/"] = server.answers[""] = lambda _: Reply(status=429, headers={"Retry-After": "9999"})
        asked_to_wait = fetched()
        offline = fetched("--offline")
    for outcome, code, said in (
        (refused, 3 if source == "spotify" else 1, "HTTP 403"),
        (asked_to_wait, 1, "asks to wait 9,999 s"),
        (offline, 3, "--offline"),
    ):
        assert (outcome.exit_code, len(outcome.stderr.splitlines()), outcome.stdout) == (code, 1, "")
        assert said in outcome.stderr
    assert not (tmp_path / "out" / "tracks.jsonl").exists()


@pytest.mark.parametrize("source", SOURCES)
def test_without_a_connection_there_is_one_line_and_nothing_on_the_disk(tmp_path, source):
    arguments = ("fetch", source, *SOURCES[source], "-q", "--mirror", "http://127.0.0.1:9", "-o", str(tmp_path / "out"))
    outcome = CliRunner().invoke(app, arguments, env={**CREDENTIALS, "HITPREDICT_CACHE": str(tmp_path / "cache")})
    assert (outcome.exit_code, outcome.stdout) == (3, "")
    assert outcome.stderr.startswith("hitpredict: no connection to 127.0.0.1:9 (")
    assert outcome.stderr.endswith("are you offline?\n")
    assert [*tmp_path.iterdir()] == []


def test_an_output_that_is_a_file_is_wrong_usage(tmp_path):
    (tmp_path / "file").write_text("")
    outcome = run("fetch", "zalo2019", "-o", tmp_path / "file")
    assert (outcome.code, outcome.complaints) == (2, [f"hitpredict: {tmp_path / 'file'}: is not a folder"])


def test_progress_is_shown_to_people_who_wait(tmp_path):
    with serving() as server:
        server.answers["/fma_metadata.zip"] = lambda _: Reply(bytes(3000), delay=0.1)
        arguments = ("fetch", "fma", "--metadata-only", "--mirror", server.url, "-o", tmp_path / "out")
        shown = in_terminal(*arguments, env={"HITPREDICT_CACHE": str(tmp_path / "cache"), "NO_COLOR": "1"})
    assert re.search(
        r"fma_metadata\.zip 2\.\d/3\.0 kB \d+ bytes/s 0:00:0\d left", re.sub(r"\x1b\[[\d;]*m", "", shown.err)
    )


def test_the_table_of_sources_is_in_the_help():
    shown = run("fetch", "--help").out.decode()
    assert all(name in shown for name in (*SOURCES, "charts", "weights", "synth"))
