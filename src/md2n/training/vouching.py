"""``run.json`` vouches for the files of its folder: the sha256 of each is written down before the file is.

``files`` in ``run.json`` has, for each name, the digest of the content before and that of the content now: a process
killed between the two writings leaves a file that one of them fits.  What ``put`` writes, ``checked`` checks; runs of
an older md2n have no digests, and their files are read as they are.
"""

import hashlib
from pathlib import Path
from typing import Any

from md2n.durable import write_bytes, write_json
from md2n.errors import RunError
from md2n.reading import read_bytes, read_json, reading

RUN, FILES = "run.json", "files"
RESTORE = "restore the file, or train again"
LARGEST_BYTES = 1 << 36  # of weights


def put(folder: Path, name: str, content: bytes) -> None:
    """Writes a file of a run folder, vouched for where the folder has a ``run.json`` already.

    Raises:
        StorageError: it cannot be written.
        RunError: ``run.json`` is damaged.
    """
    facts = _facts(folder)
    if facts is not None:
        before = [str(d) for d in _digests(facts, name)[-1:]]
        now = _sha256(content)
        listed = facts[FILES] if isinstance(facts.get(FILES), dict) else {}
        digests = before if before == [now] else [*before, now]
        write_json(folder / RUN, {**facts, FILES: {**listed, name: digests}})
    write_bytes(folder / name, content)


def checked(folder: Path, name: str) -> bytes:
    """The content of a file of a run folder, as it was written.

    Raises:
        RunError: it is not what ``run.json`` vouches for, or ``run.json`` is damaged.
        OSError: it cannot be read.
    """
    content = read_bytes(folder / name, LARGEST_BYTES)
    digests = _digests(_facts(folder) or {}, name)
    if digests and _sha256(content) not in digests:
        raise RunError(
            f"{folder / name} is not what md2n wrote: its checksum differs from that in {RUN}",
            "restore the file, or train into another folder",
        )
    return content


def vouched(folder: Path, names: tuple[str, ...]) -> dict[str, list[str]]:
    """Digests of files as they are now, for a ``run.json`` that is written anew; absent ones are left out."""
    return {name: [_sha256((folder / name).read_bytes())] for name in names if (folder / name).is_file()}


def _facts(folder: Path) -> dict[str, Any] | None:
    """What ``run.json`` says; ``None`` where there is none yet."""
    with reading(folder / RUN, RunError, RESTORE):
        if not (folder / RUN).exists():
            return None
        facts = read_json(folder / RUN)
    if not isinstance(facts, dict):
        raise RunError(f"{folder / RUN} holds no JSON object", RESTORE)
    return facts


def _digests(facts: dict[str, Any], name: str) -> list[Any]:
    listed = facts.get(FILES)
    digests = listed.get(name) if isinstance(listed, dict) else None
    return digests if isinstance(digests, list) else []


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
