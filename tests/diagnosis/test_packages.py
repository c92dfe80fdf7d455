"""What is installed is told from metadata: versions, extras within extras, and what is missing."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hitpredict.diagnosis import packages
from hitpredict.diagnosis.finding import State

ROOT = Path(__file__).parents[2]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes packages that are there by their metadata alone."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(name, version, *lines):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines])
        (folder / "METADATA").write_text(f"{text}\n")

    return made


def lacking(text):
    return packages.lacking(Requirement(text))


def test_what_is_missing_is_found_in_extras_of_extras(install):
    nested = "Requires-Dist: xx-inner[deep]>=1; extra == 'all'"
    install("xx_outer", "2.0", "Provides-Extra: all", nested, "Requires-Dist: xx-gone; extra == 'other'")
    install("xx_inner", "1.5", "Provides-Extra: deep", "Requires-Dist: xx-nowhere>=3; extra == 'deep'")
    assert lacking("xx-outer>=1") == []
    assert lacking("xx-outer[all]") == ["xx-nowhere"]
    assert lacking("xx-outer>=3") == ["xx-outer>=3, not 2.0"]
    assert lacking("xx-nowhere[all]") == ["xx-nowhere"]


def test_what_an_extra_adds_is_what_it_names_alone(install):
    lines = ["Provides-Extra: more", "Requires-Dist: xx-plain", "Requires-Dist: xx-more; extra == 'more'"]
    install("xx_both", "1", *lines, "Requires-Dist: xx-elsewhere; sys_platform == 'nowhere' and extra == 'more'")
    assert [each.name for each in packages.required("xx-both")] == ["xx-plain"]
    assert [each.name for each in packages.required("xx-both", "more")] == ["xx-more"]


def told(monkeypatch):
    monkeypatch.setattr(packages, "PROJECT", "xx-project")
    return {(each.area, each.name): each for each in packages.package_findings()}


def test_each_extra_says_what_is_missing_and_how_to_get_it(install, monkeypatch):
    wanted = ["xx-core>=2", "xx-there; extra == 'tune'", "xx-absent>=1; extra == 'report'"]
    extras = [f"Provides-Extra: {name}" for name in ("report", "tune", "cuda")]
    install("xx_project", "1", *extras, *(f"Requires-Dist: {each}" for each in wanted))
    install("xx_core", "1.0")
    install("xx_there", "4.5")
    found = told(monkeypatch)
    core, report, tune = found["packages", "xx-core"], found["extras", "report"], found["extras", "tune"]
    assert (core.state, core.found, core.advice) == (State.missing, "1.0", "pip install -U 'xx-core>=2'")
    assert (report.state, report.advice) == (State.missing, "missing xx-absent; pip install 'xx-project[report]'")
    assert (tune.state, tune.found, tune.advice) == (State.ok, "for tune: xx-there 4.5", "")
    assert found["extras", "cuda"].found.endswith("not for this system")
    assert found["extras", "fetch"].found.endswith("not known to this installation")


def test_a_folder_that_is_not_installed_is_told(monkeypatch):
    (finding,) = told(monkeypatch).values()
    assert (finding.state, finding.advice) == (State.missing, "pip install hitpredict")


def test_every_extra_is_looked_at_and_in_the_readme():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert sorted(packages.EXTRAS) == sorted({*extras} - {"dev"})
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| extra | for |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(packages.EXTRAS)
