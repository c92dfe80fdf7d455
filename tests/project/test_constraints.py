"""constraints.txt goes with pyproject.toml, and the documented commands go by it."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PLATFORMS = [
    {
        "sys_platform": system,
        "platform_machine": machine,
        "python_version": python,
        "python_full_version": python + ".0",
    }
    for system, machine in [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")]
    for python in ("3.11", "3.12", "3.13")
]


def constraints() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = (line for lines in project["optional-dependencies"].values() for line in lines)
    return [r for r in map(Requirement, [*project["dependencies"], *extras]) if r.name != "hitpredict"]


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: "-".join([*each.values()][:3]))
def test_one_allowed_version_of_every_dependency_is_pinned_on_every_platform(platform):
    here = [pin for pin in constraints() if pin.marker is None or pin.marker.evaluate(platform)]
    for requirement in wanted():
        if requirement.marker is None or requirement.marker.evaluate(platform):
            pins = [pin for pin in here if pin.name == canonicalize_name(requirement.name)]
            assert len(pins) == 1, requirement
            (version,) = pins[0].specifier
            assert version.operator == "=="
            assert version.version in requirement.specifier, requirement


def test_every_documented_way_to_install_from_here_goes_by_the_constraints():
    for name in ("README.md", "CONTRIBUTING.md"):
        commands = re.findall(r"pip install [^`&\n]*", (ROOT / name).read_text(encoding="utf-8"))
        assert commands
        assert [each for each in commands if "-c constraints.txt" not in each] == []
