"""Files of a report, each whole or not at all."""

from pathlib import Path

from md2n.durable import make_directory, write_bytes


def write_whole(path: Path, data: bytes | str) -> Path:
    """Puts ``data`` at ``path``, folders and all; text is UTF-8.

    Returns:
        ``path``.

    Raises:
        StorageError: writing failed; what stood at ``path`` before is untouched.
    """
    make_directory(path.parent)
    write_bytes(path, data.encode() if isinstance(data, str) else data)
    return path
