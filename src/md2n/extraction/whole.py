"""Whether a media file is as long as it says; FFmpeg reads some truncated files without a word.

RIFF (wav, avi), RF64, Wave64, CAF and ASF (wma, wmv) say how many bytes they have; an Ogg file marks its last page.
Other formats either cannot be opened once they are cut, or say how many seconds they have, which ``media`` checks.  A
writer that cannot go back (a pipe) leaves a length of 0, or of 2 or 4 GB: that is no promise.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO

from md2n.errors import DataError

LEAST = 0.1
"""A file that lacks a larger share of its bytes is refused; one that lacks less is read, with a note."""
UNKNOWN = 0x7FFF_0000
"""Lengths from here on are those of writers that did not know them."""
CHUNKS = 1000
"""Parts of a file that are looked at: a file of nothing but zeros has millions."""
_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FACTS = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def check_whole(path: Path) -> tuple[str, ...]:
    """What a person should know of the end of a file: that a little of it is not there, or that its head is wrong.

    Raises:
        DataError: it was cut off.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            promised, sure = _promised(file)
            if path.suffix.lower() in (".ogg", ".oga", ".opus", ".ogv") and _without_end(file, size):
                return ("its last page is not marked as the end: it may have been cut off",)
    except (OSError, struct.error, OverflowError, ValueError):  # its front end says what is wrong with it
        return ()
    if promised - size <= 1:  # the byte that fills up an odd number
        return ()
    if not sure:
        return (f"its head promises {promised} bytes, and {size} are there; the file itself looks whole",)
    if promised - size <= LEAST * promised:
        return (f"it was cut off: the last {promised - size} of {promised} bytes are not there",)
    raise DataError(f"{path} was cut off: {size} of {promised} bytes are there", "copy it again")


def _promised(file: BinaryIO) -> tuple[int, bool]:
    """Bytes up to which a file says it reaches, 0 where it does not say; False where it says otherwise elsewhere."""
    head = file.read(40)
    if head[:4] in (b"RIFF", b"RF64"):
        return _riff(file, head)
    if head[:16] == _W64:
        length = int(struct.unpack("<Q", head[16:24])[0])
        return length if length < 1 << 62 else 0, True
    if head[:4] == b"caff":
        return _caf(file), True
    return (_asf(file) if head[:16] == _ASF else 0), True


def _riff(file: BinaryIO, head: bytes) -> tuple[int, bool]:
    length = struct.unpack("<I", head[4:8])[0]
    whole = 8 + length if 0 < length < UNKNOWN else 0
    return _wave(file, whole) if head[8:12] == b"WAVE" else (_last_riff(file, whole), True)


def _last_riff(file: BinaryIO, end: int) -> int:
    """Where the last of several RIFFs ends: an .avi has a new one after each gigabyte."""
    for _ in range(CHUNKS):
        file.seek(end)
        chunk = file.read(8)
        if not end or chunk[:4] != b"RIFF" or len(chunk) < 8:
            break
        end += 8 + struct.unpack("<4xI", chunk)[0]
    return end


def _wave(file: BinaryIO, whole: int) -> tuple[int, bool]:
    """``whole`` is where the file ends by its first length, 0 where that says nothing."""
    at, long = 12, 0
    for _ in range(CHUNKS):
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8:  # it ends before its sound begins
            break
        name, length = struct.unpack("<4sI", chunk)
        if name == b"ds64":
            whole, long = struct.unpack("<QQ", file.read(16))
            whole += 8
        if name == b"data":
            length = long if long and length >= UNKNOWN else length
            if not long and not 0 < length < UNKNOWN:
                return 0, True
            # Where the file ends as its first length has it, only the length of the sound is wrong.
            return at + 8 + length, not whole or whole > os.fstat(file.fileno()).st_size + 1
        at += 8 + length + length % 2
    return whole, True


def _caf(file: BinaryIO) -> int:
    at = 8
    for _ in range(CHUNKS):
        file.seek(at)
        chunk = file.read(12)
        if not chunk:
            return at
        length = struct.unpack(">4xq", chunk)[0]
        if length < 0:  # up to the end, wherever that is
            break
        at += 12 + length
    return 0


def _asf(file: BinaryIO) -> int:
    at = 30
    for _ in range(CHUNKS):
        file.seek(at)
        name, length = struct.unpack("<16sQ", file.read(24))
        if name == _ASF_FACTS:
            return int(struct.unpack("<16xQ", file.read(24))[0])
        at += max(length, 24)
    return 0


def _without_end(file: BinaryIO, size: int) -> bool:
    """True where the last page of an Ogg file does not say that it is the last."""
    file.seek(max(0, size - (1 << 17)))
    tail = file.read()
    at = tail.rfind(b"OggS")
    return at >= 0 and len(tail) > at + 5 and not tail[at + 5] & 4
