"""NumPy's own files, ``.npy`` and ``.npz``, whose promises are compared with their content.

A head of eighty bytes can promise any shape, and a packed byte can become a thousand.  Shapes are compared with the
bytes that follow and with ``budget`` before memory is taken.  Nothing is unpickled.
"""

import math
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from md2n.data.readers.budget import Budget
from md2n.data.readers.files import require_file, what_is
from md2n.data.samples import Array
from md2n.errors import DataError, UnsafeFileError
from md2n.reading import reading

AGAIN = "copy or download the file again, or write it again with np.savez"
MEMBERS = 10_000
ENCRYPTED = 1  # a flag of zip
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Head(NamedTuple):
    """What an array says of itself, and how many bytes it needs to say so."""

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"
    length: int

    @property
    def bytes(self) -> int:
        """Of the values that should follow."""
        return math.prod(self.shape) * self.dtype.itemsize


def load_npy(file: Path, where: str = "") -> Array:
    """The array of an ``.npy`` file; nothing in it is run.

    Args:
        file: path.
        where: words that go before the message.

    Raises:
        UnsafeFileError: it holds Python objects.
        DataError: missing, empty, truncated, no ``.npy``, or larger than it can be.
    """
    require_file(file)
    kind = what_is(file)
    if kind.endswith("zip archive"):
        raise DataError(f"{where}'{file}' is an archive, not one array", "write it with np.save")
    if kind != "NumPy array":
        raise DataError(f"{where}'{file}' is not an .npy but a {kind}", "write the file again with np.save")

    def refusal(message: str, hint: str) -> DataError:
        return DataError(f"{where}{message}", hint)

    state, hint = "is truncated or damaged", "write the file again with np.save"
    with reading(file, refusal, hint, state), file.open("rb") as stream:
        head = _head(stream, f"{where}'{file}'")
        size = file.stat().st_size
        if head.bytes > size - head.length:
            shortfall = f"{head.bytes} bytes are promised, {size - head.length} are there"
            raise refusal(f"'{file}' {state}: {shortfall}", hint)
        Budget(file, size).spend(head.shape, head.dtype.itemsize, file.name)
        stream.seek(0)
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def load_npz(file: Path, wanted: Collection[str] | None = None, hint: str = AGAIN) -> dict[str, Array]:
    """Arrays of an ``.npz`` by name, without pickle.

    Args:
        file: path.
        wanted: names; all if not given.  Names that are not there are left out.
        hint: the next step where the file is damaged.

    Raises:
        UnsafeFileError: an array of Python objects.
        DataError: missing, empty, truncated, no archive of arrays, encrypted, or larger than the file can hold.
    """
    require_file(file)
    with reading(file, hint=hint):
        if not zipfile.is_zipfile(file):
            kind = what_is(file)
            state = "truncated: its end is missing" if "zip" in kind else f"not an .npz but a {kind}"
            raise DataError(f"'{file}' is {state}", hint)
    with reading(file, hint=hint, state="is damaged"), zipfile.ZipFile(file) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if len(members) > MEMBERS:
            raise DataError(f"'{file}' holds {len(members)} arrays", f"an archive holds at most {MEMBERS}")
        budget = Budget(file)
        chosen = [key for key in members if wanted is None or key in wanted]
        return {key: _member(archive, members[key], f"'{file}': '{key}'", budget, hint) for key in chosen}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str, budget: Budget, hint: str) -> Array:
    if member.flag_bits & ENCRYPTED:
        raise DataError(f"{where} is encrypted", hint)
    if member.compress_type not in METHODS:
        raise DataError(f"{where} is packed by the unknown method {member.compress_type}", hint)
    if not member.filename.endswith(".npy"):
        raise DataError(f"{where} is not a NumPy array", hint)
    with archive.open(member) as stream:
        head = _head(stream, where)
        if head.length + head.bytes != member.file_size:
            raise DataError(
                f"{where} is damaged: {head.bytes} bytes are promised, {member.file_size - head.length} are there", hint
            )
        budget.spend(head.shape, head.dtype.itemsize, member.filename)
    with archive.open(member) as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
        stream.read()  # to the end, where the checksum is compared
    return array


def _head(stream: Any, where: str) -> Head:
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise DataError(
            f"{where} is an array of format {'.'.join(map(str, version))}", "save plain arrays of numbers or text"
        )
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise UnsafeFileError(
            f"{where} holds Python objects, which could run code; it was not read",
            "save plain arrays of numbers or text",
        )
    if any(n < 0 for n in shape):
        raise DataError(f"{where} has the shape {shape}", AGAIN)
    return Head(tuple(shape), dtype, stream.tell())
