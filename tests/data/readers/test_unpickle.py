"""Hostile pickles run nothing, damaged ones are named, honest ones come back exactly."""

import os
import pickle
import pickletools
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.unpickle import load_pickle
from md2n.errors import DataError, UnsafeFileError

PROTOCOLS = range(6)


def honest() -> dict:
    rng = np.random.default_rng(0)
    return {
        "train": {
            "text": rng.normal(size=(3, 4, 5)).astype(np.float16),
            "audio": np.asfortranarray(rng.normal(size=(3, 7))),
            "big_endian": np.arange(4, dtype=">i4"),
            "empty": np.zeros((0, 3), np.float32),
            "flags": np.array([True, False]),
            "ids": np.array(["a$_$1", "b$_$2"]),
            "bytes": np.array([b"xy", b"z"]),
            "objects": np.array(["one", 2, None], dtype=object),
            "raw_text": ["HELLO", "wörld"],
            "lengths": [1, 2, 3],
            "scalar": np.float64(2.5),
            "ordered": OrderedDict(a=1, b=2),
            "none": (None, b"", b"\x80\xff", 1 << 70),
        }
    }


def write(tmp_path: Path, data: bytes, name: str = "x.pkl") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def same(a: object, b: object) -> None:
    if isinstance(a, dict):
        assert list(a) == list(b)
        for k in a:
            same(a[k], b[k])
    elif isinstance(a, np.ndarray):
        assert type(b) is np.ndarray
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)
    else:
        assert type(a) is type(b)
        assert a == b


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_honest_files_come_back_exactly(tmp_path, protocol):
    data = pickle.dumps(honest(), protocol)
    same(pickle.loads(data), load_pickle(write(tmp_path, data)))


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_both_spellings_of_numpy(tmp_path, protocol):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = pickle.dumps(array, protocol)
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    assert new in data or old in data
    for source, target in ((new, old), (old, new)):
        same(array, load_pickle(write(tmp_path, data.replace(source, target))))


def test_python_2_text_is_read_as_bytes(tmp_path):
    # Python 2 writes array data as SHORT_BINSTRING; NumPy expects bytes.
    array = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02f4K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x08" + struct.pack("<2f", 1.5, -2.0) + b"tb."
    )
    got = load_pickle(write(tmp_path, array))
    assert got.dtype == np.float32
    assert got.tolist() == [1.5, -2.0]


def test_shared_lists_are_walked_once(tmp_path):
    tower: list = [np.arange(3.0)]
    for _ in range(12):
        tower = [tower, tower]
    got = load_pickle(write(tmp_path, pickle.dumps(tower, 4)))
    for _ in range(12):
        assert got[0] is got[1]
        got = got[0]
    assert type(got[0]) is np.ndarray


# --- hostile ---------------------------------------------------------------------------------------------------------


class Reduce:
    def __init__(self, function, *arguments):
        self.parts = function, arguments

    def __reduce__(self):
        return self.parts


def attacks(canary: Path) -> dict[str, object]:
    touch = f"open({str(canary)!r}, 'w').close()"
    smuggled = np.empty(2, dtype=object)
    smuggled[:] = [1, Reduce(eval, touch)]
    return {
        "posix.system": Reduce(os.system, f"touch {canary}"),
        "builtins.eval": Reduce(eval, touch),
        "builtins.exec": {"train": {"text": [Reduce(exec, touch)]}},
        "builtins.getattr": Reduce(getattr, "text", "encode"),
        "io.open": Reduce(open, str(canary), "w"),
        "builtins.__import__": Reduce(__import__, "antigravity"),
        "numpy.load": Reduce(np.load, str(canary), None, True),
        "numpy.fromfile": Reduce(np.fromfile, str(canary)),
        "object array": smuggled,
        "subprocess.Popen": Reduce(__import__("subprocess").Popen, ["touch", str(canary)]),
        "pathlib": canary,
        "operator.attrgetter": Reduce(__import__("operator").attrgetter("system")),
        "functools.partial": Reduce(__import__("functools").partial, os.system),
        "ordered": OrderedDict(a=Reduce(eval, touch)),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("attack", list(attacks(Path("c"))))
def test_hostile_files_are_refused_by_name_and_run_nothing(tmp_path, attack, protocol):
    canary = tmp_path / "canary"
    hostile = attacks(canary)[attack]
    name = {
        "object array": r"(builtins|__builtin__)\.eval",
        "ordered": r"(builtins|__builtin__)\.eval",
        "pathlib": r"pathlib\.PosixPath|copy_reg",
        "subprocess.Popen": r"(subprocess|commands)\.Popen",
    }
    data = pickle.dumps(hostile, protocol)
    path = write(tmp_path, data)
    before = sorted(tmp_path.iterdir())
    expected = name.get(attack, attack.replace(".", r"\.").replace("builtins", "(builtins|__builtin__)"))
    with pytest.raises(UnsafeFileError, match=f"asks for .*({expected}).*not run"):
        load_pickle(path)
    assert sorted(tmp_path.iterdir()) == before
    # The same bytes do harm with plain pickle: the canary is a real one.
    if attack in ("posix.system", "builtins.eval", "object array", "ordered", "builtins.exec"):
        pickle.loads(data)
        assert canary.exists()


def stack_global(module: str, name: str, arguments: bytes) -> bytes:
    def text(s: str) -> bytes:
        return b"\x8c" + bytes([len(s)]) + s.encode()

    return b"\x80\x04" + text(module) + text(name) + b"\x93" + arguments + b"R."


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (stack_global("numpy", "core.multiarray.os.system", b")"), "numpy.core.multiarray.os.system"),
        (stack_global("numpy.core", "multiarray._reconstruct", b")"), "numpy.core.multiarray._reconstruct"),
        (stack_global("codecs", "encode", b")"), "codecs.encode"),
        (stack_global("numpy.lib", "ndarray", b")"), "numpy.lib.ndarray"),
        (stack_global("builtins", "bytearray", b"J\xff\xff\xff\x7f\x85"), "builtins.bytearray"),
        (b"(S'true'\nios\nsystem\n.", "os.system"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (b"ccopy_reg\n_reconstructor\n.", "copy_reg._reconstructor"),
        (b"(cos\nsystem\nS'true'\no.", "os.system"),
    ],
)
def test_names_are_matched_whole(tmp_path, data, named):
    with pytest.raises(UnsafeFileError, match=named):
        load_pickle(write(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "named"),
    [(b"\x80\x04\x82\x01.", "registered code"), (b"Pabc\n.", "persistent id"), (b"\x80\x05\x97.", "outside the file")],
)
def test_opcodes_that_reach_outside_are_refused(tmp_path, data, named):
    with pytest.raises(UnsafeFileError, match=named):
        load_pickle(write(tmp_path, data))


def mutated(array: np.ndarray, find: bytes, replace: bytes, protocol: int = 2) -> bytes:
    data = pickletools.optimize(pickle.dumps(array, protocol))
    assert data.count(find) >= 1
    return data.replace(find, replace, 1)


def test_a_forged_dtype_cannot_pass_bytes_off_as_objects(tmp_path):
    # dtype('O') with raw bytes as its data: eight bytes would become a pointer.
    data = mutated(np.array([1.0, 2.0]), b"\x02\x00\x00\x00f8", b"\x02\x00\x00\x00O8")
    with pytest.raises(DataError, match="object array of shape"):
        load_pickle(write(tmp_path, data))


def test_structured_and_void_dtypes_are_refused(tmp_path):
    table = np.zeros(2, dtype=[("a", "f4"), ("b", "O")])
    with pytest.raises(UnsafeFileError, match="dtype"):
        load_pickle(write(tmp_path, pickle.dumps(table, 2)))
    with pytest.raises(UnsafeFileError, match="dtype 'V4'"):
        load_pickle(write(tmp_path, pickle.dumps(np.zeros(2, "V4"), 2)))
    with pytest.raises(UnsafeFileError, match="M8"):
        load_pickle(write(tmp_path, pickle.dumps(np.zeros(2, "M8[s]"), 4)))


def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path):
    huge = mutated(np.zeros(3, np.float32), b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")
    with pytest.raises(DataError, match=r"shape \(2147483647,\).*from 12 bytes"):
        load_pickle(write(tmp_path, huge))
    objects = mutated(np.array([None] * 3), b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")
    with pytest.raises(DataError, match="without its 2147483647 objects"):
        load_pickle(write(tmp_path, objects))
    made = mutated(np.zeros(3, np.float32), b"K\x00\x85", b"J\xff\xff\xff\x7f\x85")
    with pytest.raises(DataError, match="before its data are there"):
        load_pickle(write(tmp_path, made))
    slot = b"\x80\x02]r\xff\xff\xff\x7f."
    with pytest.raises(DataError, match="memo slot 2147483647"):
        load_pickle(write(tmp_path, slot))
    blank = stack_global("builtins", "bytes", b"J\xff\xff\xff\x7f\x85")
    with pytest.raises(DataError, match=r"bytes\(\) is called with a size"):
        load_pickle(write(tmp_path, blank))


def test_many_arrays_from_the_same_bytes_are_refused(tmp_path):
    raw = bytes(1 << 20)
    one = pickletools.optimize(pickle.dumps(np.frombuffer(raw, np.int8), 2))
    assert len(load_pickle(write(tmp_path, one))) == 1 << 20
    # _reconstruct(...) and BUILD, forty times over, all from one memoised string of a megabyte.
    head = b"\x80\x04](" + b"B" + struct.pack("<I", len(raw)) + raw + b"\x940"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
        b"(K\x01J\x00\x00\x10\x00\x85cnumpy\ndtype\nX\x02\x00\x00\x00i1K\x00K\x01\x87R"
        b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89h\x00tb"
    )
    assert len(load_pickle(write(tmp_path, head + array * 3 + b"e."))) == 3
    with pytest.raises(DataError, match="many times the memory"):
        load_pickle(write(tmp_path, head + array * 40 + b"e."))


def test_a_codec_other_than_latin1_is_refused(tmp_path):
    data = b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R."
    with pytest.raises(DataError, match="codec 'rot13'"):
        load_pickle(write(tmp_path, data))


def test_stand_ins_cannot_be_changed_from_inside(tmp_path):
    # BUILD with a pair sets attributes on whatever is on the stack.
    state = b"\x80\x02c_codecs\nencode\nN}X\x09\x00\x00\x00_functionK\x01s\x86b."
    with pytest.raises(DataError, match="damaged"):
        load_pickle(write(tmp_path, state))
    same(np.arange(2), load_pickle(write(tmp_path, pickle.dumps(np.arange(2), 0))))


# --- damaged ---------------------------------------------------------------------------------------------------------


def test_missing_empty_and_folder(tmp_path):
    write(tmp_path, b"", "empty.pkl")
    with pytest.raises(DataError, match=r"empty.pkl' is empty \(0 bytes\)"):
        load_pickle(tmp_path / "empty.pkl")
    with pytest.raises(DataError, match=r"does not exist\n  next: did you mean '.*empty\.pkl'"):
        load_pickle(tmp_path / "emty.pkl")
    with pytest.raises(DataError, match="is a folder"):
        load_pickle(tmp_path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_truncated_anywhere_is_named(tmp_path, protocol):
    data = pickle.dumps(honest(), protocol)
    for end in range(1, len(data), max(1, len(data) // 60)):
        with pytest.raises(DataError, match="truncated"):
            load_pickle(write(tmp_path, data[:end]))


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"id,label\na,1\n", "not a pickle"),
        (b"PK\x03\x04rest", "not a pickle but a zip archive"),
        (b"\x89HDF\r\n\x1a\nrest", "not a pickle but a HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\xff\xfe\x00\x01", "not a pickle: it starts with 0xff"),
        (b"hello world", "not a pickle|truncated|damaged"),
    ],
)
def test_not_a_pickle(tmp_path, data, named):
    with pytest.raises(DataError, match=named):
        load_pickle(write(tmp_path, data))


def test_flipped_bytes_end_in_a_data_error_or_in_data(tmp_path):
    data = bytearray(pickle.dumps(honest(), 4))
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        broken = data.copy()
        broken[rng.integers(len(broken))] = rng.integers(256)
        try:
            load_pickle(write(tmp_path, bytes(broken)))
        except DataError:
            refused += 1
    assert 20 < refused < 300


# --- budgets ---------------------------------------------------------------------------------------------------------


def tower(kind, leaf, floors: int) -> object:
    for _ in range(floors):
        leaf = kind(leaf)
    return leaf


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "kind",
    [
        lambda below: [below] * 10,
        lambda below: (below,) * 10,
        lambda below: dict.fromkeys(range(10), below),
        lambda below: np.array([[below, 0], [below, 0]], object)[:, 0],
    ],
)
def test_lists_that_share_their_parts_are_counted_as_a_tree(tmp_path, kind, protocol):
    path = write(tmp_path, pickle.dumps(tower(kind, "x", 30), protocol))
    assert path.stat().st_size < 1 << 14
    with pytest.raises(DataError, match=r"x.pkl' is damaged or hostile: its lists share their parts"):
        load_pickle(path)


def test_long_texts_that_many_name_are_counted(tmp_path):
    with pytest.raises(DataError, match="its lists share their parts"):
        load_pickle(write(tmp_path, pickle.dumps(["x" * 100_000] * 1000, 4)))


def test_what_contains_itself_is_refused(tmp_path):
    circle: list = []
    circle.append({"a": [circle]})
    with pytest.raises(DataError, match="contains itself"):
        load_pickle(write(tmp_path, pickle.dumps(circle, 4)))


def test_a_deep_list_is_no_recursion(tmp_path):
    data = b"\x80\x04" + b"](" * 50_000 + b"K\x01" + b"e" * 50_000 + b"."
    assert isinstance(load_pickle(write(tmp_path, data)), list)


COLLIDING = [b"\x8a\x10" + (i * ((1 << 61) - 1)).to_bytes(16, "little") for i in range(1, 100_000)]


@pytest.mark.parametrize(
    ("start", "after", "end"),
    [
        (b"}(", b"N", b"u."),
        (b"}", b"Ns", b"."),
        (b"(", b"N", b"d."),
        (b"ccollections\nOrderedDict\n](", b"N\x86", b"e\x85R."),
        (b"\x8f(", b"", b"\x90."),
        (b"(", b"", b"\x91."),
        (b"}(", b"K\x00\x86N", b"u."),
    ],
)
def test_keys_that_collide_are_refused_before_they_do(tmp_path, start, after, end):
    data = b"\x80\x04" + start + b"".join(key + after for key in COLLIDING) + end
    with pytest.raises(DataError, match="more than 2000 keys that are neither text nor ordinary integers"):
        load_pickle(write(tmp_path, data))


@pytest.mark.parametrize("kind", [dict.fromkeys, OrderedDict.fromkeys, set, frozenset])
def test_ordinary_keys_are_as_many_as_wanted(tmp_path, kind):
    for keys in (range(5000), [f"word{i}" for i in range(5000)]):
        assert load_pickle(write(tmp_path, pickle.dumps(kind(keys), 4))) == kind(keys)


@pytest.mark.parametrize("opcode", [b"]", b"(", b"]\x94", b"\x8f"])
def test_a_file_of_openings_is_refused_before_they_are_opened(tmp_path, monkeypatch, opcode):
    monkeypatch.setattr("md2n.data.readers.opcodes.FREE_COST", 1 << 16)
    with pytest.raises(DataError, match="its opcodes build objects of many times its"):
        load_pickle(write(tmp_path, b"\x80\x04" + opcode * 100_000 + b"."))
