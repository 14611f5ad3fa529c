"""Does a file of a store hold what was written?  All of it is compared, or a part that costs little time.

The manifest has the sha256 of every file, and for each block of 16 MiB of a longer one a digest of its own, so that a
part can be compared alone.  Stores of an older md2n have no blocks: their files are compared whole, or by their sizes.
"""

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from md2n.errors import DataError

BLOCK = 2**24  # bytes that have a digest of their own
PIECE = 2**18  # bytes in memory at a time
OPENING = 2**26  # bytes compared whenever a store is opened: a tenth of a second
WHOLE = 2**30  # bytes up to which all is compared before a training or a measuring: a second or two
SEAL = "manifest_sha256"
AGAIN = "the store is damaged; import or copy it again"


@dataclass(frozen=True)
class Comparison:
    """The result of comparing files with their digests.

    Args:
        changed: names of files that are not what was written.
        compared: bytes read and compared.
        total: bytes of all files.
    """

    changed: tuple[str, ...]
    compared: int
    total: int

    @property
    def whole(self) -> bool:
        """True where every byte was compared."""
        return self.compared == self.total


def facts_of(path: Path) -> dict[str, Any]:
    """Size and digests of a file, as a manifest has them."""
    whole, blocks, size = hashlib.sha256(), [], 0
    with path.open("rb") as stream:
        while (block := _next(stream, whole.update))[1]:
            blocks.append(block[0])
            size += block[1]
    return {"bytes": size, "sha256": whole.hexdigest(), **({"blocks": blocks} if len(blocks) > 1 else {})}


def compare(
    folder: Path, files: Mapping[str, Mapping[str, Any]], most: int | None = None, choose: random.Random | None = None
) -> Comparison:
    """Compares files with the digests in a manifest.

    Args:
        folder: the files' folder.
        files: name -> size and digests, as ``facts_of`` gives them.
        most: bytes to read, or a little more; all if not given.
        choose: draws the blocks that are read; other ones at each call if not given, so that damage is found in the
            end.

    Raises:
        DataError: a file cannot be read.
    """
    total = sum(int(facts["bytes"]) for facts in files.values())
    if most is None or total <= most:
        changed = tuple(name for name, facts in files.items() if _sha256(folder / name) != facts["sha256"])
        return Comparison(changed, total, total)
    left, wrong = most, []
    for name in sorted(files, key=lambda name: int(files[name]["bytes"])):
        size = int(files[name]["bytes"])
        if size <= min(left, BLOCK):
            left -= size
            wrong += [name] if _sha256(folder / name) != files[name]["sha256"] else []
    parts = [(name, number) for name in files for number in range(len(_blocks(files[name])))]
    ends = [(name, number) for name, number in parts if number in (0, len(_blocks(files[name])) - 1)]
    others = sorted(set(parts) - set(ends))
    drawn = (choose or random.SystemRandom()).sample(others, min(len(others), max(0, left // BLOCK - len(ends))))
    compared = most - left
    for name, number in sorted([*ends, *drawn]):
        held, size = _block(folder / name, number)
        compared += size
        if name not in wrong and held != _blocks(files[name])[number]:
            wrong.append(name)
    return Comparison(tuple(name for name in files if name in wrong), compared, total)


def seal(manifest: Mapping[str, Any]) -> str:
    """The sha256 of a manifest, without the entry that keeps it."""
    rest = {key: value for key, value in manifest.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def seal_matches(manifest: Mapping[str, Any]) -> bool:
    """False where a manifest was changed after it was written; those of an older md2n have no seal."""
    return SEAL not in manifest or manifest[SEAL] == seal(manifest)


def _blocks(facts: Mapping[str, Any]) -> Sequence[str]:
    digests = facts.get("blocks", ())
    fits = isinstance(digests, list) and len(digests) == -(-int(facts["bytes"]) // BLOCK)
    return digests if fits else ()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", AGAIN) from error


def _block(path: Path, number: int) -> tuple[str, int]:
    """Digest and size of a block."""
    try:
        with path.open("rb") as stream:
            stream.seek(number * BLOCK)
            return _next(stream)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}", AGAIN) from error


def _next(stream: BinaryIO, also: Callable[[bytes], None] = lambda piece: None) -> tuple[str, int]:
    """Digest and size of the block that begins where the stream is; of size 0 at its end."""
    digest, size = hashlib.blake2b(digest_size=16), 0
    while size < BLOCK and (piece := stream.read(min(PIECE, BLOCK - size))):
        digest.update(piece)
        also(piece)
        size += len(piece)
    return digest.hexdigest(), size
