"""What lies in a folder."""

from pathlib import Path


def names_in(folder: Path) -> list[str]:
    """Everything in it and below but folders, by relative path."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files in it and below."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left(folder: Path) -> list[str]:
    """What lies directly in it, folders too."""
    return sorted(path.name for path in folder.iterdir())
