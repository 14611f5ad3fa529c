"""Open the field's pickles without trusting them: NumPy arrays and builtins, and nothing else by any name.

``pickle.load`` runs whatever a file asks for.  Here a name in the file is looked up in a table of stand-ins and never
imported: ``numpy.ndarray`` is a word that cannot be called, ``numpy.dtype`` gives a record that is checked before a
real dtype is made of it (a forged dtype could pass raw bytes off as Python objects), ``_reconstruct`` gives an empty
array whose state is checked before it is taken.  So a hostile file can at most hold hostile numbers.
"""

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.readers.files import require_file
from md2n.data.readers.opcodes import refusal, walk
from md2n.errors import DataError, UnsafeFileError
from md2n.reading import reading

KINDS = "biufSUO"  # bool, integers, floats, bytes, text, objects (plain ones, checked one by one as they are built)
AMPLIFICATION = 16  # an array of references takes 8 bytes for each one-byte opcode that names the same object again
SLACK_BYTES = 1 << 20  # of arrays
TREE_BYTES = 1 << 24  # of everything, written out
HASHED = 1 << 61  # integers below have hashes of their own
ENTRY_BYTES = 8
ODD_KEYS = 2000  # keys that a file may choose so that they collide; the field's keys are words


def load_pickle(path: str | Path) -> Any:
    """What a pickle of arrays and builtins holds; protocols 0 to 5, both spellings of NumPy, Python 2 included.

    Args:
        path: the file.  Everything it holds is read into memory.

    Returns:
        Dictionaries, lists, tuples, numbers, text and ``numpy.ndarray``; arrays may be read-only.

    Raises:
        UnsafeFileError: the file asks for anything else; the message names it, and it was not run.
        DataError: missing, empty, truncated, damaged, no pickle, or larger in memory than the file could hold.
    """
    file = require_file(Path(path))
    size = file.stat().st_size
    with reading(file, state="is damaged"), file.open("rb") as stream:
        walk(file, _ALLOWED)
        loader = _Loader(stream, file, AMPLIFICATION * size + SLACK_BYTES)
        root = loader.load()
        _weigh(root, AMPLIFICATION * size + TREE_BYTES, loader.damaged)
        return _plain(root)


class _Word:
    """Something a pickle may mention but not call."""

    __slots__ = ()


_NDARRAY = _Word()


class _DType:
    """A dtype as the file describes it; ``resolve`` makes the real one, from scratch."""

    __slots__ = ("_code", "_order", "_path", "_size")

    def __init__(self, path: Path, code: object) -> None:
        self._path = path
        self._code = code.decode("latin-1") if isinstance(code, bytes) else code
        self._order = "="
        self._size = 0

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 7:
            raise DataError(f"'{self._path}' is damaged: a dtype without a state", "copy or download the file again")
        _, order, subarray, names, fields, size = state[:6]
        if any(part is not None for part in (subarray, names, fields)):
            raise UnsafeFileError(
                f"'{self._path}' holds a structured dtype; it was not built", "save plain arrays of numbers"
            )
        self._order = order.decode("latin-1") if isinstance(order, bytes) else order
        self._size = size

    def resolve(self) -> "np.dtype[Any]":
        code = self._code
        if not isinstance(code, str) or not code or code.lstrip("<>=|")[:1] not in KINDS:
            raise UnsafeFileError(f"'{self._path}' holds an array of dtype {code!r}; it was not built", _HINT_NUMBERS)
        if code in ("U", "S") and isinstance(self._size, int) and self._size > 0:
            code = f"{code}{self._size // (4 if code == 'U' else 1)}"
        dtype = np.dtype(code)
        if dtype.kind not in KINDS or dtype.itemsize == 0:
            raise UnsafeFileError(f"'{self._path}' holds an array of dtype {code!r}; it was not built", _HINT_NUMBERS)
        if self._order not in ("<", ">"):
            return dtype
        return dtype.newbyteorder("<" if self._order == "<" else ">")


_HINT_NUMBERS = "save arrays of numbers or text"


class _Array(np.ndarray):
    """An array whose state is checked before it is taken; ``_plain`` turns it into an ndarray."""

    _loader: "_Loader"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise self._loader.damaged("an array without a state")
        shape, dtype, fortran, raw = state[-4:]
        real = self._loader.check(shape, dtype, raw)
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        checked: Any = (1, shape, real, bool(fortran), raw)
        super().__setstate__(checked)


class _Loader(pickle._Unpickler):
    """Python's own unpickler, written in Python: what is put into a dictionary can be looked at before it is there."""

    stack: list[Any]

    def __init__(self, stream: Any, path: Path, budget: int) -> None:
        super().__init__(stream, encoding="latin1")
        self._path = path
        self._budget = budget
        self._odd = 0

    def check_keys(self, keys: Iterable[Any]) -> None:
        """Counts keys whose hashes a file can choose: thousands of equal ones take hours to put into a dictionary."""
        self._odd += sum(
            not isinstance(k, str | bytes) and not (isinstance(k, int) and -HASHED < k < HASHED) for k in keys
        )
        if self._odd > ODD_KEYS:
            raise self.damaged(f"more than {ODD_KEYS} keys that are neither text nor ordinary integers")

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in _ALLOWED:
            raise refusal(self._path, module, name)
        stand_in = _STAND_INS[name]
        return stand_in if isinstance(stand_in, _Word) else _Call(self, stand_in)

    def damaged(self, what: str) -> DataError:
        return DataError(f"'{self._path}' is damaged or hostile: {what}", "copy or download the file again")

    def check(self, shape: Any, dtype: Any, raw: Any) -> "np.dtype[Any]":
        """The real dtype, if ``raw`` holds exactly ``shape`` of it and the file could have held it."""
        if not isinstance(dtype, _DType):
            raise self.damaged("an array without a dtype")
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape) or len(shape) > 32:
            raise self.damaged(f"an array of shape {str(shape)[:80]}")
        real = dtype.resolve()
        needed = math.prod(shape)
        if real.kind == "O":
            if not isinstance(raw, list) or len(raw) != needed:
                raise self.damaged(f"an object array of shape {shape} without its {needed} objects")
        elif not isinstance(raw, bytes | bytearray | str) or len(raw) != needed * real.itemsize:
            held = f"{len(raw)} bytes" if isinstance(raw, bytes | bytearray | str) else type(raw).__name__
            raise self.damaged(f"an array of shape {shape} and dtype {real} from {held}")
        self._budget -= needed * real.itemsize
        if self._budget < 0:
            raise self.damaged("its arrays would take many times the memory that the file has bytes")
        return real


class _Call:
    """A stand-in that can be called and not changed: no attribute of it can be set from inside a pickle."""

    __slots__ = ("_function", "_loader")
    _function: Callable[..., Any]
    _loader: _Loader

    def __init__(self, loader: _Loader, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_loader", loader)
        object.__setattr__(self, "_function", function)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)

    def __call__(self, *arguments: Any) -> Any:
        return self._function(self._loader, *arguments)


def _reconstruct(loader: _Loader, kind: Any, shape: Any, code: Any, /) -> _Array:
    if kind is not _NDARRAY or shape != (0,) or code not in (b"b", "b"):
        raise loader.damaged(f"an array is to be made of shape {str(shape)[:80]} before its data are there")
    return _watched(loader, np.empty(0, np.int8))


def _watched(loader: _Loader, array: Any) -> _Array:
    checked: _Array = array.view(_Array)
    checked._loader = loader
    return checked


def _frombuffer(loader: _Loader, raw: Any, dtype: Any, shape: Any, order: Any, /) -> _Array:
    real = loader.check(shape, dtype, raw)
    if real.kind == "O" or isinstance(raw, str) or order not in ("C", "F"):
        raise loader.damaged("a buffer of objects")
    return _watched(loader, np.frombuffer(raw, real).reshape(shape, order=order))


def _scalar(loader: _Loader, dtype: Any, raw: Any = b"", /) -> Any:
    real = loader.check((1,), dtype, raw)
    if real.kind == "O":
        raise loader.damaged("a scalar of objects")
    return np.frombuffer(raw.encode("latin-1") if isinstance(raw, str) else raw, real)[0]


def _dtype(loader: _Loader, code: Any, *_: Any) -> _DType:
    return _DType(loader._path, code)


def _encode(loader: _Loader, text: Any, codec: Any = "latin1", /) -> bytes:
    # Protocols 0 to 2 write bytes as text; any other codec could load code of its own.
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise loader.damaged(f"bytes written with the codec {str(codec)[:40]!r}")
    return text.encode("latin-1")


def _bytes(loader: _Loader, *arguments: Any) -> bytes:
    # Protocols 0 to 2 write b"" as bytes(); bytes(10**12) would be a reservation of memory.
    if arguments:
        raise loader.damaged("bytes() is called with a size")
    return b""


def _ordered(loader: _Loader, items: Any = (), /) -> OrderedDict[Any, Any]:
    if not isinstance(items, list | tuple):
        raise loader.damaged("an ordered dictionary is to be made of something else than pairs")
    pairs = [(key, value) for key, value in items]
    loader.check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def _watching(plain: Callable[[Any], None], keys: Callable[[list[Any]], list[Any]]) -> Callable[[Any], None]:
    """An opcode's function that counts keys first."""

    def load(loader: Any) -> None:
        loader.check_keys(keys(loader.stack))
        plain(loader)

    return load


_Loader.dispatch = {
    **pickle._Unpickler.dispatch,
    **{
        code[0]: _watching(pickle._Unpickler.dispatch[code[0]], keys)
        for code, keys in (
            (pickle.SETITEM, lambda stack: stack[-2:-1]),
            (pickle.SETITEMS, lambda stack: stack[::2]),
            (pickle.DICT, lambda stack: stack[::2]),
            (pickle.ADDITEMS, lambda stack: stack),
            (pickle.FROZENSET, lambda stack: stack),
        )
    },
}


_STAND_INS: dict[str, _Word | Callable[..., Any]] = {
    "ndarray": _NDARRAY,
    "dtype": _dtype,
    "_reconstruct": _reconstruct,
    "scalar": _scalar,
    "_frombuffer": _frombuffer,
    "encode": _encode,
    "OrderedDict": _ordered,
    "bytes": _bytes,
}
_ALLOWED = frozenset(
    [("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"), ("collections", "OrderedDict")]
    + [("builtins", "bytes"), ("__builtin__", "bytes")]
    + [
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    ]
)


def _plain(root: Any) -> Any:
    """``_Array`` becomes ndarray in dictionaries and lists, however deep and however often they share."""
    if isinstance(root, _Array):
        return root.view(np.ndarray)
    visited: set[int] = set()
    todo = [root]
    while todo:
        holder = todo.pop()
        if id(holder) in visited or not isinstance(holder, dict | list):
            continue
        visited.add(id(holder))
        for key, value in list(holder.items()) if isinstance(holder, dict) else enumerate(holder):
            if isinstance(value, _Array):
                holder[key] = value.view(np.ndarray)
            elif isinstance(value, dict | list):
                todo.append(value)
    return root


def _weigh(root: Any, most: int, damaged: Callable[[str], DataError]) -> None:
    """Refuses objects of more than ``most`` bytes as a tree: eight for every entry, and those of texts and arrays.

    A file of a kilobyte can build thirty lists, each of which names the one before ten times.  They are small in
    memory, and 10^30 entries for a walk through them (``numpy.asarray``, ``str``).
    """
    if not _holds(root):
        return
    whole: dict[int, int] = {}
    open_ids = {id(root)}
    # Every frame is a holder, the entries that are still to be weighed, and the sum of the others.
    frames: list[tuple[Any, Iterator[Any], list[int]]] = [(root, _entries(root), [ENTRY_BYTES])]
    while frames:
        holder, entries, total = frames[-1]
        for entry in entries:
            if not _holds(entry):
                total[0] += ENTRY_BYTES + _leaf(entry)
            elif id(entry) in whole:
                total[0] += ENTRY_BYTES + whole[id(entry)]
            elif id(entry) in open_ids:
                raise damaged("it holds a list or dictionary that contains itself")
            else:
                open_ids.add(id(entry))
                frames.append((entry, _entries(entry), [ENTRY_BYTES]))
                break
            if total[0] > most:
                raise damaged("its lists share their parts, and written out would take many times its size")
        else:
            frames.pop()
            open_ids.discard(id(holder))
            whole[id(holder)] = total[0]
            if frames:
                frames[-1][2][0] += ENTRY_BYTES + total[0]
                if frames[-1][2][0] > most:
                    raise damaged("its lists share their parts, and written out would take many times its size")


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list | tuple | set | frozenset) or (
        isinstance(value, np.ndarray) and value.dtype.kind == "O"
    )


def _entries(holder: Any) -> Iterator[Any]:
    if isinstance(holder, dict):
        return (part for item in dict.items(holder) for part in item)
    return iter(holder.flat if isinstance(holder, np.ndarray) else holder)


def _leaf(value: Any) -> int:
    if isinstance(value, str | bytes | bytearray):
        return len(value)
    if isinstance(value, np.ndarray):
        return value.nbytes
    return value.bit_length() // 8 if isinstance(value, int) else 0
