"""One table per modality joined by id: which samples have what, and what is refused by file, line and column."""

from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.detect import detect, read
from md2n.data.readers.tables import from_tables, read_tables, read_vectors
from md2n.errors import DataError, UsageError
from tests.data.tables import NA, ArrowLike, PandasLike, PolarsLike

LABELS = "id,split,y,y_stage,centre,note\na,train,0,ii,x,\nb,train,1,i,y,\nc,valid,1,,x,\nd,test,,i,y,\n"
RNA = "id,g1,g2,g2\nc,1.5,2,3\na,-1,5,4\nzz,0,0,0\n\nb,1e2,6,7\n"
PROTEIN = "p1;id\n8;d\n;a\n9.5;c\n"


def folder(tmp_path: Path, **files: str) -> Path:
    root = tmp_path / "omics"
    root.mkdir()
    for name, text in {"labels": LABELS, "rna": RNA, "protein": PROTEIN, **files}.items():
        (root / (name if "." in name else f"{name}.csv")).write_text(text, encoding="utf-8")
    return root


def rows(samples, name: str) -> list[list[float] | None]:
    ragged = samples.modalities[name]
    return [ragged.sample(i).tolist() if ragged.present[i] else None for i in range(len(samples))]


def test_tables_are_joined_by_id_whatever_their_order(tmp_path):
    samples = read(folder(tmp_path))
    assert (samples.name, samples.names) == ("omics", ("protein", "rna"))
    assert samples.ids.tolist() == ["a", "b", "c", "d"]
    assert rows(samples, "rna") == [[[-1, 5, 4]], [[100, 6, 7]], [[1.5, 2, 3]], None]
    assert rows(samples, "protein") == [None, None, [[9.5]], [[8]]]
    assert samples.split.tolist() == [0, 0, 1, 2]
    assert samples.label("y").task.classes == ("0", "1")
    assert samples.label("y").values.tolist() == [0, 1, 1, -1]
    assert samples.label("y_stage").task.classes == ("i", "ii")
    assert {k: v.tolist() for k, v in samples.groups.items()} == {"centre": ["x", "y", "x", "y"]}
    assert samples.source["reader"] == "tables"
    assert sorted(f["name"] for f in samples.source["files"]) == ["labels.csv", "protein.csv", "rna.csv"]
    assert "rna: 1 rows of no sample in labels.csv were left out (zz)" in samples.notes
    assert "column 'note' of labels.csv is empty and was left out" in samples.notes


def test_a_table_is_its_numbers_and_nan_where_nothing_was_measured(tmp_path):
    table = read_vectors(folder(tmp_path, rna="g1, id ,g2\n1.5, a,NA\n,b,-2e1\nnan,c,n/a\n") / "rna.csv")
    assert (table.ids, table.columns) == (["a", "b", "c"], ["g1", "g2"])
    assert np.array_equal(table.values, [[1.5, np.nan], [np.nan, -20], [np.nan, np.nan]], equal_nan=True)
    assert table.values.dtype == np.float32


def test_what_is_no_table_is_listed(tmp_path):
    root = folder(tmp_path, **{"README.md": "about", "meth.parquet": "PAR1"})
    notes = read(root).notes
    assert "left out, for tables of modalities end in .csv or .tsv: README.md, meth.parquet" in notes


def test_every_way_to_the_same_folder(tmp_path):
    root = folder(tmp_path)
    assert detect(root) == detect(root / "labels.csv") == "tables"
    whole = read(root)
    (root / "labels.csv").rename(root / "samples.csv")
    (root / "rna.csv").write_text(RNA.replace(",", "\t"), encoding="utf-8")
    (root / "rna.csv").rename(root / "rna.tsv")
    assert detect(root) == detect(root / "samples.csv") == "tables"
    for source in (root, root / "samples.csv"):
        other = read(source)
        assert all(rows(other, k) == rows(whole, k) for k in whole.names)
    assert read(root, modalities=["rna"], drop_empty=True).names == ("rna",)
    (root / "samples.csv").write_text("id,a\nx,a.npy\n", encoding="utf-8")
    assert detect(root) == "folder"


def test_a_folder_per_modality_is_still_one_of_clips(tmp_path):
    root = folder(tmp_path)
    (root / "audio").mkdir()
    np.save(root / "audio" / "a.npy", np.ones((2, 3)))
    assert detect(root) == "clips"
    assert detect(root / "labels.csv") == "clips"


def test_options(tmp_path):
    root = folder(tmp_path, labels=LABELS.replace("y_stage", "stage").replace("split", "fold"))
    samples = read(root, label="stage", split="fold", kinds={"y": "regression"}, classes={"stage": ["ii", "i"]})
    assert samples.label().task.classes == ("ii", "i")
    assert samples.label("y").task.kind == "regression"
    assert samples.split.tolist() == [0, 0, 1, 2]
    with pytest.raises(UsageError, match="is read as tables, which has no option 'align'"):
        read(root, align="words")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"rna": "sample,g1\na,1\n"}, r"rna.csv' has no column 'id'\n"),
        ({"rna": ",g1\na,1\n"}, r"rna.csv' has no column 'id'\n  next: its first column has no name: call it 'id'"),
        ({"rna": "id,id,g\na,a,1\n"}, "rna.csv' has more than one column 'id'"),
        ({"rna": "id\na\n"}, "rna.csv' has ids but no feature"),
        ({"rna": "id,g1\n"}, "rna.csv' has a header but no row"),
        ({"rna": ""}, "rna.csv' is empty"),
        ({"rna": "id,g1\na,1\na,2\n"}, "rna.csv': id 'a' is in lines 2 and 3"),
        ({"rna": "id,g1\n,1\n"}, "rna.csv', line 2 has no id"),
        ({"rna": "id,g1,g2\na,1,2\nb,1\n"}, "rna.csv', line 3 has 2 cells, the header has 3"),
        ({"rna": "id,g1,sex\na,1,F\n"}, "rna.csv', line 2, column 'sex' holds 'F', which is no number"),
        ({"rna": "id;g1\na;0,5\n"}, r"column 'g1' holds '0,5', which is no number\n.*decimals need a point"),
        ({"rna": "id,g1\nA1,1\n"}, "rna.csv' shares no id with labels.csv: it has 'A1', the other 'a'"),
        ({"rna": "id,a,b\ng1,1,2\n"}, r"rna.csv' shares no id.*\n  next: turn it: its columns bear the ids"),
        ({"rna": "id,g1\na,\n"}, "modality 'rna' holds no usable number"),
        ({"rna.tsv": "id\tg\na\t1\n"}, "has two tables of 'rna'"),
        ({"labels": "key,y\na,1\n"}, "labels.csv' has no column 'id'"),
        ({"protein": "id,p\nzz,1\na,2\n"}, r"1 of 4 samples have no modality at all \(d\)\n.*--drop-empty"),
    ],
)
def test_errors_name_file_line_and_column(tmp_path, files, message):
    with pytest.raises(DataError, match=message) as caught:
        read_tables(folder(tmp_path, **files))
    assert "omics" in str(caught.value)


def test_utf_16_is_read_and_bytes_that_are_no_text_are_named(tmp_path):
    root = folder(tmp_path)
    same = read(root).modalities["rna"].values
    (root / "rna.csv").write_bytes(RNA.encode("utf-16"))
    np.testing.assert_array_equal(read(root).modalities["rna"].values, same)
    (root / "rna.csv").write_bytes(b"id,g\n\xff\xfa\x80,1\n")
    with pytest.raises(DataError, match=r"rna.csv' is no text in UTF-8 or UTF-16"):
        read(root)


def test_tables_without_a_table_of_samples_are_told_of_it(tmp_path):
    root = folder(tmp_path)
    (root / "labels.csv").unlink()
    with pytest.raises(DataError, match=r"holds no data set: protein.csv, rna.csv\n  next: add labels.csv with id"):
        read(root)


def test_a_wide_table_takes_no_more_than_its_cells(tmp_path):
    wide = 20_000
    header = ",".join(["id", *(f"g{i}" for i in range(wide))])
    line = ",".join(["1"] * wide)
    root = folder(tmp_path, rna=f"{header}\na,{line}\nb,{line}\n")
    assert read(root, drop_empty=True).modalities["rna"].dim == wide


# --- in memory -------------------------------------------------------------------------------------------------------


def columns() -> tuple[dict, dict, dict]:
    rna = {"id": ["c", "a", "zz", "b"], "g1": [1.5, -1.0, 0.0, 100.0], "g2": [2.0, 5.0, 0.0, 6.0]}
    protein = {"id": ["d", "c"], "p1": [8.0, 9.5]}
    about = {
        "id": list("abcd"),
        "split": ["train", "train", "valid", "test"],
        "y": [0, 1, 1, 0],
        "centre": list("xyxy"),
    }
    return rna, protein, about


@pytest.mark.parametrize("kind", [dict, PandasLike, PolarsLike, ArrowLike])
def test_tables_in_memory(kind):
    rna, protein, about = columns()
    samples = from_tables({"rna": kind(rna), "protein": kind(protein)}, kind(about))
    assert samples.names == ("rna", "protein")
    assert rows(samples, "rna") == [[[-1, 5]], [[100, 6]], [[1.5, 2]], None]
    assert rows(samples, "protein") == [None, None, [[9.5]], [[8]]]
    assert samples.split.tolist() == [0, 0, 1, 2]
    assert samples.label().values.tolist() == [0, 1, 1, 0]
    assert samples.groups["centre"].tolist() == list("xyxy")
    assert "rna: 1 rows of no sample in the table of samples were left out (zz)" in samples.notes


def test_ids_may_name_rows_and_be_numbers():
    rna = PandasLike({"g1": np.array([1.0, 2])}, index=[7, 3])
    protein = {"id": [3.0, 9.0, 7.0], "p1": [5.0, 6.0, NA]}
    samples = from_tables({"rna": rna, "protein": PandasLike(protein)}, drop_empty=True)
    assert samples.ids.tolist() == ["7", "3", "9"]
    assert rows(samples, "rna") == [[[1]], [[2]], None]
    assert rows(samples, "protein") == [None, [[5]], [[6]]]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda r, p, a: r.pop("id"), DataError, "modality 'rna' has no column 'id'"),
        (lambda r, p, a: r.update(id=["c", "a", "a", "b"]), DataError, "'rna' has id 'a' in rows 1 and 2"),
        (lambda r, p, a: r.update(id=["c", "a", None, "b"]), DataError, "row 2 of modality 'rna' has no id"),
        (
            lambda r, p, a: p.update(sex=["f", "m"]),
            DataError,
            "'protein' is a table whose column 'sex' holds no numbers",
        ),
        (lambda r, p, a: p.update(id=["D", "C"]), DataError, "'protein' shares no id with the table of samples"),
        (lambda r, p, a: p.pop("p1"), DataError, "modality 'protein' has ids but no feature"),
        (lambda r, p, a: a.pop("id"), DataError, "the table of samples has no column 'id'"),
        (lambda r, p, a: (r.clear(), p.clear()), DataError, "has no column 'id'"),
    ],
)
def test_errors_in_memory(change, error, message):
    rna, protein, about = columns()
    change(rna, protein, about)
    with pytest.raises(error, match=message):
        from_tables({"rna": rna, "protein": protein}, about)


def test_names_that_do_not_exist_in_memory():
    rna, protein, about = columns()
    tables = {"rna": rna, "protein": protein}
    with pytest.raises(UsageError, match=r"the table of samples has no column 'mood'"):
        from_tables(tables, about, label="mood")
    with pytest.raises(UsageError, match=r"has no column 'spilt'\n.*did you mean 'split'"):
        from_tables(tables, about, split="spilt")
    with pytest.raises(DataError, match="no table of a modality was given"):
        from_tables({}, about)
    assert from_tables(tables, about, label="centre").label().task.classes == ("x", "y")
