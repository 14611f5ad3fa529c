"""A Parquet table on the command line: imported, trained on, predicted, recovered into a table."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.wide_table import read_table
from md2n.data.store import open_store, write_store
from md2n.experiment.config import resolve
from md2n.experiment.pipeline import run_training
from tests.cli.commands import ask, refused
from tests.serve.trained import settings


def test_a_parquet_table_from_import_to_recovery(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    arrow = pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    cause = rng.normal(size=60)
    held = {f"acc_{i}": [None if r % 5 == 0 else c for r, c in enumerate(cause)] for i in range(2)}
    held |= {
        "hr": list(cause),
        "y": [["no", "yes"][int(c > 0)] for c in cause],
        "who": [f"p{i // 4}" for i in range(60)],
    }
    parquet.write_table(arrow.table(held), "t.parquet")
    choice = ("--modality", "acc=acc_*", "--modality", "heart=hr,hr", "--label", "y", "--group", "who")
    said = ask(capsys, "data", "import", "t.parquet", *choice, "--out", "store")
    assert said.code == 0, said
    assert "made 70/15/15 % train/valid/test" in said.err
    assert "whole groups of 'who' on one side" in said.err
    store = open_store("store")
    assert {k: r.dim for k, r in store.modalities.items()} == {"acc": 2, "heart": 1}
    assert store.groups["who"].tolist() == held["who"]
    sets = [f"--set={one}" for one in settings("md2n")]
    assert ask(capsys, "train", "--data", "store", "--out", "run", "-q", *sets).code == 0
    assert ask(capsys, "predict", "run", "--data", "t.parquet", "--out", "p.parquet").out == "p.parquet\n"
    predicted = parquet.read_table("p.parquet").to_pydict()
    assert set(predicted["prediction"]) <= {"no", "yes"}
    assert predicted["available"][:2] == ["heart", "acc+heart"]
    # Every other command reads the same columns of it: "hr" alone would be guessed to be a modality of that name.
    lines = list(csv.DictReader(io.StringIO(ask(capsys, "predict", "run", "--data", "t.parquet").out)))
    assert [line["prediction"] for line in lines] == predicted["prediction"]
    assert ask(capsys, "recover", "run", "--data", "t.parquet", "--out", "filled", "-q").code == 0
    assert open_store("filled").modalities["acc"].present.all()
    assert ask(capsys, "inspect", "run", "--data", "t.parquet", "--out", "i.csv", "-q").code == 0
    assert ask(capsys, "explain", "run", "--data", "t.parquet", "--out", "e.csv", "-q").code == 0
    assert ask(capsys, "recover", "run", "--data", "t.parquet", "--out", "f.parquet", "--hide", "heart").code == 3
    said = ask(capsys, "recover", "run", "--data", "t.parquet", "--out", "f.parquet")
    assert "[60/60] rows" in said.err
    filled = parquet.read_table("f.parquet").to_pydict()
    assert filled["hr"] == held["hr"]
    assert None not in filled["acc_0"]
    assert filled["acc_1"][1] == held["acc_1"][1]
    assert filled["acc_0_std"][0] > 0
    refused(capsys, 2, "answered whole", "recover", "run", "--data", "t.parquet", "--out", "f.parquet", "--split=test")
    refused(capsys, 2, "is not NAME=VALUE", "data", "import", "t.parquet", "--out", "s", "--modality", "acc")
    refused(capsys, 2, "which has no option 'columns'", "data", "import", "store", "--out", "s", "--modality=a=b")


@pytest.fixture(scope="module")
def sensors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny run of two sensors, and the CSV file of its training."""
    folder = tmp_path_factory.mktemp("sensors")
    write_csv(folder / "t.csv", table_of_sensors())
    sample = read_table(folder / "t.csv", columns=SENSORS, label="y")
    write_store(folder / "store", sample)
    run_training(resolve("default", settings("md2n"), data=str(folder / "store")), folder / "run")
    return folder


SENSORS = {"acc": ("acc_x", "acc_y"), "heart": ("hr_a", "hr_b")}


def table_of_sensors() -> dict[str, list[str]]:
    cause = np.random.default_rng(0).normal(size=80)
    held = {"acc_x": cause, "acc_y": -3 * cause, "hr_a": 60 + cause, "hr_b": 5 + cause / 9}
    texts = {name: [f"{v:.6f}" for v in values] for name, values in held.items()}
    split = [["train", "train", "valid", "test"][i % 4] for i in range(80)]
    return {**texts, "y": ["up" if c > 0 else "down" for c in cause], "split": split}


def write_csv(path: Path, table: dict[str, list[str]], separator: str = ",") -> None:
    path.write_text("".join(separator.join(row) + "\n" for row in [tuple(table), *zip(*table.values())]))


def read_csv(path: Path, separator: str = ",") -> dict[str, list[str]]:
    lines = list(csv.reader(io.StringIO(path.read_text()), delimiter=separator))
    return dict(zip(lines[0], map(list, zip(*lines[1:]))))


def test_what_is_distrusted_is_said_in_a_table_too(
    sensors: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    held = table_of_sensors()
    held["hr_a"][:5] = ["500"] * 5  # no unit is refused where something may be wrong
    write_csv(tmp_path / "wrong.csv", held)
    run, data = sensors / "run", tmp_path / "wrong.csv"
    shown = ask(capsys, "predict", run, "--data", data, "--distrust", "0.1")
    written = ask(capsys, "predict", run, "--data", data, "--distrust", "0.1", "--out", tmp_path / "p.csv")
    assert (shown.code, written.code) == (0, 0), written
    expected = [line["distrusted"] for line in csv.DictReader(io.StringIO(shown.out))]
    assert "samples have a modality that was distrusted" in written.err
    assert read_csv(tmp_path / "p.csv")["distrusted"] == expected


def test_no_row_of_a_csv_file_is_lost(sensors: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    held = {name: column[:6] for name, column in table_of_sensors().items()}
    write_csv(tmp_path / "semicolons.csv", held, ";")
    run, out = sensors / "run", tmp_path / "p.csv"
    assert ask(capsys, "predict", run, "--data", tmp_path / "semicolons.csv", "--out", out).code == 0
    assert read_csv(out, ";")["acc_x"] == held["acc_x"]
    empty = {name: [*column[:3], "", *column[3:], "", ""] for name, column in held.items()}
    write_csv(tmp_path / "empty.csv", empty)
    refused(
        capsys,
        3,
        "1 of 7 samples hold no modality at all (first: 3)",
        "predict",
        run,
        "--data=" + str(tmp_path / "empty.csv"),
        "--out",
        out,
    )
    unnamed = "".join(
        ",," + line + "\n" for line in (tmp_path / "semicolons.csv").read_text().replace(";", ",").splitlines()
    )
    (tmp_path / "unnamed.csv").write_text(unnamed)
    refused(capsys, 3, "2 columns without a name", "predict", run, "--data", tmp_path / "unnamed.csv", "--out", out)


def test_columns_in_another_order_are_not_measured(
    sensors: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    held = table_of_sensors()
    write_csv(tmp_path / "turned.csv", {"acc_y": held.pop("acc_y"), **held})
    run, data = sensors / "run", tmp_path / "turned.csv"
    for command in ("evaluate", "value"):
        refused(capsys, 3, "column 'acc_y' is number 0 of 'acc'", command, run, "--data", data)
    assert ask(capsys, "data", "import", data, "--label=y", "--out", tmp_path / "store").code == 0
    refused(capsys, 3, "column 'acc_y' is number 0 of 'acc'", "predict", run, "--data", tmp_path / "store")
    refused(capsys, 2, "draws", "predict", run, "--data", data, "--draws", "0")


def test_masks_without_their_protocol_and_labels_that_are_not_known_are_refused(
    sensors: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = sensors / "run"
    refused(capsys, 2, "--masks is for the protocol 'random'", "evaluate", run, "--masks", tmp_path / "m.npz")
    held = table_of_sensors()
    held["y"] = ["" if split == "test" else y for y, split in zip(held["y"], held["split"])]
    write_csv(tmp_path / "unlabelled.csv", held)
    read = read_table(tmp_path / "unlabelled.csv", columns=SENSORS, label="y")
    write_store(tmp_path / "unlabelled", read)
    store = tmp_path / "unlabelled"
    refused(capsys, 3, "no label 'y' is known in the split 'test'", "evaluate", run, "--data", store, "--no-recovery")
