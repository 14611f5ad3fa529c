"""Samples in arrays: what is cut away, what becomes invalid, what is refused."""

import numpy as np
import pytest

from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.errors import DataError, UsageError
from md2n.modality import Task
from md2n.seeding import numpy_generator

CLASSES = Task("classification", "mood", ("low", "high"))


def made(**changed: object) -> Samples:
    rng = numpy_generator(0, "samples")
    facts: dict = {
        "name": "made",
        "modalities": {
            "text": Ragged.from_arrays([rng.normal(size=(i + 1, 3)) for i in range(4)]),
            "pulse": Ragged.from_arrays([None, rng.normal(size=2), rng.normal(size=2), np.full(2, np.nan)]),
        },
        "labels": {"mood": LabelColumn(np.asarray([0, 1, 1, 0]), CLASSES)},
        "split": np.asarray([0, 0, 1, 2], np.uint8),
        "ids": np.asarray(["a", "b", "c", "d"]),
        "groups": {"subject": np.asarray(["x", "x", "y", "z"])},
    }
    return Samples(**facts | changed)


# --- ragged ----------------------------------------------------------------------------------------------------------


def test_arrays_come_back_as_they_were_given():
    rng = numpy_generator(1, "ragged")
    for dtype in (np.float16, np.float32):
        rows = [None if i == 2 else rng.normal(size=(i % 4 + 1, 5)).astype(dtype) for i in range(9)]
        ragged = Ragged.from_arrays(rows)
        assert ragged.values.dtype == dtype
        assert ragged.present.tolist() == [row is not None for row in rows]
        for i, row in enumerate(rows):
            assert np.array_equal(ragged.sample(i), np.zeros((0, 5)) if row is None else row)


def test_one_bad_value_is_an_unknown_cell_and_holds_zero():
    x = np.ones((4, 3), np.float32)
    x[1, 0], x[2, 2], x[3, 1] = np.nan, -np.inf, np.inf
    ragged = Ragged.from_arrays([x, np.full((2, 3), np.nan)])
    assert ragged.valid.tolist() == [True, True, True, True, False, False]
    assert ragged.present.tolist() == [True, False]
    assert np.array_equal(ragged.known(), np.concatenate([np.isfinite(x), np.zeros((2, 3), bool)]))
    assert np.array_equal(ragged.values, np.where(ragged.known(), 1, 0))
    assert np.array_equal(ragged.select(np.array([1, 0])).known(), np.roll(ragged.known(), 2, axis=0))


def test_where_all_numbers_are_known_there_are_no_flags_of_cells():
    x = np.ones((2, 3, 2), np.float32)
    x[0, 1] = np.nan  # a frame of nothing is invalid, which needs no flags
    for ragged in (Ragged.from_arrays(list(x)), Ragged.from_padded(x)):
        assert ragged.cells is None
        assert ragged.known().sum() == 10


def test_flags_of_single_numbers_are_taken():
    x, flags = np.ones((2, 3, 2)), np.ones((2, 3, 2), bool)
    flags[0, 1, 0] = False
    ragged = Ragged.from_padded(x, valid=flags)
    assert ragged.valid.all()
    assert (~ragged.known()).nonzero()[0].tolist() == [1]
    with pytest.raises(DataError, match="'valid' has shape"):
        Ragged.from_padded(x, valid=np.ones((2, 2), bool))
    with pytest.raises(DataError, match="the flags of their cells"):
        Ragged(np.ones((1, 2)), np.array([0, 1]), np.ones(1, bool), np.ones((1, 3), bool))


def test_what_float32_cannot_hold_is_unknown_and_never_infinite():
    x = np.ones((1, 2, 2))
    x[0, 1, 0] = 1e300
    for ragged in (Ragged.from_arrays(list(x)), Ragged.from_padded(np.concatenate([x, x], axis=1))):
        assert np.isfinite(ragged.values).all()
        assert ragged.values.dtype == np.float32
        assert ragged.known().tolist()[1] == [False, True]


def test_integers_become_floats_without_loss():
    codes = np.arange(-200, 200)[:, None]
    assert np.array_equal(Ragged.from_padded(codes).values, codes)
    assert np.array_equal(Ragged.from_arrays(list(codes)).values, codes)


def test_padding_is_cut_at_both_ends_and_gaps_inside_stay():
    x = np.arange(12.0).reshape(1, 6, 2)
    x[0, 0] = x[0, 3] = x[0, 5] = np.nan
    ragged = Ragged.from_padded(x)
    assert ragged.lengths.tolist() == [4]
    assert ragged.valid.tolist() == [True, True, False, True]
    assert np.array_equal(ragged.values, [[2, 3], [4, 5], [0, 0], [8, 9]])


@pytest.mark.parametrize("count", [0, 1, 5])
def test_flags_say_together_what_is_kept(count):
    rng = numpy_generator(count, "flags")
    x = rng.normal(size=(count, 4, 2)).astype(np.float32)
    present, valid = rng.random(count) < 0.6, rng.random((count, 4)) < 0.6
    ragged = Ragged.from_padded(x, present, valid)
    for i in range(count):
        keep = [t for t in range(4) if present[i] and valid[i, t]]
        own = ragged.valid[ragged.offsets[i] : ragged.offsets[i + 1]]
        assert np.array_equal(ragged.sample(i)[own], x[i, keep])
        assert ragged.present[i] == bool(keep)


def test_two_dimensions_are_one_frame_each():
    ragged = Ragged.from_padded(np.eye(3, dtype=np.float32))
    assert ragged.lengths.tolist() == [1, 1, 1]
    assert np.array_equal(ragged.values, np.eye(3))


def test_selecting_is_indexing():
    ragged = made().modalities["text"]
    chosen = ragged.select(np.asarray([3, 0, 3]))
    for i, row in enumerate([3, 0, 3]):
        assert np.array_equal(chosen.sample(i), ragged.sample(row))
    assert len(ragged.select(np.zeros(0, np.int64))) == 0
    assert ragged.select(np.zeros(0, np.int64)).dim == 3


def test_an_empty_list_is_an_absent_sample():
    ragged = Ragged.from_arrays([np.ones((2, 3)), np.zeros(0), np.zeros((0, 3))])
    assert ragged.present.tolist() == [True, False, False]


def test_what_is_no_modality_is_refused():
    one = np.zeros(2, np.int64)
    for text, act in (
        ("feature sizes differ between samples: 2, 3", lambda: Ragged.from_arrays([np.ones(2), np.ones(3)])),
        ("feature sizes differ between samples: none", lambda: Ragged.from_arrays([None, None])),
        (r"a sample has shape \(1, 2, 3\)", lambda: Ragged.from_arrays([np.ones((1, 2, 3))])),
        (r"a sample has shape \(\)", lambda: Ragged.from_arrays([np.asarray(1.0)])),
        ("holds values of dtype <U1", lambda: Ragged.from_arrays([np.asarray(["a"])])),
        ("holds values of dtype complex64", lambda: Ragged.from_padded(np.ones((2, 2), np.complex64))),
        (r"features have shape \(3,\)", lambda: Ragged.from_padded(np.ones(3))),
        (r"'present' has shape \(3,\)", lambda: Ragged.from_padded(np.ones((2, 2)), present=np.ones(3, bool))),
        (r"'valid' has shape \(2,\)", lambda: Ragged.from_padded(np.ones((2, 1, 2)), valid=np.ones(2, bool))),
        ("the offsets end at 0", lambda: Ragged(np.ones((1, 2)), one, np.ones(1, bool))),
        (
            "offsets do not rise from 0",
            lambda: Ragged(np.ones((1, 2)), np.asarray([0, 2, 1]), np.ones(1, bool)),
        ),
    ):
        with pytest.raises(DataError, match=text):
            act()


# --- samples ---------------------------------------------------------------------------------------------------------


def test_counts_that_differ_are_told_by_name():
    with pytest.raises(DataError, match=r"counts differ: 4 ids, but label 'mood': 3, split: 2"):
        made(labels={"mood": LabelColumn(np.zeros(3, np.int64), CLASSES)}, split=np.zeros(2, np.uint8))
    with pytest.raises(DataError, match=r"group 'subject': 1"):
        made(groups={"subject": np.asarray(["x"])})


def test_the_schema_names_the_label_column_even_where_the_task_is_called_otherwise():
    samples = made(labels={"other": LabelColumn(np.asarray([0, 1, 1, 0]), CLASSES)})
    assert samples.schema().task.label == "other"
    assert samples.label(samples.schema().task.label).values.tolist() == [0, 1, 1, 0]
    assert [(m.name, m.dim, m.length) for m in samples.schema().modalities] == [("text", 3, 4), ("pulse", 2, 1)]


def test_selecting_samples_selects_everything():
    rows = np.asarray([2, 0])
    chosen, samples = made().select(rows), made()
    assert chosen.ids.tolist() == ["c", "a"]
    assert chosen.split.tolist() == [1, 0]
    assert chosen.groups["subject"].tolist() == ["y", "x"]
    assert chosen.label().values.tolist() == [1, 0]
    assert np.array_equal(chosen.present, samples.present[rows])
    assert samples.only(["pulse", "text"]).names == ("pulse", "text")


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"'made' has no modality 'txt'\n.*did you mean 'text'"):
        made().only(["txt"])
    with pytest.raises(UsageError, match=r"'made' has no label column 'mod'\n.*did you mean 'mood'"):
        made().label("mod")
    with pytest.raises(UsageError, match=r"'made' has no labels"):
        made(labels={}).label()
    with pytest.raises(UsageError, match=r"no split is called 'tset'\n.*did you mean 'test'"):
        made().rows("tset")
