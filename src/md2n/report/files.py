"""Writing a file whole or not at all."""

import os
from pathlib import Path

from md2n.errors import StorageError


def write_whole(path: Path, data: bytes | str) -> Path:
    """Puts ``data`` at ``path``: written beside it, brought to the disk, then renamed; text is UTF-8.

    Returns:
        ``path``.

    Raises:
        StorageError: writing failed; what stood at ``path`` before is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        if beside.exists():
            beside.unlink()
        raise StorageError(f"'{path}' could not be written: {error.strerror}", "free space, then repeat") from error
    return path
