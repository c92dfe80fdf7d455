"""The machine: Python, cores and memory, folders and programs."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hitpredict import __version__
from hitpredict.diagnosis.finding import Finding, State
from hitpredict.engines.local import cores
from hitpredict.errors import EnvironmentProblem

_GIGABYTE = 10**9
_NO_LIMIT = 2**60
_CONTROL_GROUPS = Path("/sys/fs/cgroup")


def machine_findings() -> Iterator[Finding]:
    """Versions, and what this process may use."""
    yield Finding("system", "hitpredict", f"{__version__} in {Path(__file__).parents[1]}")
    yield Finding("system", "python", f"{platform.python_version()}, {sys.executable}")
    yield Finding("system", "platform", platform.platform())
    yield _cores(control_groups())
    yield _memory(control_groups())


def _cores(groups: list[Path]) -> Finding:
    shares = [share for each in groups if (share := _processor_share(each)) is not None]
    if shares and min(shares) < cores():
        jobs = max(1, int(min(shares)))
        found = f"{cores()}, of which this control group may use {min(shares):g}"
        return Finding("system", "cores", found, advice=f"`jobs` {jobs} keeps to that")
    return Finding("system", "cores", str(cores()))


def _memory(groups: list[Path]) -> Finding:
    limits = [limit for each in groups if (limit := _memory_limit(each)) is not None]
    text = f"{_physical() / _GIGABYTE:.1f} GB" if _physical() else "size not known"
    if limits:
        text = f"{text}, of which this control group may use {min(limits) / _GIGABYTE:.1f} GB"
    return Finding("system", "memory", text)


def _physical() -> int:
    """Bytes of memory; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def control_groups(root: Path = _CONTROL_GROUPS, table: Path = Path("/proc/self/cgroup")) -> list[Path]:
    """The folders of this process's control groups on Linux, and of those above them: each may set a limit.

    Version 2 has one tree; version 1 one for each controller, which containers often see from its top alone.
    """
    try:
        lines = table.read_text().splitlines()
    except OSError:
        return []
    folders = []
    for line in lines:
        _, names, path = line.split(":", 2)
        for top in {root / name for name in names.split(",")}:
            inner = Path(path.lstrip("/"))
            folders += [top / each for each in (inner, *inner.parents)]
    return list(dict.fromkeys(each for each in folders if each.is_dir()))


def _memory_limit(group: Path) -> int | None:
    """Bytes that a group may use, in either version of control groups."""
    found = [_words(group / name) for name in ("memory.max", "memory.limit_in_bytes")]
    sizes = [int(words[0]) for words in found if words and words[0].isdigit()]
    return min((size for size in sizes if size < _NO_LIMIT), default=None)


def _processor_share(group: Path) -> float | None:
    """Processors that a group may use on average, in either version of control groups."""
    words = _words(group / "cpu.max") or _words(group / "cpu.cfs_quota_us") + _words(group / "cpu.cfs_period_us")
    return int(words[0]) / int(words[1]) if len(words) == 2 and all(each.isdigit() for each in words) else None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []


def folder_findings() -> Iterator[Finding]:
    """Where temporary files and downloads go."""
    try:
        place = Path(tempfile.gettempdir())
    except OSError as error:
        yield Finding(
            "folders", "temporary", str(error), State.broken, "name a folder that can be written to in TMPDIR"
        )
    else:
        yield Finding("folders", "temporary", f"{place}, {shutil.disk_usage(place).free / _GIGABYTE:.1f} GB free")
    try:
        from hitpredict.datasets.web.cache import cache_folder, cache_root
    except ImportError as error:
        advice = "pip install 'hitpredict[fetch]'"
        yield Finding("folders", "cache", f"not known without the package {error.name}", State.missing, advice)
        return
    found = f"{cache_root()}, {_size(cache_root()) / _GIGABYTE:.1f} GB used"
    try:
        cache_folder("")
    except EnvironmentProblem as error:
        what, _, advice = str(error).partition("; ")
        yield Finding("folders", "cache", f"{found}; {what}", State.missing, advice)
    else:
        yield Finding("folders", "cache", f"{found}, can be written to")


def _size(folder: Path) -> int:
    """Bytes of the files below a folder, which need not be there; others may be writing in it."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += Path(place, name).lstat().st_size
    return size


_PROGRAMS = {
    "rubberband": ("mutate with `engine` rubberband", "apt install rubberband-cli"),
    "ffmpeg": ("streams from and to other programs", "apt install ffmpeg"),
}


def program_findings() -> Iterator[Finding]:
    """Programs that work with hitpredict; none is needed."""
    for name, (purpose, advice) in _PROGRAMS.items():
        path = shutil.which(name)
        state = State.ok if path else State.missing
        yield Finding("programs", name, f"for {purpose}: {path or '-'}", state, "" if path else advice)
