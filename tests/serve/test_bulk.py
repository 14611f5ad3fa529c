"""Answers in parts: the same rows however the data are cut, batched, stopped and by whom they are answered."""

import dataclasses
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import md2n
from md2n.data.samples import Samples
from md2n.data.store import write_store
from md2n.errors import DataError, Md2nError, UsageError
from md2n.serve import table_files
from md2n.serve.bulk import FACTS, Answerer, Work, answer_in_parts
from md2n.serve.bulk_source import ParquetSource
from md2n.serve.ray_engine import Actor
from md2n.serve.tables import without
from tests.cli.commands import ask, refused
from tests.serve.trained import people, quick, trained

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
BATCH = 8


def table(samples: Samples) -> Any:
    """A row per sample: of the first modality every third is missing, of the second other ones; single gaps."""
    columns: dict[str, list[Any]] = {}
    for k, (name, ragged) in enumerate(samples.modalities.items()):
        rows = [ragged.sample(i).astype(float).tolist() for i in range(len(samples))]
        rows = [r[0] if len(r) == 1 else r for r in rows]
        columns[name] = [None if i % 3 == k else row for i, row in enumerate(rows)]
    first = next(iter(columns.values()))
    cell = first[40]
    (cell[0] if isinstance(cell[0], list) else cell)[1] = None
    return arrow.table({"name": list(samples.ids), **columns, "count": [None, *range(1, len(samples))]})


@pytest.fixture(scope="module")
def run(folder: Path, digits: Samples) -> Path:
    return trained(folder, "md2n", digits)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, digits: Samples) -> Path:
    path = tmp_path_factory.mktemp("bulk") / "table.parquet"
    parquet.write_table(table(digits), path, row_group_size=25)
    return path


def work(run: Path, data: Path, out: Path, **more: Any) -> Work:
    return Work(**{"what": "recover", "run": str(run), "data": str(data), "out": str(out), "batch": BATCH, **more})


def rows_of(out: Path) -> Any:
    return arrow.concat_tables([parquet.read_table(p) for p in sorted(out.glob("part-*.parquet"))])


@pytest.mark.parametrize("what", ["predict", "recover"])
def test_rows_do_not_depend_on_the_parts(
    what: str, run: Path, data: Path, digits: Samples, folder: Path, tmp_path: Path
) -> None:
    cut = {rows: tmp_path / f"cut-{rows}" for rows in (20, 64)}
    for rows, out in cut.items():
        assert answer_in_parts(work(run, data, out, what=what, rows=rows))[0] == len(digits)
    whole = rows_of(cut[64])
    assert [len(list(out.glob("*.parquet"))) for out in cut.values()] == [3, 1]  # 20 is no multiple of the batch
    assert rows_of(cut[20]).equals(whole)
    # In several files, with their row groups elsewhere.
    several = tmp_path / "several"
    several.mkdir()
    given = parquet.read_table(data)
    for name, part in (("b", given.slice(32)), ("a", given.slice(0, 32)), ("_c", given)):
        parquet.write_table(part, several / f"{name}.parquet", row_group_size=7)
    answer_in_parts(work(run, several, tmp_path / "of-several", what=what, rows=16))
    assert rows_of(tmp_path / "of-several").equals(whole)
    # In another batch beside other samples: rounding.
    answer_in_parts(work(run, data, tmp_path / "batch", what=what, batch=5, rows=10))
    for name in ("prediction", "available", "name"):
        if name in whole.column_names:
            assert rows_of(tmp_path / "batch")[name].equals(whole[name])
    # As the table in memory.
    predictor = md2n.load(run)
    if what == "predict":
        answer = predictor.predict(given)
        assert whole["prediction"].to_pylist() == answer.labels.tolist()
        assert np.allclose(whole["std"], answer.columns()["std"], atol=1e-5)
        assert whole.column_names[:2] == ["name", "count"]
        return
    recovered = predictor.recover(given)
    assert whole["name"].equals(given["name"])
    for name in recovered.features:
        for row, own in zip(whole[name].to_pylist(), recovered.features[name]):
            assert np.allclose(np.atleast_2d(row), own, atol=1e-4)
    assert whole["count"].equals(given["count"])  # of no modality: nothing of it is filled


def test_a_store_gives_ids_and_what_was_available(run: Path, digits: Samples, tmp_path: Path) -> None:
    write_store(tmp_path / "store", digits)
    name = digits.names[0]
    for rows in (8, 32):
        answer_in_parts(work(run, tmp_path / "store", tmp_path / f"{rows}", rows=rows, split="test", hide=(name,)))
    whole = rows_of(tmp_path / "32")
    assert rows_of(tmp_path / "8").equals(whole)
    assert whole["id"].to_pylist() == digits.ids[digits.rows("test")].tolist()
    assert set(whole["available"].to_pylist()) == {"+".join(digits.names[1:])}
    assert max(np.max(one) for one in whole[f"{name}_std"].to_pylist()) > 0
    assert max(np.max(one) for one in whole[f"{digits.names[1]}_std"].to_pylist()) == 0


def killed_at(moment: int) -> Callable[[int, int], None]:
    """Progress that kills the process once so many rows are done, in the middle of a part or at its end."""

    def progress(done: int, total: int) -> None:
        if done >= moment:
            os.kill(os.getpid(), signal.SIGKILL)

    return progress


def half_written(table: Any, stream: Any) -> None:
    stream.write(b"PAR1 and no more")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def whole(run: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of 16 rows that nobody killed."""
    out = tmp_path_factory.mktemp("whole") / "out"
    answer_in_parts(work(run, data, out, rows=16))
    return out


@pytest.mark.skipif(sys.platform != "linux", reason="a process that is a copy of this one")
@pytest.mark.parametrize("moment", [8, 24, "writing"])
def test_a_killed_process_is_completed_by_the_same_command(
    moment: Any, run: Path, data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = work(run, data, tmp_path / "out", rows=16)
    with monkeypatch.context() as patch:
        if moment == "writing":
            patch.setattr(parquet, "write_table", half_written)
        arguments = (job,) if moment == "writing" else (job, "local", killed_at(moment))
        process = multiprocessing.get_context("fork").Process(target=answer_in_parts, args=arguments)
        process.start()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("part-*.parquet")}
    assert len(before) == (0 if moment == "writing" else moment // 16)
    assert answer_in_parts(job)[0] == 60
    assert all((tmp_path / "out" / name).stat().st_mtime_ns == time for name, time in before.items())
    assert sorted(p.name for p in Path(job.out).iterdir()) == sorted(p.name for p in whole.iterdir())
    for part in whole.glob("part-*"):
        assert (Path(job.out) / part.name).read_bytes() == part.read_bytes()


def test_an_actor_writes_the_same_rows_and_hands_refusals_back(
    run: Path, data: Path, whole: Path, tmp_path: Path
) -> None:
    job = work(run, data, tmp_path / "actor", rows=32)
    (tmp_path / "actor").mkdir()
    actor = Actor(dataclasses.asdict(job))
    parts = ParquetSource(data).parts(32)
    fields = {name: np.asarray([getattr(p, name) for p in parts]) for name in ("number", "file", "start", "rows")}
    answers = actor(fields)
    assert answers["number"] == [0, 1]
    assert answers["refusal"] == ["", ""]
    assert rows_of(tmp_path / "actor").equals(rows_of(whole))
    (refusal,) = Actor(dataclasses.asdict(job) | {"run": "nowhere"})({k: v[:1] for k, v in fields.items()})["refusal"]
    assert refusal.startswith("5\n")
    assert "nowhere" in refusal


def test_ray_writes_the_same_rows(run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    answer_in_parts(work(run, data, tmp_path / "local", rows=24))
    answer_in_parts(work(run, data, tmp_path / "ray", rows=16), "ray")
    assert rows_of(tmp_path / "ray").equals(rows_of(tmp_path / "local"))
    bad = tmp_path / "bad.parquet"
    parquet.write_table(empty_row(parquet.read_table(data)), bad)
    with pytest.raises(Md2nError, match="hold no modality") as refusal:
        answer_in_parts(work(run, bad, tmp_path / "refused", rows=16), "ray")
    assert refusal.value.exit_code == DataError.exit_code


def empty_row(given: Any) -> Any:
    """The same with a row without any modality."""
    rows = given.to_pylist()
    rows[20] |= dict.fromkeys(given.column_names[1:-1])
    return arrow.Table.from_pylist(rows, schema=given.schema)


def longer(given: Any) -> Any:
    """The same with a cell of another length."""
    rows = given.to_pylist()
    name = given.column_names[1]
    cell = rows[31][name]
    rows[31][name] = [[*one, 1.0] for one in cell] if isinstance(cell[0], list) else [*cell, 1.0]
    return arrow.Table.from_pylist(rows, schema=given.schema)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (empty_row, "bad.parquet', rows from 16: 1 of 16 samples hold no modality at all"),
        (longer, "bad.parquet', rows from 16"),
        (lambda t: t.drop_columns(t.column_names[1:-1]), "no column of any modality"),
        (lambda t: t.set_column(1, t.column_names[1], arrow.array(["a"] * len(t))), "bad.parquet', rows from 0"),
        (lambda t: t.slice(0, 0), "has no rows"),
        (lambda t: t.append_column("name", t["name"]), "several columns of the name 'name'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    change: Callable[[Any], Any], words: str, run: Path, data: Path, tmp_path: Path
) -> None:
    parquet.write_table(change(parquet.read_table(data)), tmp_path / "bad.parquet")
    with pytest.raises(DataError) as refusal:
        answer_in_parts(work(run, tmp_path / "bad.parquet", tmp_path / "out", rows=16))
    assert words in refusal.value.message
    assert refusal.value.hint


def kinds() -> Any:
    """One cause in floats and, in a second modality with empty cells at the end, in whole numbers of all kinds."""
    rng = np.random.default_rng(0)
    cause = rng.normal(size=60)
    late = {"on_flag": cause > 0, "on_price": np.round(9 + cause, 2), "on_count": np.round(9 + 3 * cause).astype(int)}
    types = (arrow.bool_(), arrow.decimal128(6, 2), arrow.uint8())
    columns: dict[str, Any] = {f"acc_{c}": cause + rng.normal(size=60) / 9 for c in "xy"}
    columns |= {"acc_n": np.round(9 * cause).astype(int), "order": arrow.array([None, *range(2**60, 2**60 + 59)])}
    for (name, values), kind in zip(late.items(), types):
        held = [None if i > 30 and i % 3 == 0 else v for i, v in enumerate(values.tolist())]
        columns[name] = arrow.array(held).cast(kind)
    return arrow.table({**columns, "y": np.where(cause > 0, "high", "low")})


@pytest.mark.parametrize("hide", [(), ("acc",)])
def test_what_is_recovered_is_no_whole_number(
    hide: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Empty cells of true and false were all filled with True, and hidden whole numbers ended in a traceback."""
    given, (data, out) = kinds(), (tmp_path / name for name in ("in.parquet", "out.parquet"))
    modalities = {"acc": "acc_*", "on": "on_*"}
    run = md2n.fit(given, "y", modalities=modalities, out=tmp_path / "run", progress=False, **quick())
    if hide:  # something is left of every row
        given = given.filter(arrow.compute.is_valid(given["on_flag"]))
    parquet.write_table(given, data)
    for rows in (16, 64):
        answer_in_parts(work(tmp_path / "run", data, tmp_path / f"{rows}", rows=rows, hide=hide))
    whole = rows_of(tmp_path / "64")
    assert rows_of(tmp_path / "16").equals(whole)
    words = ("recover", tmp_path / "run", "--data", data, "--out", out, *(f"--hide={name}" for name in hide))
    monkeypatch.setattr(table_files, "ROWS", 8)
    assert ask(capsys, *words).code == 0
    recovered = run.recover(without(given, hide, run.schema, run.columns))
    assert whole["order"].equals(given["order"])
    for modality, names in recovered.columns.items():
        block = np.concatenate(recovered.features[modality])
        for j, name in enumerate(names):
            column, before = whole[name], given[name]
            to_fill = modality in hide or before.null_count
            assert column.type == (arrow.float64() if to_fill else before.type)
            for table in (whole, parquet.read_table(out)):
                assert np.allclose(np.array(table[name].to_pylist(), float), block[:, j], atol=1e-4)
                assert table[name].type == column.type


def test_files_of_one_folder_have_the_same_columns(run: Path, data: Path, tmp_path: Path) -> None:
    given = parquet.read_table(data)
    parquet.write_table(given, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="lacks the column 'count'"):
        parquet.write_table(given.drop_columns(["count"]), tmp_path / "b.parquet")
        ParquetSource(tmp_path)
    with pytest.raises(DataError, match="has a column 'more'"):
        parquet.write_table(given.append_column("more", given["count"]), tmp_path / "b.parquet")
        ParquetSource(tmp_path)
    with pytest.raises(DataError, match=r"holds string, in .* it holds int64"):
        place = given.column_names.index("count")
        parquet.write_table(given.set_column(place, "count", given["name"]), tmp_path / "b.parquet")
        ParquetSource(tmp_path)
    (tmp_path / "b.parquet").write_bytes(data.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"b\.parquet"):
        ParquetSource(tmp_path)


def test_a_folder_of_other_work_is_refused(run: Path, data: Path, tmp_path: Path) -> None:
    job = work(run, data, tmp_path / "out", rows=32)
    answer_in_parts(job)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    other = tmp_path / "other.parquet"
    parquet.write_table(longer(parquet.read_table(data)), other)
    for change, words in (({"seed": 1}, "seed"), ({"rows": 8}, "--parts"), ({"data": str(other)}, "data")):
        with pytest.raises(UsageError, match=f"these differ: .*{words}"):
            answer_in_parts(dataclasses.replace(job, **change))  # type: ignore[arg-type]
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    (tmp_path / "out" / FACTS).unlink()
    with pytest.raises(DataError, match="does not hold parts"):
        answer_in_parts(job)


def test_ids_that_come_twice_and_groups_in_several_parts_are_refused(
    run: Path, digits: Samples, folder: Path, tmp_path: Path
) -> None:
    ids = digits.ids.copy()
    ids[3] = ids[7]
    write_store(tmp_path / "twice", dataclasses.replace(digits, ids=ids))
    with pytest.raises(DataError, match=r"1 ids of .* are those of several samples"):
        answer_in_parts(work(run, tmp_path / "twice", tmp_path / "out"))
    grouped = trained(folder, "md2n", people())
    with pytest.raises(DataError, match="normalises each subject by all rows"):
        answer_in_parts(work(grouped, folder / "store-people", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_largest_batch_that_fits_is_named(
    run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = Answerer(work(run, data, tmp_path, rows=32, batch=32))
    recover = answerer.predictor.model.recover

    def small(batch: Any, *rest: Any, **options: Any) -> Any:
        if batch.size > 11:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return recover(batch, *rest, **options)

    monkeypatch.setattr(answerer.predictor.model, "recover", small)
    with pytest.raises(UsageError, match="batches of 32 rows do not fit into memory") as refusal:
        answerer.write(answerer.source.parts(32)[0])
    assert refusal.value.hint == "--batch 8 does"
    assert list(tmp_path.iterdir()) == []


def test_parts_on_the_command_line(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (run, "--data", data, "--out", tmp_path / "out")
    said = ask(capsys, "recover", *words, "--parts", 20, "--batch", 10)
    assert said.out == f"{tmp_path / 'out'}\n"
    assert "60 rows in 3 parts" in said.err
    assert ask(capsys, "predict", run, "--data", data, "--out", tmp_path / "p", "--engine", "local").code == 0
    refused(capsys, 2, "parts of other work; these differ: what", "predict", *words, "--parts", 20, "--batch", 10)
    refused(capsys, 2, "--batch is for answers in parts", "recover", *words, "--batch", 10)
    refused(capsys, 2, "files of a folder", "predict", run, "--data", data, "--parts", 8)
    refused(capsys, 2, "no engine is called 'rai'", "recover", *words, "--engine", "rai")
    refused(capsys, 2, "at least one row", "recover", *words, "--parts", 0)
    refused(capsys, 2, "distrust nothing", "predict", *words, "--parts", 8, "--distrust", 0.1)
    refused(capsys, 2, "neither a store nor Parquet", "recover", run, "--data", __file__, "--out", "o", "--parts", 8)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "md2n[ray]" in refused(capsys, 2, "'ray' needs Ray", "recover", *words, "--engine", "ray")
