"""One table with all modalities side by side: every library's table, Parquet and CSV give the same samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from md2n.data.readers.detect import read
from md2n.data.readers.wide import chosen_columns, guessed_columns
from md2n.data.readers.wide_table import from_table, read_table
from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError

N = 23


def columns(rows: int = N) -> dict[str, list[Any]]:
    """Numbers, an embedding, frames, and a sequence over two columns; row 5 misses a modality, row 2 a number."""
    rng = np.random.default_rng(0)
    held: dict[str, list[Any]] = {f"acc_{c}": rng.normal(size=rows).tolist() for c in "xyz"}
    held["acc_x"][2] = None
    for c in "xyz":
        held[f"acc_{c}"][5] = None
    held["emb"] = [None if i % 4 == 0 else rng.normal(size=3).tolist() for i in range(rows)]
    held["seq"] = [None if i % 3 == 0 else rng.normal(size=(1 + i % 2, 2)).tolist() for i in range(rows)]
    lengths = [1 + i % 3 for i in range(rows)]
    held["eda_a"] = [None if i == 7 else rng.normal(size=n).tolist() for i, n in enumerate(lengths)]
    held["eda_b"] = [None if i == 7 else rng.normal(size=n).tolist() for i, n in enumerate(lengths)]
    held["seq"][1] = [None]  # a frame that is missing in a sequence that is there
    return held | {"y": [i % 2 for i in range(rows)], "who": [f"p{i // 5}" for i in range(rows)]}


CHOICE = {"acc": "acc_*", "emb": "emb", "seq": ["seq"], "eda": "eda_"}


def table(library: str, held: dict[str, list[Any]]) -> Any:
    module = pytest.importorskip(library)
    return module.table(held) if library == "pyarrow" else module.DataFrame(held)


def same(one: Samples, other: Samples) -> None:
    assert one.names == other.names
    for name in one.names:
        a, b = one.modalities[name], other.modalities[name]
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.offsets, b.offsets)
        np.testing.assert_array_equal(a.known(), b.known())
    assert one.labels["y"].task == other.labels["y"].task
    np.testing.assert_array_equal(one.labels["y"].values, other.labels["y"].values)
    np.testing.assert_array_equal(one.groups["who"], other.groups["who"])


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_table_of_any_library_holds_what_its_cells_say(library: str) -> None:
    held = columns()
    held["seq"][1] = [[None, None], [1.0, 2.0]]
    samples = from_table(table(library, held), "y", modalities=CHOICE, groups="who")
    assert {k: (r.dim, int(r.lengths.max())) for k, r in samples.modalities.items()} == {
        "acc": (3, 1),
        "emb": (3, 1),
        "seq": (2, 2),
        "eda": (2, 3),
    }
    assert not samples.present[5, 0]
    assert not samples.present[7, 3]
    assert samples.present[:, 1].tolist() == [i % 4 != 0 for i in range(N)]
    acc = samples.modalities["acc"]
    assert acc.known()[2].tolist() == [False, True, True]
    np.testing.assert_allclose(acc.sample(3)[0], [held[f"acc_{c}"][3] for c in "xyz"], rtol=1e-6)
    assert samples.modalities["seq"].valid[: samples.modalities["seq"].offsets[2]].tolist() == [False, True]
    np.testing.assert_allclose(samples.modalities["eda"].sample(2)[:, 1], held["eda_b"][2], rtol=1e-6)
    assert samples.labels["y"].task.classes == ("0", "1")


def test_parquet_in_pieces_gives_what_the_table_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    held = columns()
    held["seq"][1] = [[None, None], [1.0, 2.0]]
    whole = table("pyarrow", held)
    parquet.write_table(whole, tmp_path / "t.parquet", row_group_size=6)
    monkeypatch.setattr("md2n.data.readers.table_file.MOST_ROWS", 1)
    samples = read(tmp_path / "t.parquet", columns=CHOICE, groups=("who",), label="y")
    same(samples, from_table(whole, "y", modalities=CHOICE, groups=["who"]))
    assert all(isinstance(r.values, np.memmap) for r in samples.modalities.values())


def test_rows_that_hold_nothing_are_refused_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    held = {"a_1": [1.0, None, 3.0, None], "b": [1.0, None, None, 2.0], "y": [0, 1, 1, 0]}
    parquet.write_table(table("pyarrow", held), tmp_path / "t.parquet")
    monkeypatch.setattr("md2n.data.readers.table_file.MOST_ROWS", 1)
    with pytest.raises(DataError, match="1 of 4 rows hold no modality at all"):
        read_table(tmp_path / "t.parquet")
    samples = read_table(tmp_path / "t.parquet", drop_empty=True)
    assert samples.ids.tolist() == ["0", "2", "3"]
    assert samples.present.tolist() == [[True, True], [True, False], [False, True]]
    assert samples.labels["y"].values.tolist() == [0, 1, 0]


def test_csv_gives_the_same_numbers_and_labels(tmp_path: Path) -> None:
    held = {k: v for k, v in columns().items() if k[:3] in ("acc", "y", "who")} | {"hr1": list(range(N))}
    lines = [",".join(held), *(",".join("" if v is None else str(v) for v in row) for row in zip(*held.values()))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    samples = read(tmp_path / "t.csv", groups=("who",))
    assert samples.notes[0].startswith("modalities were guessed from the names of columns (acc: acc_x to acc_z, 3 col")
    same(samples, from_table(table("pyarrow", held), groups="who"))


@pytest.mark.parametrize("cell", ["1_0", "١٢"])
def test_what_python_alone_takes_for_a_number_is_none(tmp_path: Path, cell: str) -> None:
    (tmp_path / "t.csv").write_text(f"a_1,a_2,b_1,b_2\n1,2,3,4\n{cell},2,3,4\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"'{cell}'"):
        read_table(tmp_path / "t.csv", columns={"a": "a_*", "b": "b_*"})


def test_labels_splits_and_ids_are_columns(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    held = {"id": [4.0, 5.0], "split": ["train", "test"], "a_1": [1.0, 2.0], "b_1": [3.0, 4.0], "mood": ["low", None]}
    samples = from_table(pandas.DataFrame(held), "mood")
    assert samples.ids.tolist() == ["4", "5"]
    assert samples.split.tolist() == [0, 2]
    assert samples.labels["mood"].values.tolist() == [0, -1]
    with pytest.raises(DataError, match="id '4' is in rows 0 and 1"):
        from_table(pandas.DataFrame(held | {"id": [4, 4]}), "mood")
    with pytest.raises(UsageError, match="no column 'moood'"):
        from_table(pandas.DataFrame(held), "moood")


def test_what_cannot_be_read_is_named() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a_1": [[1.0], [[2.0]]], "b_1": ["x", "y"], "c": [1.0, 2.0], "d": [None, None]})
    with pytest.raises(DataError, match="column 'b_1' holds no numbers but 'x'"):
        from_table(frame, modalities={"b": "b_1", "c": "c"})
    with pytest.raises(DataError, match="modality 'd' is in no row"):
        from_table(frame, modalities={"d": "d", "c": "c"})
    ragged = pandas.DataFrame({"a_1": [[1.0, 2.0]], "a_2": [[1.0]], "c": [1.0]})
    with pytest.raises(DataError, match="different lengths"):
        from_table(ragged, modalities={"a": "a_*", "c": "c"})
    with pytest.raises(DataError, match="1 modalities by what their names begin with: a"):
        from_table(pandas.DataFrame({"a_1": [1.0], "a_2": [2.0]}))


def test_columns_are_named_by_name_number_pattern_prefix_and_slice() -> None:
    names = ["a1", "a2", "b_x", "b_y", "c"]
    wanted = {"one": "a1", "two": slice(1, 2), "three": "b_", "four": [4]}
    assert chosen_columns(names, wanted) == {"one": ("a1",), "two": ("a2",), "three": ("b_x", "b_y"), "four": ("c",)}
    with pytest.raises(UsageError, match="column 'a1' is in the modalities 'a' and 'b'"):
        chosen_columns(names, {"a": "a*", "b": ["a1"]})
    with pytest.raises(UsageError, match="'z' fits none"):
        chosen_columns(names, {"a": "z"})
    with pytest.raises(UsageError, match="no column 9"):
        chosen_columns(names, {"a": [9]})
    with pytest.raises(DataError, match="make 13 modalities"):
        guessed_columns([f"{c}_1" for c in "abcdefghijklm"])


def test_a_data_set_of_hugging_face_is_read_through_arrow() -> None:
    arrow = pytest.importorskip("pyarrow")

    class Dataset:
        """As far as md2n asks it of ``datasets.Dataset``."""

        def __init__(self, held: Any) -> None:
            self.held, self.column_names = held, held.column_names

        def with_format(self, kind: str) -> Any:
            assert kind == "arrow"
            return self

        def __getitem__(self, rows: slice) -> Any:
            return self.held[rows]

    held = {"a_1": [1.0, None], "b_1": [[1.0, 2.0], [3.0, 4.0]], "y": [0.5, 1.5]}
    samples = from_table(Dataset(arrow.table(held)), "y")
    assert samples.present.tolist() == [[True, True], [False, True]]
    assert samples.modalities["b_1"].dim == 2
