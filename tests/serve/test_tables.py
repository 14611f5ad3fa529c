"""A table in, the same kind of table out: nothing missing, no known cell changed; in files in any number of pieces."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import md2n
from md2n.data.readers.wide_cells import TextColumns
from md2n.errors import DataError, UsageError
from md2n.serve.predictor import Predictor
from tests.serve.trained import quick

N = 60


def columns() -> dict[str, list[Any]]:
    """Numbers, whole numbers and frames of one cause; every row has something."""
    rng = np.random.default_rng(0)
    cause = rng.normal(size=N)
    held: dict[str, list[Any]] = {f"acc_{c}": (cause + rng.normal(size=N) / 9).tolist() for c in "xy"}
    held["acc_x"][4] = held["acc_x"][6] = held["acc_y"][6] = None
    held["step_1"] = [None if i > 30 and i % 7 == 5 else int(100 * c) for i, c in enumerate(cause)]
    held["seq"] = [None if i % 3 == 2 else np.full((2 + i % 2, 2), c).tolist() for i, c in enumerate(cause)]
    held["seq"][1] = [[cause[1], None], [None, None]]
    return held | {"y": ["low" if c < 0 else "high" for c in cause], "note": ["="] * N}


def frame(library: str) -> Any:
    module = pytest.importorskip(library)
    return module.table(columns()) if library == "pyarrow" else module.DataFrame(columns())


@pytest.fixture(scope="module")
def model() -> Predictor:
    pytest.importorskip("pyarrow")
    return md2n.fit(frame("pyarrow"), "y", progress=False, **quick())


def cell(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def pairs(before: Any, after: Any) -> Any:
    if isinstance(before, list):
        assert isinstance(after, list)
        assert len(before) == len(after)
        for one, other in zip(before, after):
            yield from pairs(one, other)
    else:
        yield before, after


def held_by(table: Any) -> dict[str, list[Any]]:
    if hasattr(table, "to_pydict"):
        return table.to_pydict()
    return {name: [cell(v) for v in table[name].to_list()] for name in table.columns}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_table_comes_back_filled_with_every_known_cell_as_it_was(model: Predictor, library: str) -> None:
    table = frame(library)
    filled = model.recover(table).into(table)
    assert type(filled) is type(table)
    before, after = columns(), held_by(filled)
    assert list(after)[: len(before)] == list(before)
    assert list(after)[len(before) :] == ["acc_x_std", "acc_y_std", "step_1_std", "seq_std"]
    for name, values in before.items():
        for one, other in zip(values, after[name]):
            for known, now in pairs(one, other) if one is not None else [(None, other)]:
                assert now is not None
                assert known is None or known == now
    numbers = [v for name in ("acc_x", "acc_y", "step_1") for v in after[name]]
    assert np.isfinite(numbers).all()
    assert all(np.isfinite(v).all() for v in after["seq"])
    widths = after["acc_x_std"]
    assert widths[3] == 0
    assert min(widths[4], widths[6]) > 0


def test_rows_of_one_label_stay_apart(model: Predictor) -> None:
    """As after two frames are put one below the other: joined by label, 4 rows became 8."""
    table = frame("pandas").head(4)
    twice = table.set_axis(["a", "b", "a", "b"])
    for answer in (model.recover, model.predict):
        plain, labelled = answer(table).into(table), answer(twice).into(twice)
        assert labelled.index.tolist() == ["a", "b", "a", "b"]
        assert labelled.reset_index(drop=True).equals(plain)


def test_another_table_is_not_filled(model: Predictor) -> None:
    table = frame("pandas")
    recovered = model.recover(table)
    with pytest.raises(DataError, match="holds other numbers than when it was recovered"):
        recovered.into(table.iloc[::-1])
    with pytest.raises(DataError, match="'seq' holds other numbers"):
        recovered.into(table.assign(seq=table["seq"].to_list()[::-1]))


def test_cells_of_a_dictionary_are_looked_up_and_a_batch_is_a_table(model: Predictor) -> None:
    """Arrow gives an empty cell of a dictionary any of its words."""
    arrow = pytest.importorskip("pyarrow")
    table = frame("pyarrow")
    place = table.column_names.index("step_1")
    coded = table.set_column(place, "step_1", table["step_1"].dictionary_encode())
    plain = model.recover(table).into(table)
    assert model.recover(coded).into(coded).equals(plain)
    (batch,) = table.to_batches()
    assert arrow.Table.from_batches([model.recover(batch).into(batch)]).equals(plain)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda t: t.lazy(), r"is a LazyFrame.*\n.*\.collect\(\) first"),
        (lambda t: t["acc_x"], r"Series.*\n.*one row is"),
        (lambda t: t.select("acc_x", "acc_y").to_numpy(), "nothing says which column is of which modality"),
        (lambda t: t.to_dicts(), r"records.*\n.*pandas\.DataFrame\(records\)"),
        (lambda t: 5, "of the type int"),
    ],
)
def test_data_of_another_kind_are_refused(data: Any, words: str, model: Predictor) -> None:
    given = data(frame("polars"))
    for refused in (lambda: model.predict(given), lambda: md2n.fit(given, "y")):
        with pytest.raises(DataError, match=words):
            refused()
    with pytest.raises(DataError, match="no data in memory"):
        model.predict("table.parquet")


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_two_columns_of_one_name_are_refused(model: Predictor, library: str) -> None:
    table = frame(library)
    table = table[["acc_x", *table.columns]] if library == "pandas" else table.append_column("acc_x", table["acc_x"])
    for refused in (lambda: model.recover(table), lambda: md2n.fit(table, "y")):
        with pytest.raises(DataError, match="several columns of the name 'acc_x'"):
            refused()


def test_predictions_are_columns_beside_those_of_the_table(model: Predictor) -> None:
    table = frame("pyarrow")
    answer = model.predict(table)
    beside = answer.into(table)
    assert beside.column_names == [*table.column_names, "prediction", "std", "p_high", "p_low", "available"]
    assert beside["prediction"].to_pylist() == answer.labels.tolist()
    assert beside["available"].to_pylist()[6] == "step+seq"
    with pytest.raises(DataError, match="has a column 'prediction' already"):
        answer.into(beside)


def test_a_table_is_answered_as_its_arrays_are(model: Predictor) -> None:
    held = columns()
    arrays = {
        "acc": np.array([held["acc_x"], held["acc_y"]], float).T,
        "step": np.array(held["step_1"], float)[:, None],
        "seq": [None if v is None else np.array(v, float) for v in held["seq"]],
    }
    np.testing.assert_array_equal(model.predict(frame("pyarrow")).output, model.predict(arrays).output)
    left_out = frame("pyarrow").drop(["seq"])
    np.testing.assert_array_equal(model.predict(left_out).output, model.predict(arrays | {"seq": None}).output)


def test_tables_that_do_not_fit_are_refused_by_name(model: Predictor) -> None:
    table = frame("pyarrow")
    with pytest.raises(DataError, match="lacks 1 of 2 columns of modality 'acc', such as 'acc_y'"):
        model.predict(table.drop(["acc_y"]))
    with pytest.raises(DataError, match="no column of any modality"):
        model.predict(table.select(["y", "note"]))
    with pytest.raises(DataError, match="has 59 rows, 60 were recovered"):
        model.recover(table).into(table[:59])
    with pytest.raises(UsageError, match="splits, ids and groups of a table are columns"):
        md2n.fit(table, "y", splits=["train"] * N)
    with pytest.raises(UsageError, match="modalities are named for one table"):
        md2n.fit({"a": np.ones((4, 2))}, [0, 1, 0, 1], modalities={"a": "a"})


def test_a_list_of_arrays_is_filled_in_place_of_each() -> None:
    rng = np.random.default_rng(0)
    cause = rng.normal(size=(N, 1))
    blocks = [cause + rng.normal(size=(N, d)) / 9 for d in (2, 3)]
    blocks[0][::4] = np.nan
    blocks[1][1, 2] = np.nan
    model = md2n.fit(blocks, cause[:, 0] > 0, progress=False, **quick())
    assert model.schema.names == ("block1", "block2")
    filled = model.recover(blocks).into(blocks)
    for before, after in zip(blocks, filled):
        known = np.isfinite(before)
        np.testing.assert_array_equal(after[known], before[known])
        assert np.isfinite(after).all()
    with pytest.raises(DataError, match="1 arrays were given for 2 modalities"):
        model.predict(blocks[:1])


def test_a_csv_keeps_the_text_of_known_cells(model: Predictor) -> None:
    held = {k: v for k, v in columns().items() if k != "seq"}
    texts = TextColumns({k: ["" if v is None else f"{v}" for v in values] for k, values in held.items()})
    texts["step_1"][0] = "1e2"
    filled = model.recover(texts).into(texts)
    assert filled["step_1"][0] == "1e2"
    assert filled["note"] == texts["note"]
    assert filled["acc_x"][:4] == texts["acc_x"][:4]
    assert np.isfinite(float(filled["acc_x"][4]))


@pytest.mark.parametrize("rows", [7, 1000])
def test_a_file_in_pieces_is_answered_as_the_whole(
    model: Predictor, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from md2n.serve import table_files

    monkeypatch.setattr(table_files, "ROWS", rows)
    monkeypatch.setattr(model, "batch_size", 4)  # so that the same samples come in other batches
    table = frame("pyarrow")
    parquet.write_table(table, tmp_path / "in.parquet", row_group_size=20)
    done: list[tuple[int, int]] = []
    count = table_files.answer_file(
        model,
        tmp_path / "in.parquet",
        tmp_path / "out.parquet",
        lambda chunk, progress: model.recover(chunk, progress=progress).into(chunk),
        lambda now, total: done.append((now, total)),
        fills=True,
    )
    assert count == N
    assert done[-1] == (N, N)
    assert sorted(done) == done
    whole, pieces = model.recover(table).into(table).to_pydict(), parquet.read_table(tmp_path / "out.parquet")
    assert pieces.num_rows == N
    for name, values in pieces.to_pydict().items():
        for one, other in zip(whole[name], values):
            assert one == other if isinstance(one, str) else np.allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_whole_numbers_that_floats_do_not_hold_are_not_filled_beside(model: Predictor, library: str) -> None:
    """Filled, the column is one of floats, in which 2^53 + 1 would be another number."""
    module = pytest.importorskip(library)
    held = columns()
    held["step_1"] = [None if v is None else v + 2**53 + 1 for v in held["step_1"]]
    if library == "pandas":
        table = module.DataFrame(held).assign(step_1=module.array(held["step_1"], dtype="Int64"))
    else:
        table = module.table(held) if library == "pyarrow" else module.DataFrame(held)
    recovered = model.recover(table, check_units=False)
    with pytest.raises(DataError, match=r"'step_1' has empty cells to fill and whole numbers beyond 2\^53"):
        recovered.into(table)


def test_nothing_is_left_of_an_answer_that_fails(model: Predictor, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    from md2n.serve.table_files import answer_file, answers_table

    parquet.write_table(frame("pyarrow"), tmp_path / "in.parquet")
    (tmp_path / "out.parquet").write_bytes(b"before")

    def fails(chunk: Any, progress: Any) -> Any:
        raise DataError("foreign units")

    with pytest.raises(DataError, match=r"in\.parquet': foreign units"):
        answer_file(model, tmp_path / "in.parquet", tmp_path / "out.parquet", fails)
    assert (tmp_path / "out.parquet").read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]
    with pytest.raises(UsageError, match="tables of two kinds"):
        answers_table(str(tmp_path / "in.parquet"), tmp_path / "out.csv")
    with pytest.raises(UsageError, match="is no Parquet file"):
        answers_table("digits", tmp_path / "out.parquet")
    assert not answers_table("digits", tmp_path / "out")
