"""Writing sample by sample and chunk by chunk: the same store as in one go, in little memory."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from md2n.data.npy_writer import NpyWriter
from md2n.data.samples import SPLITS, Ragged, Samples
from md2n.data.store import StoreWriter, checksum, open_intervals, open_store, verify_store, write_store
from md2n.errors import DataError, UsageError
from md2n.modality import Modality, Task
from md2n.seeding import numpy_generator
from tests.data.sets import FREE, MOOD, SCORE, assert_same, layout, small

TASKS = {"mood": MOOD, "score": SCORE, "free": FREE}


def like(samples: Samples, **changes) -> dict:
    """Arguments of a writer for such samples."""
    return layout(samples) | changes


def frames_of(samples: Samples, row: int) -> dict:
    """A sample's features as they were before they were stored; NaN where a frame is invalid."""
    found = {}
    for name, r in samples.modalities.items():
        span = slice(r.offsets[row], r.offsets[row + 1])
        x = np.where(r.valid[span, None], r.values[span], np.nan).astype(r.values.dtype)
        found[name] = x if len(x) else None
    return found


def test_sample_by_sample_is_the_same_store(tmp_path):
    samples = small()
    with StoreWriter(tmp_path / "store", **like(samples)) as writer:
        for i in range(len(samples)):
            mood = int(samples.labels["mood"].values[i])
            labels = {k: float(samples.labels[k].values[i]) for k in ("score", "free")}
            writer.append(
                str(samples.ids[i]),
                frames_of(samples, i),
                {"mood": MOOD.classes[mood] if i % 2 else mood, **labels},
                split="" if samples.split[i] == 255 else SPLITS[samples.split[i]],
                groups={k: str(g[i]) for k, g in samples.groups.items()},
            )
    assert_same(open_store(tmp_path / "store"), samples)


@pytest.mark.parametrize("size", [1, 7, 30])
def test_chunk_by_chunk_is_the_same_store(tmp_path, size):
    samples = small()
    with StoreWriter(tmp_path / "store", **like(samples)) as writer:
        for start in range(0, len(samples), size):
            writer.extend(samples.select(np.arange(start, min(start + size, len(samples)))))
    assert_same(open_store(tmp_path / "store"), samples)
    assert checksum(tmp_path / "store") == checksum(samples)


def test_what_is_not_given_is_absent_or_unknown(tmp_path):
    with StoreWriter(tmp_path / "store", name="x", dims={"a": 2, "b": 1}, labels=TASKS) as writer:
        writer.append("one", {"a": np.asarray([1.0, 2.0])})
        writer.append("two", {"a": None, "b": np.ones((3, 1))}, {"mood": None, "score": 1, "free": 2.5}, split="test")
    samples = open_store(tmp_path / "store")
    assert samples.present.tolist() == [[True, False], [False, True]]
    assert samples.split.tolist() == [255, 2]
    assert samples.labels["mood"].values.tolist() == [-1, -1]
    assert np.isnan(samples.labels["score"].values[0])
    assert samples.labels["score"].values[1] == 1
    assert samples.modalities["a"].values.dtype == np.float32


def test_an_empty_store(tmp_path):
    with StoreWriter(tmp_path / "store", name="x", dims={"a": 2, "b": 1}, labels=TASKS, groups=("who",)):
        pass
    samples = open_store(tmp_path / "store")
    assert (len(samples), samples.modalities["a"].dim, len(samples.groups["who"])) == (0, 2, 0)
    assert samples.labels["mood"].values.dtype == np.int64
    assert verify_store(tmp_path / "store") == []


def test_half_precision_where_asked_and_where_it_fits(tmp_path):
    samples = small()
    with StoreWriter(tmp_path / "store", **like(samples, dtype="float16")) as writer:
        writer.extend(samples)
    stored = open_store(tmp_path / "store").modalities["ecg"].values
    assert stored.dtype == np.float16
    assert np.array_equal(stored, samples.modalities["ecg"].values.astype(np.float16))
    large = replace(samples.modalities["ecg"], values=samples.modalities["ecg"].values * np.float32(1e6))
    big = replace(samples, modalities=samples.modalities | {"ecg": large})
    with (
        pytest.raises(DataError, match=r"modality 'ecg' holds values too large for float16\n.*as float32"),
        StoreWriter(tmp_path / "big", **like(samples, dtype="float16")) as writer,
    ):
        writer.extend(big)
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.only(("text",)), r"has the modalities \{'text': 5\}.*the store 'small' \{'text': 5, 'ecg': 3\}"),
        (lambda s: replace(s, labels={}), r"labels \[\]"),
        (lambda s: replace(s, groups={}), r"groups \[\]"),
        (lambda s: small(dims=(6, 3)), r"\{'text': 6, 'ecg': 3\}"),
        (
            lambda s: replace(s, labels=s.labels | {"mood": s.labels["free"]}),
            r"the store has Task\(kind='classification'",
        ),
    ],
)
def test_chunks_must_fit(tmp_path, change, told):
    with pytest.raises(DataError, match=told), StoreWriter(tmp_path / "store", **like(small())) as writer:
        writer.extend(small())
        writer.extend(change(small(1)))
    assert list(tmp_path.iterdir()) == []


ONE = {"a": np.ones(2)}


@pytest.mark.parametrize(
    ("features", "labels", "more", "error", "told"),
    [
        ({"c": np.ones(2)}, {}, {}, UsageError, "'x' has no modality 'c'"),
        ({"a": np.ones(3)}, {}, {}, DataError, "sample 'one': feature sizes differ between samples: 2, 3"),
        (ONE, {"mod": 1}, {}, UsageError, r"'x' has no label column 'mod'\n.*did you mean 'mood'"),
        (ONE, {"mood": "hihg"}, {}, DataError, r"sample 'one': 'hihg' is no class of 'mood'\n.*did you mean 'high'"),
        (ONE, {"mood": 3}, {}, DataError, "'3' is no class of 'mood'"),
        (ONE, {"mood": 0.5}, {}, DataError, "'0.5' is no class of 'mood'"),
        (ONE, {"score": "good"}, {}, DataError, r"sample 'one': label 'score' is 'good'\n.*give a number"),
        (ONE, {}, {"split": "tset"}, UsageError, r"no split is called 'tset'\n.*did you mean 'test'"),
        (ONE, {}, {"groups": {}}, UsageError, r"sample 'one' has the groups \[\], 'x' has \['who'\]"),
    ],
)
def test_samples_must_fit(tmp_path, features, labels, more, error, told):
    arguments = {"name": "x", "dims": {"a": 2, "b": 1}, "labels": TASKS, "groups": ("who",)}
    with pytest.raises(error, match=told), StoreWriter(tmp_path / "store", **arguments) as writer:
        writer.append("one", features, labels, **({"groups": {"who": "ann"}} | more))
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_store(tmp_path):
    rng = numpy_generator(0, "large")
    chunk = Ragged.from_padded(rng.normal(size=(8, 50, 768)).astype(np.float16))
    size = chunk.values.nbytes
    arguments = {"name": "x", "dims": {"a": 768, "b": 768}, "dtype": "float16"}
    tracemalloc.start()
    try:
        with StoreWriter(tmp_path / "store", **arguments) as writer:
            for n in range(40):
                ids = np.asarray([f"{n}-{i}" for i in range(8)])
                writer.extend(Samples("x", {"a": chunk, "b": chunk}, {}, np.zeros(8, np.uint8), ids))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        write_store(tmp_path / "copy", open_store(tmp_path / "store"))
        again = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    samples = open_store(tmp_path / "store")
    assert samples.modalities["a"].values.nbytes == 40 * size > 24_000_000
    assert max(peak, again) < 6_000_000
    assert np.array_equal(samples.modalities["b"].sample(8 * 39), chunk.sample(0))


@pytest.mark.parametrize("tail", [(), (3,), (2, 2)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.bool_, np.uint8])
def test_a_growing_file_is_what_numpy_saves(tmp_path, dtype, tail):
    whole = (numpy_generator(0, "grow").random((1234, *tail)) * 2).astype(dtype)
    file = NpyWriter(tmp_path / "grown.npy", dtype, *tail)
    for part in np.array_split(whole, 5):
        file.append(part)
    file.close()
    np.save(tmp_path / "saved.npy", whole)
    assert (tmp_path / "grown.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()


def test_names_are_those_of_modalities(tmp_path):
    assert Modality("a", 1).name == "a"
    with pytest.raises(DataError, match="'a b' cannot name a modality"):
        StoreWriter(tmp_path / "store", name="x", dims={"a b": 1})


def test_frames_keep_their_places_in_time(tmp_path):
    with StoreWriter(tmp_path / "store", name="x", dims={"a": 2, "b": 1}, intervals=["a"]) as writer:
        writer.append("one", {"a": np.ones((2, 2)), "b": np.ones(1)}, intervals={"a": np.array([[0, 1], [1, 2.5]])})
        writer.append("two", {"b": np.ones(1)})
        writer.append("three", {"a": np.ones((1, 2))})
    kept = open_intervals(tmp_path / "store")
    assert set(kept) == {"a"} and kept["a"].dtype == np.float32
    np.testing.assert_array_equal(kept["a"], [[0, 1], [1, 2.5], [np.nan, np.nan]])
    assert verify_store(tmp_path / "store") == []
    assert len(open_store(tmp_path / "store").modalities["a"].values) == len(kept["a"])
    with StoreWriter(tmp_path / "store", name="x", dims={"a": 2}) as writer:  # a store with intervals is replaced
        writer.append("one", {"a": np.ones((2, 2))})
    assert open_intervals(tmp_path / "store") == {}


def test_intervals_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(UsageError, match="'x' has no modality 'c' to keep intervals of"):
        StoreWriter(tmp_path / "store", name="x", dims={"a": 2}, intervals=["c"])
    with (
        pytest.raises(DataError, match=r"'a' of 'x' has 2 frames and intervals \(3, 2\)"),
        StoreWriter(tmp_path / "store", name="x", dims={"a": 2, "b": 1}, intervals=["a"]) as writer,
    ):
        writer.append("one", {"a": np.ones((2, 2))}, intervals={"a": np.zeros((3, 2))})
    with (
        pytest.raises(UsageError, match="'x' keeps no intervals of 'b'"),
        StoreWriter(tmp_path / "store", name="x", dims={"a": 2, "b": 1}, intervals=["a"]) as writer,
    ):
        writer.append("one", {"b": np.ones(1)}, intervals={"b": np.zeros((1, 2))})
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("gap", [None, float("nan"), "", "NA", "nan"])
def test_every_word_for_nothing_is_unknown(tmp_path, gap):
    signs = Task("classification", "sign", ("-1", "1"))
    with StoreWriter(tmp_path / "s", name="s", dims={"a": 1}, labels={"sign": signs, "score": SCORE}) as writer:
        writer.append("one", {"a": np.ones(1)}, {"sign": gap, "score": gap})
        writer.append("two", {"a": np.ones(1)}, {"sign": "-1", "score": "0.5"})
        for wrong in (-1, 2, "?"):  # -1 is no code, and this task has a class of that name
            with pytest.raises(DataError, match=rf"'{wrong}' is no class of 'sign'".replace("?", r"\?")):
                writer.append("three", {"a": np.ones(1)}, {"sign": wrong})
        with pytest.raises(DataError, match="label 'score' is '0,5'"):
            writer.append("three", {"a": np.ones(1)}, {"score": "0,5"})
    held = open_store(tmp_path / "s").labels
    assert held["sign"].values.tolist() == [-1, 0]
    assert np.isnan(held["score"].values[0]) and held["score"].values[1] == 0.5
