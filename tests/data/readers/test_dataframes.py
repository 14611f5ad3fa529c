"""Tables, columns and tensors as arrays: the same numbers, or a refusal that says what a value is."""

from collections import deque
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from md2n.data.readers.arrays import from_arrays
from md2n.data.readers.dataframes import column, plain
from md2n.data.readers.tables import from_tables
from md2n.errors import DataError
from tests.data.tables import NA, ArrowLike, PandasLike, PolarsLike, Series

X = np.arange(6.0).reshape(3, 2) + 1


@pytest.mark.parametrize("kind", [PandasLike, PolarsLike, ArrowLike])
def test_a_table_is_its_numbers(kind):
    assert np.array_equal(plain(kind.of(X), "x"), X)
    holey = X.copy()
    holey[1, 0] = np.nan
    assert np.array_equal(plain(kind.of(holey), "x"), holey, equal_nan=True)


def test_cells_of_every_kind():
    mixed = PandasLike({"n": [1, NA, 3], "b": [True, None, False], "f": np.array([0.5, 1.5, np.nan])})
    assert np.array_equal(plain(mixed, "x"), [[1, 1, 0.5], [np.nan, np.nan, 1.5], [3, 0, np.nan]], equal_nan=True)


@pytest.mark.parametrize(
    "value",
    [torch.tensor(X), torch.tensor(X, dtype=torch.bfloat16), torch.tensor(X, requires_grad=True), X.tolist()],
)
def test_tensors_and_lists(value):
    assert np.array_equal(np.asarray(plain(value, "x")), X)
    samples = from_arrays({"a": value, "b": X}, torch.tensor([0, 1, 1]))
    assert np.array_equal(samples.modalities["a"].values, X.astype(np.float32))
    assert samples.label().values.tolist() == [0, 1, 1]


def test_a_list_may_hold_a_table_per_sample():
    samples = from_arrays({"a": [PandasLike.of(X), None, torch.tensor(X[:1])], "b": X})
    assert samples.modalities["a"].lengths.tolist() == [3, 0, 1]
    assert np.array_equal(samples.modalities["a"].sample(0), X.astype(np.float32))


class Sparse:
    def toarray(self) -> np.ndarray:
        return X


class Lazy:
    columns = ("a",)

    def collect(self) -> PandasLike:
        return PandasLike.of(X)


class Exchange:
    def to_pandas(self) -> PandasLike:
        return PandasLike.of(X)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (PandasLike({"id": ["a", "b", "c"], "x": [1, 2, 3]}), "whose column 'id' holds no numbers but 'a' \\(row 0\\)"),
        (PolarsLike({"x": [1, 2, "n/a"]}), "whose column 'x' holds no numbers but 'n/a' \\(row 2\\)"),
        (ArrowLike({"x": [[1], [2], [3]]}), "whose column 'x' holds no numbers but 'a list'"),
        (ArrowLike({}), "modality 'a' is a ArrowLike without columns"),
        (Sparse(), r"modality 'a' is a sparse Sparse\n.*\.toarray\(\)"),
        (Lazy(), r"modality 'a' is a Lazy, whose numbers are not computed yet\n.*\.collect\(\)"),
        ({"s0": X}, "modality 'a' is a dict, not an array"),
        ((x for x in X), "modality 'a' is a generator, not an array"),
        ("audio.npy", "modality 'a' is a str, not an array"),
        (5, "modality 'a' is a int, not an array"),
        (np.array(5), "modality 'a' is a single value, 5"),
    ],
)
def test_what_is_no_array_is_named(value, message):
    with pytest.raises(DataError, match=message):
        from_arrays({"a": value, "b": X})


def test_what_can_become_a_table_or_a_list_does():
    assert np.array_equal(plain(Exchange(), "x"), X)
    assert np.array_equal(np.asarray(plain(deque(X), "x")), X)


def test_columns_serve_as_labels_ids_splits_and_groups():
    samples = from_arrays(
        {"a": PandasLike.of(X), "b": PolarsLike.of(X)},
        Series(["joy", "sad", "joy"]),
        ids=Series(["s0", "s1", "s2"]),
        splits=Series(["train", "valid", None]),
        groups={"who": Series(["p", "q", "p"])},
    )
    assert samples.label().task.classes == ("joy", "sad")
    assert samples.ids.tolist() == ["s0", "s1", "s2"]
    assert samples.split.tolist() == [0, 1, 255]
    assert samples.groups["who"].tolist() == ["p", "q", "p"]
    table = from_arrays({"a": X, "b": X}, PandasLike({"y": np.array([0, 1, 1]), "age": np.array([1.5, 2.5, 3.5])}))
    assert (list(table.labels), table.default_label) == (["y", "age"], "y")
    assert from_arrays({"a": X, "b": X}, splits=Series([0, 1, NA])).split.tolist() == [0, 1, 255]


def test_what_is_unknown_in_a_column_is_none():
    assert column(Series([1, NA, 0])).tolist() == [1, None, 0]
    assert column(np.array(["joy", NA, None], object)).tolist() == ["joy", None, None]
    assert column(Series(["joy", "sad", float("nan")])).tolist() == ["joy", "sad", None]
    assert np.isnan(column(Series([0.5, None, float("nan")]))[2])
    assert column(Series([1, 0, 1])).dtype.kind == "i"


def test_rows_of_other_names_are_not_joined_by_position():
    names = [5, 3, 8]
    table = PandasLike.of(X, index=names)
    assert len(from_arrays({"a": table, "b": PandasLike.of(X, index=names)}, Series([0, 1, 0], names))) == 3
    assert len(from_arrays({"a": table, "b": PolarsLike.of(X)}, [0, 1, 0])) == 3
    assert len(from_arrays({"a": table, "b": PandasLike.of(X)}, Series([0, 1, 0]))) == 3
    with pytest.raises(
        DataError, match=r"rows of modality 'a' and labels are not the same: 5, 3, 8 and 8, 3, 5\n.*loc"
    ):
        from_arrays({"a": table, "b": X}, Series([0, 1, 0], names[::-1]))
    shuffled = PandasLike.of(X, index=[2, 0, 1])
    with pytest.raises(DataError, match=r"rows of modality 'a' and labels are not the same: 2, 0, 1 and 0, 1, 2"):
        from_arrays({"a": shuffled, "b": X}, Series([0, 1, 0]))


def test_tables_of_other_rows_are_sent_to_the_join():
    with pytest.raises(DataError, match=r"counts differ: .*\n.*from_tables joins tables of other rows by id"):
        from_arrays({"a": PandasLike.of(X), "b": PandasLike.of(X[:2])})


def test_an_empty_array_is_absent():
    empty = np.array([])
    samples = from_arrays({"a": [X, empty, X[:1]], "b": [X, X, np.zeros((1, 0))], "c": empty}, dims={"c": 4})
    assert samples.present.tolist() == [[True, True, False], [False, True, False], [True, False, False]]
    with pytest.raises(DataError, match="'c' is in no sample"):
        from_arrays({"a": X, "b": X, "c": empty})
    with pytest.raises(DataError, match=r"feature sizes differ between samples: 2, 3 \(2 in sample 0, 3 in sample 2\)"):
        from_arrays({"a": [X, empty, np.ones((1, 3))], "b": X})


def test_zeros_at_the_ends_are_counted():
    cube = np.ones((2, 4, 3))
    cube[0, 2:] = 0
    cube[1] = 0
    vectors = np.array([[1.0, 2], [0, 0]])
    samples = from_arrays({"a": cube, "v": vectors, "b": X[:2]})
    words = "a: 6 frames of zeros alone at the start or end of 2 samples (1 of them hold nothing else) were kept"
    assert samples.notes[0].startswith(words)
    assert samples.notes[1].startswith("v: 1 samples of zeros alone were kept")
    assert samples.source["zeros"] == {"a": "measurement"}
    flagged = from_arrays({"a": cube, "b": X[:2]}, valid={"a": cube.any(axis=2)})
    assert flagged.notes == ()
    assert flagged.source["zeros"] == {"a": "padding"}


# --- the libraries themselves, where they are ------------------------------------------------------------------------


def of_library(name: str, held: dict[str, list[Any]]) -> Any:
    library = pytest.importorskip(name)
    return library.table(held) if name == "pyarrow" else library.DataFrame(held)


@pytest.mark.parametrize("name", ["pandas", "polars", "pyarrow"])
def test_the_libraries_tables(name):
    table = of_library(name, {"g1": [1.0, None, 3.0], "g2": [4, 5, None], "g3": [True, False, True]})
    expected = [[1, 4, 1], [np.nan, 5, 0], [3, np.nan, 1]]
    assert np.array_equal(plain(table, "x"), expected, equal_nan=True)
    with pytest.raises(DataError, match="column 'id' holds no numbers but 's0'"):
        plain(of_library(name, {"id": ["s0", "s1"], "g": [1, 2]}), "x")
    labels = of_library(name, {"y": ["joy", None, "sad"], "k": [1, 0, 1]})
    samples = from_arrays({"a": X, "b": of_library(name, {"g": [1.0, 2.0, 3.0]})}, labels)
    assert samples.label("y").task.classes == ("joy", "sad")
    assert samples.label("k").task.classes == ("0", "1")
    one = labels["y"]
    assert from_arrays({"a": X, "b": X}, one).label().values.tolist() == [0, -1, 1]
    joined = from_tables(
        {
            "rna": of_library(name, {"id": ["b", "a"], "g": [1.5, 2.5]}),
            "sex": of_library(name, {"id": ["a"], "s": [1]}),
        },
        of_library(name, {"id": ["a", "b"], "split": ["train", "test"], "y": [0, 1]}),
    )
    assert joined.present.tolist() == [[True, True], [True, False]]
    assert joined.modalities["rna"].values.tolist() == [[2.5], [1.5]]


def test_pandas_own_missing_values():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": pd.array([True, None, False], "boolean")})
    assert np.array_equal(plain(table, "x"), [[1, 1], [np.nan, np.nan], [3, 0]], equal_nan=True)
    words = pd.Series(["joy", None, "sad"], dtype="string")
    assert column(words).tolist() == ["joy", None, "sad"]
    kinds = pd.Series(["joy", None, "sad"], dtype="category")
    codes = kinds.cat.codes  # -1 where a value is missing: a number means nothing by itself
    assert from_arrays({"a": X, "b": X}, codes, unknown=(-1,)).label().task.classes == ("0", "1")
    shuffled = pd.DataFrame(X).sample(frac=1, random_state=1)
    with pytest.raises(DataError, match="are not the same"):
        from_arrays({"a": shuffled, "b": X}, pd.Series([0, 1, 1]))


def test_lazy_tables_are_asked_to_be_computed():
    polars = import_module("polars") if pytest.importorskip("polars") else None
    with pytest.raises(DataError, match=r"LazyFrame, whose numbers are not computed yet\n.*\.collect\(\)"):
        plain(polars.DataFrame({"a": [1.0]}).lazy(), "x")
