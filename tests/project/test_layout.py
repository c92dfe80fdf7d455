"""Does each folder of tests mirror one of the package?"""

from pathlib import Path

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "hitpredict"
# These look at the whole, not at one folder of it.
OF_ALL = {"contract", "fuzz", "golden", "helpers", "hostile", "pipes", "project"}


def unlike_the_package(tests: Path, package: Path) -> set[str]:
    """The folders of tests that no folder of the package has the name of."""
    found, known = ({each.parent.name for each in folder.glob("*/__init__.py")} for folder in (tests, package))
    return found - known - OF_ALL


def test_folders_of_tests_are_those_of_the_package():
    assert not unlike_the_package(TESTS, PACKAGE)
    assert {each.name for each in TESTS.glob("*.py")} == {"__init__.py", "conftest.py"}


def test_a_folder_of_another_name_is_found(tmp_path):
    for name in ("tests/audio", "tests/hostile", "tests/sounds", "package/audio", "package/sources"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
    assert unlike_the_package(tmp_path / "tests", tmp_path / "package") == {"sounds"}
