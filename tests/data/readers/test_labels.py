"""Classes or real values: the rule, its exceptions, what is unknown."""

import numpy as np
import pytest

from md2n.data.readers.labels import label_column
from md2n.errors import DataError, UsageError


def told(values, **options):
    column = label_column(values, "y", **options)
    return column.task.kind, column.task.classes, column.values.tolist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["sad", "happy", "", "sad"], ("classification", ("happy", "sad"), [1, 0, -1, 1])),
        ([True, False], ("classification", ("false", "true"), [1, 0])),
        (np.array([3, 1, -1, 7]), ("classification", ("1", "3", "7"), [1, 0, -1, 2])),
        (np.array([-1, 0, 1, -2]), ("classification", ("-2", "-1", "0", "1"), [1, 2, 3, 0])),
        (np.array([[2], [4]]), ("classification", ("2", "4"), [0, 1])),
        (np.array([10, 9, 2]), ("classification", ("2", "9", "10"), [2, 1, 0])),
        ([b"a", None, b"b"], ("classification", ("b'a'", "b'b'"), [0, -1, 1])),
    ],
)
def test_classes(values, expected):
    assert told(values) == expected


def test_real_values():
    kind, classes, values = told(np.array([1.0, 2.0, np.nan, np.inf]))
    assert (kind, classes, values[:2]) == ("regression", (), [1.0, 2.0])
    assert np.isnan(values[2:]).all()
    assert told(np.arange(51))[0] == "regression"
    assert told(np.arange(50))[0] == "classification"
    assert told([0.5, None])[0] == "regression"


def test_the_callers_word_overrides():
    assert told(np.array([1, 2]), kind="regression")[0] == "regression"
    assert told(np.array([1.0, 3.0, np.nan]), kind="classification") == ("classification", ("1", "3"), [0, 1, -1])
    assert told(np.array([0, 2, -1]), classes=["a", "b", "c"]) == ("classification", ("a", "b", "c"), [0, 2, -1])
    assert told(["b", "a"], classes=["b", "a", "c"]) == ("classification", ("b", "a", "c"), [0, 1])


def test_a_constant_class_column_can_be_read():
    assert told(["a", "a"]) == ("classification", ("a", "(unused)"), [0, 0])


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        (np.zeros((2, 3)), {}, DataError, r"label 'y' has shape \(2, 3\)"),
        (np.array([0.5, 1]), {"kind": "classification"}, DataError, r"holds 0\.5, which is no class code"),
        (np.array([0, 3]), {"classes": ["a", "b"]}, DataError, "holds code 3, but there are 2 classes"),
        (["sadd"], {"classes": ["sad", "happy"]}, DataError, "holds 'sadd'.*\n.*did you mean 'sad'"),
        (["a"], {"kind": "regression"}, DataError, "holds text, so it cannot be real-valued"),
        (np.zeros(2), {"kind": "regresion"}, UsageError, "no kind is called 'regresion'\n.*did you mean 'regression'"),
    ],
)
def test_errors(values, options, error, message):
    with pytest.raises(error, match=message):
        label_column(values, "y", **options)
