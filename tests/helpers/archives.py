"""Tar archives that tests make for themselves."""

import io
import tarfile


def tar_of(members: dict[str, bytes]) -> bytes:
    """An archive with these members, whatever their names."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
