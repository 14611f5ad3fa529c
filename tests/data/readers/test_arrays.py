"""Arrays in memory: every form a modality may take, and what holds them together."""

import numpy as np
import pytest

from md2n.data.readers.arrays import from_arrays
from md2n.errors import DataError, UsageError

RNG = np.random.default_rng(0)


def test_every_form_of_a_modality_means_the_same():
    frames = [RNG.normal(size=(n, 3)).astype(np.float32) for n in (2, 4, 1)]
    padded = np.full((3, 4, 3), np.nan, np.float32)
    for i, x in enumerate(frames):
        padded[i, : len(x)] = x
    flags = ~np.isnan(padded).any(axis=2)
    samples = from_arrays(
        {"list": frames, "padded": padded, "flagged": np.nan_to_num(padded)},
        valid={"flagged": flags},
        labels=[1.0, 2, 3],
    )
    for name in samples.names:
        assert samples.modalities[name].lengths.tolist() == [2, 4, 1]
        assert np.array_equal(samples.modalities[name].values, np.concatenate(frames))


def test_every_way_to_be_absent():
    vectors = RNG.normal(size=(3, 2))
    vectors[1] = np.nan
    samples = from_arrays(
        {
            "nan": vectors,
            "none": [np.zeros(2), None, np.ones((4, 2))],
            "flag": np.ones((3, 2)),
            "all": None,
            "listed": [None, None, None],
            "here": np.ones((3, 1)),
        },
        present={"flag": [True, False, True]},
        dims={"all": 7, "listed": 5},
    )
    assert samples.present.tolist() == [
        [True, True, True, False, False, True],
        [False, False, False, False, False, True],
        [True, True, True, False, False, True],
    ]
    assert samples.modalities["all"].dim == 7
    assert samples.modalities["listed"].dim == 5
    assert samples.modalities["none"].sample(0).tolist() == [[0.0, 0.0]]  # zeros are numbers, not absence


@pytest.mark.parametrize("flags", [[False, True], [0, 1], [0.0, 1.0], np.array([False, 1], object)])
def test_flags_are_booleans_or_zero_and_one(flags):
    samples = from_arrays({"a": np.ones((2, 3)), "b": np.ones((2, 3))}, present={"b": flags})
    assert samples.present.tolist() == [[True, False], [True, True]]


def test_split_words_codes_and_defaults():
    x = {"a": np.ones((4, 2)), "b": np.ones((4, 2))}
    assert from_arrays(x, splits=["train", "VAL", "test", ""]).split.tolist() == [0, 1, 2, 255]
    assert from_arrays(x, splits=np.array([0, 1, 2, 255])).split.tolist() == [0, 1, 2, 255]
    samples = from_arrays(x)
    assert samples.split.tolist() == [255] * 4
    assert samples.ids.tolist() == ["0", "1", "2", "3"]
    assert samples.labels == {}


def test_columns_groups_and_notes_are_kept():
    samples = from_arrays(
        {"a": np.ones((2, 2)), "b": np.array([[1, np.nan], [1, 2]])},
        {"mood": ["low", "high"], "score": [0.5, np.nan]},
        groups={"subject": [7, 8]},
        classes={"mood": ["low", "high"]},
        default_label="score",
        notes=["mine"],
    )
    assert samples.label().task.kind == "regression"
    assert samples.label("mood").values.tolist() == [0, 1]
    assert samples.groups["subject"].tolist() == ["7", "8"]
    assert samples.notes == ("mine", "b: 1 NaN and 0 infinite values in 1 frames are unknown (not zero)")
    assert samples.present.all()
    assert samples.modalities["b"].known().tolist() == [[True, False], [True, True]]


ONE = np.ones((2, 3))


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        ({}, {}, "no modality was given"),
        ({"a": ONE, "b": np.ones((3, 3))}, {}, "counts differ: modality 'a': 2, modality 'b': 3"),
        ({"a": ONE, "b": ONE}, {"labels": [1, 2, 3]}, "counts differ:.*labels: 3"),
        ({"a": ONE, "b": ONE}, {"ids": ["x"]}, "counts differ:.*ids: 1"),
        ({"a": ONE, "b": ONE}, {"groups": {"s": [1]}}, "counts differ:.*group 's': 1"),
        ({"a": ONE, "b": np.ones(2)}, {}, r"modality 'b' has shape \(2,\)"),
        ({"a": ONE, "b": [ONE, np.ones((2, 4))]}, {}, "modality 'b': feature sizes differ between samples: 3, 4"),
        ({"a": ONE, "b": [ONE, "x"]}, {}, "modality 'b', sample 1 holds values of dtype"),
        ({"a": ONE, "b": [ONE, np.ones((1, 2, 3))]}, {}, r"modality 'b', sample 1 has shape \(1, 2, 3\)"),
        ({"a": ONE, "b": np.array([[1, "x"]] * 2, object)}, {}, "modality 'b' holds objects"),
        ({"a": ONE, "b": np.ones((2, 2), complex)}, {}, "dtype complex128"),
        ({"a": ONE, "b": [None, None]}, {}, "modality 'b' is in no sample"),
        ({"a": ONE, "b": np.full((2, 2), np.nan)}, {}, "modality 'b' holds no usable number: 2 frames are NaN alone"),
        ({"a": ONE, "b": np.ones((2, 2))}, {"present": {"b": [False, False]}}, "modality 'b' is in no sample"),
        ({"a": ONE, "b": ONE}, {"present": {"b": [True]}}, r"presence has shape \(1,\)"),
        ({"a": ONE, "b": ONE}, {"present": {"b": ["no", "yes"]}}, "modality 'b': presence holds 'no'"),
        ({"a": ONE, "b": ONE}, {"present": {"b": [np.nan, 1]}}, "presence holds 'nan'"),
        ({"a": ONE, "b": ONE}, {"present": {"b": np.array([-1, 1])}}, "presence holds '-1'"),
        ({"a": ONE, "b": ONE}, {"present": {"b": np.array([True, "False"], object)}}, "presence holds 'False'"),
        ({"a": ONE, "b": ONE}, {"valid": {"b": [["0"], ["1"]]}}, "modality 'b': validity holds '0'"),
        ({"a": ONE, "complete": ONE}, {}, "a modality is called 'complete'\\S* which means something else"),
        ({"a": ONE, "b": np.ones((2, 4, 3))}, {"valid": {"b": np.ones((2, 3))}}, r"validity has shape \(2, 3\)"),
        ({"a": ONE, "b": ONE}, {"dims": {"b": 5}}, "modality 'b' has 3 features, expected 5"),
        ({"a": ONE, "b": ONE}, {"splits": ["train", "tset"]}, "holds 'tset', which is no split\n.*did you mean 'test'"),
        ({"a": ONE, "b": ONE}, {"splits": [0, 3]}, "holds 3, which is no split"),
        ({"a": [ONE, None], "b": [ONE, None]}, {}, r"1 of 2 samples have no modality at all \(1\)"),
        ({"a": np.ones((0, 3)), "b": np.ones((0, 3))}, {}, "holds no sample"),
        ({"a": None, "b": None}, {"dims": {"a": 1, "b": 1}}, "the number of samples is unknown"),
    ],
)
def test_errors_name_what_is_wrong(features, options, message):
    with pytest.raises(DataError, match=message):
        from_arrays(features, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"present": {"aa": [1, 1]}}, "presence is given for 'aa'.*\n.*did you mean 'a'"),
        ({"default_label": "z"}, "there is no label column 'z'"),
        ({"kinds": {"z": "regression"}}, "there is no label column 'z'"),
        ({"valid": {"a": ONE}, "_list": True}, "validity is for"),
    ],
)
def test_names_that_do_not_exist(options, message):
    options = dict(options)
    features = {"a": [ONE, ONE] if options.pop("_list", False) else ONE, "b": ONE}
    with pytest.raises(UsageError, match=message):
        from_arrays(features, labels=[0.5, 1.5], **options)


def test_samples_without_any_modality_can_be_left_out():
    samples = from_arrays({"a": [ONE, None], "b": [ONE, None]}, labels=[1.5, 2.5], drop_empty=True)
    assert samples.ids.tolist() == ["0"]
    assert samples.label().values.tolist() == [1.5]
