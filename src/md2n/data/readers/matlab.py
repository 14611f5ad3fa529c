"""MATLAB's files of version 4 and 5 without trust: what is asked for of their variables, and the names of the others.

SciPy's reader believes the sizes in a file, and a flipped bit ends the process.  Here every size is held against the
bytes that are there, and against ``budget`` before anything is unpacked.  Arrays of numbers, of text and cells of them
are read; structures, objects and sparse arrays are refused.

Source: "MAT-File Format", The MathWorks, R2023b.
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from md2n.data.readers.budget import Budget
from md2n.data.samples import Array
from md2n.errors import DataError
from md2n.reading import read_bytes

HEAD = 128  # bytes before the first variable of version 5
LARGEST = 1 << 36  # bytes of a file; no recording comes near
FIRST = 1 << 13  # bytes unpacked to learn what a packed variable is called
DEPTH = 4  # cells within cells
MATRIX, PACKED = 14, 15
CELL, CHAR = 1, 4
NUMBERS = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "utf-8", 2: "utf-8", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
COMPLEX = 0x0800
OLD = ("f8", "f4", "i4", "i2", "u2", "u1")  # version 4, by its digit P


def read_mat(path: Path, wanted: Collection[str], hint: str) -> dict[str, Any]:
    """Variables of a file: arrays for the names in ``wanted``, None for all others.

    Text becomes one string for each row, a cell array an array of arrays.

    Args:
        path: of the file.
        wanted: names of variables.
        hint: the next step where the file is damaged.

    Raises:
        DataError: no MATLAB file, truncated, damaged, larger than the file can hold, or a wanted variable of a kind
            that is neither numbers nor text.
    """
    data = memoryview(read_bytes(path, LARGEST))
    reader = _Reader(path, data, hint)
    variables = reader.old() if len(data) >= 4 and 0 in data[:4] else reader.new()
    return {name: read() if name in wanted else None for name, read in variables}


class _Element(NamedTuple):
    """One tagged stretch of bytes, and where the next one begins."""

    kind: int
    held: memoryview
    next: int


class _Reader:
    def __init__(self, path: Path, data: memoryview, hint: str) -> None:
        self.path, self.data, self.hint = path, data, hint
        self.order: Literal["<", ">"] = "<"
        self.budget = Budget(path, len(data))

    def damaged(self, why: str) -> DataError:
        return DataError(f"'{self.path}' is truncated or damaged: {why}", self.hint)

    def new(self) -> Iterator[tuple[str, Any]]:
        """Name and reader of every variable of a version 5 file."""
        mark = bytes(self.data[126:HEAD])
        if mark not in (b"IM", b"MI"):
            known = bytes(self.data[:6]) == b"MATLAB"
            raise self.damaged("its head is not whole") if known else self._none()
        self.order = "<" if mark == b"IM" else ">"
        at = HEAD
        if at == len(self.data):
            raise self.damaged("it ends after its head")
        while at < len(self.data):
            kind, held, at = self.element(self.data, at)
            if kind not in (MATRIX, PACKED):
                raise self.damaged(f"an element of kind {kind} where a variable should be")
            head = self.element(self.unpacked(held, FIRST), 0, whole=False).held if kind == PACKED else held
            name = self.head(head)[2]
            yield name, lambda kind=kind, held=held, name=name: self.matrix(self.whole(kind, held, name), name, 0)

    def whole(self, kind: int, held: memoryview, name: str) -> memoryview:
        """The bytes of a variable, unpacked."""
        if kind != PACKED:
            return held
        size = self.element(self.unpacked(held, FIRST), 0, whole=False).next
        self.budget.spend((size,), 1, name)
        element = self.element(self.unpacked(held, size), 0)
        if element.kind != MATRIX:
            raise self.damaged(f"'{name}' is no array")
        return element.held

    def unpacked(self, held: memoryview, most: int) -> memoryview:
        try:
            return memoryview(zlib.decompressobj().decompress(held, most))
        except zlib.error as error:
            raise self.damaged(str(error)) from error

    def element(self, data: memoryview, at: int, whole: bool = True) -> _Element:
        """The element at a place; if it need not be ``whole``, as much of it as there is."""
        if at + 8 > len(data):
            raise self.damaged("it ends inside an element")
        kind, size = struct.unpack(f"{self.order}II", data[at : at + 8])
        start, following = at + 8, at + 8 + size + (0 if kind == PACKED else -size % 8)
        if kind >> 16:  # up to four bytes stand inside the tag
            kind, size, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + 8
            if size > 4:
                raise self.damaged(f"{size} bytes in an element of four")
        if whole and start + size > len(data):
            raise self.damaged(f"{size} bytes are promised, {len(data) - start} are there")
        return _Element(kind, data[start : start + size], following)

    def head(self, data: memoryview) -> tuple[int, tuple[int, ...], str, int]:
        """Flags, shape and name of an array, and where its values begin."""
        flags, at = self.element(data, 0)[1:]
        shape, at = self.element(data, at)[1:]
        name, at = self.element(data, at)[1:]
        if len(flags) != 8 or len(shape) % 4 or not 8 <= len(shape) <= 4 * 32:
            raise self.damaged("an array without kind and shape")
        sizes = struct.unpack(f"{self.order}{len(shape) // 4}i", shape)
        if min(sizes) < 0:
            raise self.damaged(f"an array of shape {sizes}")
        return struct.unpack(f"{self.order}I", flags[:4])[0], sizes, bytes(name).decode("latin-1"), at

    def matrix(self, data: memoryview, name: str, depth: int) -> Array:
        if not len(data):  # an empty cell
            return np.zeros((0, 0))
        flags, shape, _, at = self.head(data)
        kind = flags & 0xFF
        self.budget.spend(shape, 1, name)
        if kind == CELL and depth < DEPTH:
            return self.cells(data, at, shape, name, depth)
        if kind != CHAR and kind not in NUMBERS:
            raise DataError(f"'{self.path}': '{name}' is neither numbers nor text", "save plain arrays of numbers")
        stored, held, at = self.element(data, at)
        if kind == CHAR:
            return self.texts(stored, held, shape)
        values = self.numbers(stored, held, shape, NUMBERS[kind])
        if flags & COMPLEX:
            stored, held, _ = self.element(data, at)
            values = values + 1j * self.numbers(stored, held, shape, NUMBERS[kind])
        return values

    def numbers(self, stored: int, held: memoryview, shape: tuple[int, ...], kind: str) -> Array:
        if stored not in STORED:
            raise self.damaged(f"numbers of the unknown kind {stored}")
        written = np.dtype(STORED[stored]).newbyteorder(self.order)
        if math.prod(shape) * written.itemsize != len(held):
            raise self.damaged(f"an array of shape {shape} from {len(held)} bytes")
        self.budget.spend(shape, np.dtype(kind).itemsize, "numbers")
        values: Array = np.frombuffer(held, written).astype(kind).reshape(shape, order="F")
        return values

    def texts(self, stored: int, held: memoryview, shape: tuple[int, ...]) -> Array:
        if stored not in TEXTS:
            raise self.damaged(f"text of the unknown kind {stored}")
        wide = "" if TEXTS[stored] == "utf-8" else ("-le" if self.order == "<" else "-be")
        text = bytes(held).decode(TEXTS[stored] + wide, "replace")
        if len(shape) != 2 or len(text) != math.prod(shape):
            if len(shape) != 2 or shape[0] != 1:
                raise self.damaged(f"text of shape {shape} from {len(text)} characters")
            return np.array([text])
        return np.array([text[row :: shape[0]] for row in range(shape[0])], dtype=np.str_)

    def cells(self, data: memoryview, at: int, shape: tuple[int, ...], name: str, depth: int) -> Array:
        count = math.prod(shape)
        if 8 * count > len(data) - at:
            raise self.damaged(f"'{name}' promises {count} cells")
        contents = np.empty(count, object)
        for i in range(count):
            kind, held, at = self.element(data, at)
            if kind != MATRIX:
                raise self.damaged(f"a cell of '{name}' is no array")
            contents[i] = self.matrix(held, name, depth + 1)
        return contents.reshape(shape, order="F")

    def old(self) -> Iterator[tuple[str, Any]]:
        """Name and reader of every variable of a version 4 file."""
        at = 0
        while at < len(self.data):
            if at + 20 > len(self.data):
                raise self.damaged("it ends inside a variable's head")
            number = struct.unpack("<i", self.data[at : at + 4])[0]
            self.order = "<" if 0 <= number < 5000 else ">"
            number, rows, columns, imaginary, length = struct.unpack(f"{self.order}5i", self.data[at : at + 20])
            machine, precision, kind = number // 1000, number // 10 % 10, number % 10
            if machine not in (0, 1) or number // 100 % 10 or precision >= len(OLD) or min(rows, columns, length) < 0:
                raise self._none() if at == 0 else self.damaged("a variable's head makes no sense")
            size = rows * columns * np.dtype(OLD[precision]).itemsize * (2 if imaginary else 1)
            start = at + 20 + length
            if start + size > len(self.data):
                raise self.damaged(f"{size} bytes are promised, {max(0, len(self.data) - start)} are there")
            name = bytes(self.data[at + 20 : start]).split(b"\0")[0].decode("latin-1")
            held, at = self.data[start : start + size], start + size
            facts = (held, self.order + OLD[precision], (rows, columns), kind, bool(imaginary))
            yield name, lambda name=name, facts=facts: self.old_matrix(name, *facts)

    def old_matrix(
        self, name: str, held: memoryview, written: str, shape: tuple[int, int], kind: int, imaginary: bool
    ) -> Array:
        if kind not in (0, 1):
            raise DataError(f"'{self.path}': '{name}' is a sparse array", "save a full array of numbers")
        self.budget.spend(shape, 8, name)
        flat = np.frombuffer(held, written)
        values: Array = flat.astype(flat.dtype.newbyteorder("="))
        if imaginary:
            values = values[: len(values) // 2] + 1j * values[len(values) // 2 :]
        values = values.reshape(shape, order="F")
        if kind == 0:
            return values
        return np.array(["".join(chr(int(c) & 0xFF) for c in row) for row in values.real], dtype=np.str_)

    def _none(self) -> DataError:
        return DataError(f"'{self.path}' is no MATLAB file", self.hint)
