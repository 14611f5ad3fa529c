"""What is said of labels after reading: the same for every reader, for arrays, and for a store written before."""

from pathlib import Path

import numpy as np
import pytest

from md2n.data.check import check
from md2n.data.declaration import Meaning, declare, keep_meaning
from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.detect import read
from md2n.data.samples import Samples
from md2n.data.store import StoreWriter, open_intervals, open_store, write_store
from md2n.errors import DataError, UsageError
from md2n.modality import Task
from tests.data.readers.test_clips import mixture
from tests.data.readers.test_files import folder, npz
from tests.data.readers.test_mmsa import content, save
from tests.data.readers.test_sdk import made


def csd(path: Path) -> Path:
    path.mkdir(parents=True)
    made(path)
    return path


def stored(path: Path) -> Path:
    return write_store(path / "store", read(npz(path), label="y_score"))


# Source, its options, and a label column of real values.
SOURCES = {
    "npz": lambda p: (npz(p), {"label": "y_score"}),
    "folder": lambda p: (folder(p), {"label": "y", "kinds": {"y": "regression"}}),
    "clips": lambda p: (mixture(p / "mine"), {}),
    "mmsa": lambda p: (save(p, content()), {"known": "mosi"}),
    "sdk": lambda p: (csd(p / "csd"), {}),
    "store": lambda p: (stored(p), {}),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_reader_takes_a_known_set_a_range_and_values_that_are_unknown(tmp_path, kind):
    source, options = SOURCES[kind](tmp_path)
    known = read(source, **{**options, "known": "mosi"}).label()
    assert known.task == Task("regression", known.task.label, low=-3, high=3, sentiment=True)
    options = {k: v for k, v in options.items() if k != "known"}
    said = read(source, ranges={"": (-5, 4)}, sentiment=("",), **options).label().task
    assert (said.low, said.high, said.sentiment) == (-5, 4, True)
    one = float(np.asarray(known.values)[np.isfinite(known.values)][0])
    fewer = read(source, unknown=(one,), **options).label().values
    assert np.isfinite(known.values).sum() - np.isfinite(fewer).sum() == (np.asarray(known.values) == one).sum() > 0


def five(labels: object, **more: object) -> Samples:
    features = {"a": np.arange(10.0).reshape(5, 2), "b": np.ones((5, 1))}
    return from_arrays(features, labels, **{"splits": [0, 0, 0, 1, 2], **more})


def test_arrays_take_the_same():
    values = [-3.0, 0.5, 3.0, 1.0, -1.5]
    assert five(values, known="mosi").label().task == Task("regression", "y", low=-3, high=3, sentiment=True)
    assert five(values, known="mosi").source["schema"] == "mosi"
    task = five({"mood": values, "age": values}, ranges={"age": (-4, 4)}, sentiment=["age"]).label("age").task
    assert (task.low, task.high, task.sentiment) == (-4, 4, True)
    assert not five({"mood": values, "age": values}, ranges={"age": (-4, 4)}).label("mood").task.sentiment


def test_whole_numbers_are_real_values_where_a_range_is_declared():
    column = five([-1, 0, 1, 3, -3], known="mosi").label()
    assert (column.task.kind, column.values.tolist()) == ("regression", [-1, 0, 1, 3, -3])
    gap = five([-1, 0, None, 3, -3], ranges={"": (-3, 3)}).label().values
    assert np.isnan(gap[2]) and gap[3] == 3


def test_other_columns_of_a_known_set_have_their_own_ranges():
    column = [0.0, 1.0, 3.0, 2.0, 0.5]
    samples = five({"sentiment": [-1.0, 0.5, 2, 3, -3], "happy": column, "mine": column}, known="mosei")
    tasks = [samples.label(name).task for name in samples.labels]
    assert [(t.low, t.high, t.sentiment) for t in tasks] == [(-3, 3, True), (0, 3, False), (-np.inf, np.inf, False)]


def test_a_set_of_classes_loses_only_what_is_called_unknown():
    samples = five(["a", "?", "b", "a", "c"])
    column = declare(samples, Meaning(unknown=("?",))).label()
    assert (column.task.classes, column.values.tolist()) == (("a", "b", "c"), [0, -1, 1, 0, 2])


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        ([-3.0, 9.5, 3, 1, -8], {"known": "mosi"}, DataError, r"2 labels 'y' .*\[-3, 3\]: 9.5, -8 \(first: 1, 4\)"),
        (["a", "b", "a", "b", "a"], {"known": "mosi"}, DataError, "values are words: a, b"),
        ([1.0] * 5, {"known": "mosy"}, UsageError, "did you mean 'mosi'"),
        ([1.0] * 5, {"ranges": {"z": (0, 1)}}, UsageError, "no label column 'z'"),
        ([1.0] * 5, {"ranges": {"y": (1, 0)}}, UsageError, "is no range"),
        ([1.0] * 5, {"ranges": {"y": (0, np.inf)}}, UsageError, "is no range"),
        ([1.0] * 5, {"sentiment": ["y"]}, UsageError, "needs a range with zero inside.*\n.*--range y=-3,3"),
        ([1.0] * 5, {"ranges": {"y": (1, 5)}, "sentiment": ["y"]}, UsageError, "needs a range with zero inside"),
        (None, {"ranges": {"": (0, 1)}}, UsageError, "there are no labels"),
    ],
)
def test_refusals(labels, options, error, message):
    with pytest.raises(error, match=message):
        five(labels, **options)


def test_rounding_to_float32_is_not_outside():
    assert five([0.1, -0.1, 0.05, 0, 0], ranges={"y": (-0.1, 0.1)}).label().task.high == 0.1


def test_a_store_is_declared_in_its_place_and_keeps_its_times(tmp_path):
    times = np.array([[0.0, 0.5], [0.5, 1.25]], np.float32)
    with StoreWriter(
        tmp_path / "s", name="s", dims={"a": 2, "b": 1}, labels={"y": Task("regression", "y")}, intervals=["a"]
    ) as writer:
        writer.append("one", {"a": np.ones((2, 2)), "b": np.ones(1)}, {"y": 2.5}, intervals={"a": times})
    write_store(tmp_path / "s", read(tmp_path / "s", known="mosi"), open_intervals(tmp_path / "s"))
    assert open_store(tmp_path / "s").label().task.sentiment
    np.testing.assert_array_equal(open_intervals(tmp_path / "s")["a"], times)


def test_importing_again_keeps_what_was_declared_as_long_as_it_holds():
    values = [-1.0, 0.5, 2, 3, -3]
    older = five(values, known="mosi")
    samples, notes = keep_meaning(five(values), older)
    assert samples.label().task == older.label().task and samples.source["schema"] == "mosi"
    assert "[-3, 3] is as declared" in notes[0]
    wider, notes = keep_meaning(five([-1.0, 0.5, 2, 30, -3]), older)
    assert wider.label().task.high == np.inf and "was dropped" in notes[0]
    assert keep_meaning(five(values, name="other"), older)[1] == []
    said = five(values, ranges={"y": (-9, 9)})
    assert keep_meaning(said, older) == (said, [])


def test_check_asks_about_minus_one_among_codes_only():
    asked = [f.code for f in check(five([0, 1, 2, -1, 1]))]
    assert "minus-one" in asked
    for sound in ([-1, 1, -1, 1, 1], [-1, 0, 1, 0, 1], [0, 1, 2, 2, 1], [-2, -1, 0, 1, 2]):
        assert "minus-one" not in [f.code for f in check(five(sound))]
