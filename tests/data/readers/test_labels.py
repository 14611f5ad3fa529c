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
        (np.array([3, 1, -1, 7]), ("classification", ("-1", "1", "3", "7"), [2, 1, 0, 3])),
        (np.array([-1, 1, -1], np.int8), ("classification", ("-1", "1"), [0, 1, 0])),
        (np.array([-1, 0, 1, -2]), ("classification", ("-2", "-1", "0", "1"), [1, 2, 3, 0])),
        (np.array([[2], [4]]), ("classification", ("2", "4"), [0, 1])),
        (np.array([10, 9, 2]), ("classification", ("2", "9", "10"), [2, 1, 0])),
        ([b"a", None, b"b"], ("classification", ("a", "b"), [0, -1, 1])),
        (np.array([b"a", b"", "ü".encode()]), ("classification", ("a", "ü"), [0, -1, 1])),
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
    coded = told(np.array([0, 2, -1]), classes=["a", "b", "c"], unknown=(-1,))
    assert coded == ("classification", ("a", "b", "c"), [0, 2, -1])
    # Numbers that are names of classes are taken by name.
    assert told(np.array([-1, 1]), classes=["-1", "0", "1"]) == ("classification", ("-1", "0", "1"), [0, 2])
    assert told(["b", "a"], classes=["b", "a", "c"]) == ("classification", ("b", "a", "c"), [0, 1])


def test_a_constant_class_column_can_be_read():
    assert told(["a", "a"]) == ("classification", ("a", "(unused)"), [0, 0])


@pytest.mark.parametrize(
    ("values", "options", "error", "message"),
    [
        (np.zeros((2, 3)), {}, DataError, r"label 'y' has shape \(2, 3\)"),
        (np.array([0.5, 1]), {"kind": "classification"}, DataError, r"holds 0\.5, which is no class code"),
        (np.zeros((2, 6)), {}, DataError, r"6 columns\n.*chosen by name"),
        (np.array(["2020-01-01"], "M8[D]"), {}, DataError, "is of type datetime64"),
        (np.array([[1, 2], None], object), {}, DataError, "neither a number nor text"),
        (["1,000", "2,500"], {}, DataError, "decimals or of thousands.*\n.*with a point"),
        (["1,5", "2.5"], {}, DataError, "decimals or of thousands"),
        (["0.5", "joy"], {"kind": "regression"}, DataError, "holds text, so it cannot be real-valued: 'joy'"),
        (np.array([0, 3]), {"classes": ["a", "b"]}, DataError, "holds code 3, but there are 2 classes"),
        (np.array([-1, 1]), {"classes": ["a", "b"]}, DataError, "holds code -1, but .*\n.*unknown=\\(-1,\\)"),
        (["sadd"], {"classes": ["sad", "happy"]}, DataError, "holds 'sadd'.*\n.*did you mean 'sad'"),
        (["a"], {"kind": "regression"}, DataError, "holds text, so it cannot be real-valued"),
        (np.zeros(2), {"kind": "regresion"}, UsageError, "no kind is called 'regresion'\n.*did you mean 'regression'"),
    ],
)
def test_errors(values, options, error, message):
    with pytest.raises(error, match=message):
        label_column(values, "y", **options)


class NAType:
    """As pandas' NA: neither equal to itself nor unequal, and of no truth value."""

    def __eq__(self, other):
        return self

    __ne__ = __eq__
    __hash__ = None

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")


class NaTType(NAType):
    """As pandas' NaT."""


@pytest.mark.parametrize(
    "gap", [None, float("nan"), np.float32("nan"), NAType(), NaTType(), np.datetime64("NaT"), "", "nan", "NaN", "NA"]
)
def test_a_gap_changes_neither_the_kind_nor_the_classes(gap):
    assert told(np.array(["joy", "sad", gap], object)) == ("classification", ("joy", "sad"), [0, 1, -1])
    assert told(np.array([0, 1, gap], object))[1:] == (("0", "1"), [0, 1, -1])
    assert told(np.array([True, False, gap], object))[1:] == (("false", "true"), [1, 0, -1]) or isinstance(gap, str)
    kind, _, values = told(np.array([0.5, 1.5, gap], object), kind="regression")
    assert (kind, values[:2], np.isnan(values[2])) == ("regression", [0.5, 1.5], True)


@pytest.mark.parametrize("word", ["null", "<NA>", "N/A", "n/a", "NaT", "None", " nan ", "NULL"])
def test_words_for_nothing_are_unknown_unless_they_are_called_a_class(word):
    assert told(["a", "b", word])[1:] == (("a", "b"), [0, 1, -1])
    assert told(np.array(["a", "b", word]), classes=["a", "b", word.strip()])[2] == [0, 1, 2]
    assert told(["none", "na", "a"])[1] == ("a", "na", "none")  # in another spelling they are words like any other


def test_whole_numbers_with_a_gap_are_classes_and_those_without_are_as_they_are_stored():
    assert told(np.array([0, 1, np.nan])) == ("classification", ("0", "1"), [0, 1, -1])
    assert told(np.array([-1, 1, np.nan], np.float32)) == ("classification", ("-1", "1"), [0, 1, -1])
    assert told(np.ma.masked_array([0, 1, 7], mask=[False, False, True]))[1:] == (("0", "1"), [0, 1, -1])
    assert told(np.array([0.0, 1.0, 2.0]))[0] == "regression"
    assert told(np.array([0.0, 1.5, np.nan]))[0] == "regression"
    assert told(np.append(np.arange(51.0), np.nan))[0] == "regression"
    assert told(np.array([np.nan, np.nan]))[0] == "regression"


@pytest.mark.parametrize("unknown", [(-1,), ("-1",), (-1.0,)])
def test_what_the_caller_calls_unknown_is(unknown):
    assert told(np.array([0, 1, -1]), unknown=unknown) == ("classification", ("0", "1"), [0, 1, -1])
    assert told(["0", "1", "-1"], unknown=unknown) == ("classification", ("0", "1"), [0, 1, -1])
    values = told(np.array([0.5, -1, -0.5]), unknown=unknown)[2]
    assert values[0::2] == [0.5, -0.5] and np.isnan(values[1])
    assert told(["a", "?", "b"], unknown=("?",))[1:] == (("a", "b"), [0, -1, 1])


def test_decimal_commas_are_decimals():
    assert told(["0,5", "-1,25", "2", ""])[::2][0] == "regression"
    assert told(["0,5", "-1,25", "2"])[2] == [0.5, -1.25, 2.0]
    assert told(["0,5", "1,0"], kind="classification")[1] == ("0,5", "1,0")
    assert told(["a,b", "0,5"])[1] == ("0,5", "a,b")
    assert told(["1,234", "0,5"])[2] == [pytest.approx(1.234), 0.5]


def test_numbers_with_underscores_are_words():
    assert told(["1_2", "2_3"], kind=None)[0] == "classification"
