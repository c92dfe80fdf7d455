"""Which packages are installed, in which version, by their metadata alone: none is imported."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement

from hitpredict.diagnosis.finding import Finding, State

PROJECT = "hitpredict"
EXTRAS = {
    "m4a": "reading M4A, AAC, WMA and the sound of MKV and WebM",
    "parquet": "writing Parquet and Arrow",
    "fetch": "fetch",
    "remote": "inputs at URLs",
    "scale": "score and featurize with `engine` ray",
    "train": "train, evaluate, export-onnx, features that are embeddings",
    "tune": "tune",
    "explain": "explain where, by gradients",
    "report": "report",
    "rubberband": "mutate with `engine` rubberband",
    "cuda": "scoring on an NVIDIA GPU",
}
"""What each extra is for. The extra `dev` is for nobody who would ask."""


def package_findings() -> Iterator[Finding]:
    """The packages that `score` needs, then those of each extra."""
    try:
        wanted = required(PROJECT)
    except PackageNotFoundError:
        told = "run from a folder, not installed: what it depends on is not known"
        yield Finding("packages", PROJECT, told, State.missing, "pip install hitpredict")
        return
    for each in wanted:
        faults = lacking(each)
        advice = f"pip install -U '{each.name}{each.specifier}'" if faults else ""
        yield Finding("packages", each.name, _installed(each) or "-", State.missing if faults else State.ok, advice)
    for extra, purpose in EXTRAS.items():
        yield _extra(extra, purpose)


def _extra(extra: str, purpose: str) -> Finding:
    """The packages of an extra. An installation that was made before the extra was thought of does not know it."""
    install = f"pip install '{PROJECT}[{extra}]'"
    if extra not in (metadata(PROJECT).get_all("Provides-Extra") or []):
        return Finding("extras", extra, f"for {purpose}: not known to this installation", State.missing, install)
    wanted = [each for each in required(PROJECT, extra) if each.name != PROJECT]
    faults = list(dict.fromkeys(fault for each in required(PROJECT, extra) for fault in lacking(each)))
    there = [f"{each.name} {_installed(each)}" for each in wanted if _installed(each)]
    found = f"for {purpose}: {', '.join(there) or '-'}"
    if not wanted:
        found = f"for {purpose}: not for this system"
    if faults:
        return Finding("extras", extra, found, State.missing, f"missing {', '.join(faults)}; {install}")
    return Finding("extras", extra, found)


def required(package: str, extra: str = "") -> list[Requirement]:
    """What an installed package needs on this platform; with an extra, what that adds.

    Raises `PackageNotFoundError`.
    """
    found = map(Requirement, requires(package) or [])
    return [each for each in found if _holds(each, extra) and not (extra and _holds(each, ""))]


def lacking(requirement: Requirement) -> list[str]:
    """The packages, of this requirement and of the extras it names, that are not there or of another version."""
    there = _installed(requirement)
    if there is None:
        return [requirement.name]
    if not requirement.specifier.contains(there, prereleases=True):
        return [f"{requirement.name}{requirement.specifier}, not {there}"]
    inner = (each for extra in sorted(requirement.extras) for each in required(requirement.name, extra))
    return [fault for each in inner for fault in lacking(each)]


def _holds(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _installed(requirement: Requirement) -> str | None:
    try:
        return version(requirement.name)
    except PackageNotFoundError:
        return None
