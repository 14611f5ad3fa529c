"""A walk through a pickle's opcodes that runs none: is it whole, and does it ask for anything absurd?

A pickle is a small program.  Its numbers are promises: "4 bytes of length follow", "put this in memo slot 2^31".
Python's own unpickler believes them and reserves memory first.  This walk checks them: every length has to fit into the
rest of the file, and every memo slot has to be one that the program could have filled.  Payloads are skipped, so a file
of many gigabytes costs little.
"""

import mmap
import pickletools
import re
from pathlib import Path
from typing import NoReturn

from md2n.data.readers.files import signature
from md2n.errors import DataError, UnsafeFileError

_HINT_AGAIN = "copy or download the file again"
# How an argument's length is written, as pickletools numbers it: until the newline, or in 1, 4, 4 or 8 bytes.
_COUNT_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_OPCODES = {ord(op.code): (op.name, 0 if op.arg is None else op.arg.n) for op in pickletools.opcodes}
_FORBIDDEN = {
    "PERSID": "a persistent id, which only the program that wrote it can resolve",
    "BINPERSID": "a persistent id, which only the program that wrote it can resolve",
    "EXT1": "an object by a registered code instead of a name",
    "EXT2": "an object by a registered code instead of a name",
    "EXT4": "an object by a registered code instead of a name",
    "NEXT_BUFFER": "a buffer that is kept outside the file",
}
# Bytes that an opcode of a byte or two may take in memory: a file of opening brackets takes 64 times its size.
_COST = {
    **dict.fromkeys(("EMPTY_LIST", "LIST", "EMPTY_DICT", "MARK", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"), 64),
    **dict.fromkeys(("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"), 100),
    **dict.fromkeys(("DICT", "EMPTY_SET", "FROZENSET", "REDUCE", "OBJ", "INST", "NEWOBJ", "NEWOBJ_EX"), 256),
}
FREE_COST, COST_RATIO = 1 << 28, 32
_NAME = re.compile(rb"[\w.<>]+")


def walk(path: Path, allowed: frozenset[tuple[str, str]]) -> None:
    """Check the pickle in ``path`` opcode by opcode; nothing is built and nothing runs.

    Args:
        path: a file with at least one byte.
        allowed: ``(module, name)`` pairs that the pickle may ask for.

    Raises:
        UnsafeFileError: it names something else, or uses an opcode that no file of features needs.
        DataError: it is no pickle, ends too early, or promises more than it holds.
    """
    words = signature(path)
    if words:
        raise DataError(f"'{path}' is not a pickle but a {words}", "give the file its right suffix, or the right file")
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _walk(data, path, allowed)


def _walk(data: mmap.mmap, path: Path, allowed: frozenset[tuple[str, str]]) -> None:
    size, position, steps, cost = len(data), 0, 0, 0
    most = FREE_COST + COST_RATIO * size
    while position < size:
        code = data[position]
        if code not in _OPCODES:
            _refuse_byte(path, position, code)
        name, length = _OPCODES[code]
        start = position + 1
        if name == "STOP":
            return
        if name in _FORBIDDEN:
            raise UnsafeFileError(
                f"'{path}' asks for {_FORBIDDEN[name]} ({name} at byte {position}); nothing was run",
                "save the data again as NumPy arrays in plain dictionaries and lists",
            )
        if name in ("GLOBAL", "INST"):
            position = _check_global(data, path, start, allowed)
        elif length == pickletools.UP_TO_NEWLINE:
            end = data.find(b"\n", start)
            if end < 0:
                _truncated(path, size, name)
            if name == "PUT":
                _check_slot(path, data[start:end], steps)
            position = end + 1
        elif length >= 0:
            position = start + length
            if name in ("BINPUT", "LONG_BINPUT"):
                _check_slot(path, str(int.from_bytes(data[start:position], "little")).encode(), steps)
            elif name == "FRAME" and int.from_bytes(data[start:position], "little") > size - position:
                _truncated(path, size, name)
        else:
            bytes_of_count = _COUNT_BYTES[length]
            position = start + bytes_of_count + int.from_bytes(data[start : start + bytes_of_count], "little")
        if position > size:
            _truncated(path, size, name)
        steps += 1
        cost += _COST.get(name, 0)
        if cost > most:
            raise DataError(
                f"'{path}' is damaged or hostile: its opcodes build objects of many times its {size} bytes", _HINT_AGAIN
            )
    _truncated(path, size, "STOP")


def _check_global(data: mmap.mmap, path: Path, start: int, allowed: frozenset[tuple[str, str]]) -> int:
    middle = data.find(b"\n", start)
    end = data.find(b"\n", middle + 1) if middle >= 0 else -1
    if end < 0:
        _truncated(path, len(data), "GLOBAL")
    module, name = data[start:middle], data[middle + 1 : end]
    if not _NAME.fullmatch(module) or not _NAME.fullmatch(name):
        raise DataError(f"'{path}' is not a pickle: no name at byte {start}", "check that it is the right file")
    pair = module.decode("latin-1"), name.decode("latin-1")
    if pair not in allowed:
        raise refusal(path, *pair)
    return end + 1


def refusal(path: Path, module: str, name: str) -> UnsafeFileError:
    """The error for a pickle that asks for ``module.name``."""
    return UnsafeFileError(
        f"'{path}' asks for {module}.{name}, which is neither a NumPy array nor a plain builtin; it was not run",
        "do not open it with plain pickle unless you trust its author; ask for NumPy arrays in dictionaries",
    )


def _check_slot(path: Path, digits: bytes, steps: int) -> None:
    # Writers number memo slots one after another, so that a slot beyond the number of steps is a reservation of
    # memory and nothing else.
    slot = int(digits) if digits.isdigit() and len(digits) < 20 else -1
    if not 0 <= slot <= steps + 1:
        number = digits[:20].decode("latin-1")
        raise DataError(f"'{path}' is damaged or hostile: memo slot {number} after {steps} steps", _HINT_AGAIN)


def _truncated(path: Path, size: int, name: str) -> NoReturn:
    raise DataError(f"'{path}' is truncated: its {size} bytes end before {name} is complete", _HINT_AGAIN)


def _refuse_byte(path: Path, position: int, code: int) -> NoReturn:
    if position == 0:
        raise DataError(f"'{path}' is not a pickle: it starts with 0x{code:02x}", "check that it is the right file")
    raise DataError(f"'{path}' is not a pickle, or is damaged: byte 0x{code:02x} at {position}", _HINT_AGAIN)
