"""A Parquet table on the command line: imported, trained on, predicted, recovered into a table."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from md2n.data.store import open_store
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
