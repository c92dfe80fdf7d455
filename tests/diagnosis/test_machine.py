"""Limits of control groups, and folders that cannot be used."""

import tempfile

import pytest

from hitpredict.diagnosis import machine
from hitpredict.diagnosis.finding import State


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Makes a tree of control groups and the table that says where this process is in it; gives what is found."""

    def made(table, files):
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        (tmp_path / "table").write_text(table)
        folders = machine.control_groups(tmp_path / "cgroup", tmp_path / "table")
        monkeypatch.setattr(machine, "control_groups", lambda: folders)
        monkeypatch.setattr(machine, "cores", lambda: 8)
        return {each.name: each for each in machine.machine_findings()}

    return made


ONE_TREE = (
    "0::/pod/job\n",
    {"pod/memory.max": "2000000000", "pod/job/memory.max": "max", "pod/cpu.max": "150000 100000"},
)
ONE_EACH = (
    "5:cpu,cpuacct:/docker/a\n4:memory:/docker/a\n1:name=systemd:/\n",
    {
        "memory/memory.limit_in_bytes": "2000000000",
        "memory/docker/a/memory.limit_in_bytes": str(2**63 - 4096),
        "cpu/docker/a/cpu.cfs_quota_us": "150000",
        "cpu/docker/a/cpu.cfs_period_us": "100000",
    },
)


@pytest.mark.parametrize("tree", [ONE_TREE, ONE_EACH], ids=["version 2", "version 1"])
def test_the_least_limit_of_all_groups_counts(groups, tree):
    found = groups(*tree)
    assert found["memory"].found.endswith("of which this control group may use 2.0 GB")
    assert found["cores"].found == "8, of which this control group may use 1.5"
    assert found["cores"].advice == "`jobs` 1 keeps to that"


@pytest.mark.parametrize(
    "files",
    [
        {"a/memory.max": "max", "a/cpu.max": "max 100000"},
        {"cpu/a/cpu.cfs_quota_us": "-1"},
        {"a/cpu.max": "1600000 100000"},
    ],
)
def test_no_limit_is_told_where_there_is_none(groups, files):
    found = groups("0::/a\n2:cpu:/a\n", files)
    assert (found["cores"].found, found["cores"].advice) == ("8", "")
    assert "control group" not in found["memory"].found


def test_systems_without_control_groups(tmp_path):
    assert machine.control_groups(tmp_path, tmp_path / "none") == []


def folders():
    return {each.name: each for each in machine.folder_findings()}


def test_the_size_of_the_cache_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    assert folders()["cache"].found == f"{tmp_path / 'cache'}, 0.0 GB used, can be written to"
    (tmp_path / "cache" / "fma").mkdir(parents=True)
    with (tmp_path / "cache" / "fma" / "clips").open("wb") as file:
        file.truncate(2_500_000_000)
    assert "2.5 GB used" in folders()["cache"].found


def test_what_goes_while_the_cache_is_measured_counts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(machine.os, "walk", lambda _: [(str(tmp_path), [], ["gone"])])
    assert "0.0 GB used" in folders()["cache"].found


def test_a_cache_that_cannot_be_written_to_is_missing(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "file" / "cache"))
    finding = folders()["cache"]
    assert (finding.state, "cannot be written to" in finding.found) == (State.missing, True)
    assert finding.advice.startswith("set HITPREDICT_CACHE")


def test_no_place_for_temporary_files_breaks_scoring(monkeypatch):
    def nowhere():
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    finding = folders()["temporary"]
    assert (finding.state, finding.found) == (State.broken, "No usable temporary directory found")


def test_programs_are_looked_for_on_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "ffmpeg"
    program.touch(0o755)
    found = {each.name: each for each in machine.program_findings()}
    assert (found["ffmpeg"].state, str(program) in found["ffmpeg"].found) == (State.ok, True)
    assert (found["rubberband"].state, found["rubberband"].advice) == (State.missing, "apt install rubberband-cli")
