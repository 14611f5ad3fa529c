"""From feature files to a recovered modality, by the commands alone and by three lines of Python."""

import json
from pathlib import Path

import numpy as np
import pytest

import md2n
from md2n.cli.main import run
from md2n.data.store import open_store, verify_store
from md2n.seeding import numpy_generator
from tests.serve.trained import settings


def feature_file(folder: Path) -> Path:
    """Somebody's ``data.npz``: a sequence and two vectors with gaps, three classes, three splits."""
    rng = numpy_generator(0, "chain")
    count = 90
    y = np.arange(count) % 3
    cause = rng.normal(size=(count, 2)) + y[:, None]
    text = cause[:, None] @ rng.normal(size=(2, 6)) + rng.normal(size=(count, 5, 6))
    present = rng.random(count) < 0.8
    audio = cause @ rng.normal(size=(2, 4)) + rng.normal(size=(count, 4))
    audio[~present] = np.nan
    np.savez(
        folder / "data.npz",
        x_text=text.astype(np.float32),
        x_audio=audio.astype(np.float32),
        x_pulse=(cause + rng.normal(size=(count, 2))).astype(np.float32),
        y=y,
        split=np.repeat([0, 1, 2], 30),
        ids=np.asarray([f"clip-{i}" for i in range(count)]),
    )
    return folder / "data.npz"


def command(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        run([str(a) for a in arguments])
    assert not ended.value.code


def test_from_a_feature_file_to_a_recovered_modality(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, folder, filled = tmp_path / "store", tmp_path / "run", tmp_path / "filled"
    command("data", "import", feature_file(tmp_path), "--out", store)
    command("data", "check", store)
    sets = [part for s in settings("md2n") for part in ("--set", s)]
    command("train", "--data", store, "--out", folder, *sets)
    command("evaluate", folder, "--protocol", "fixed", "--protocol", "random")
    command("predict", folder, "--data", store, "--split", "test", "--out", tmp_path / "predictions.csv")
    command("recover", folder, "--data", store, "--hide", "text", "--out", filled)
    command("report", folder, "--out", tmp_path / "report")
    capsys.readouterr()
    facts = json.loads((folder / "run.json").read_text())
    assert facts["status"] == "done"
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert {r["protocol"] for r in rows} == {"fixed@1", "random@1"}
    assert {r["data_checksum"] for r in rows} == {facts["data"]["checksum"]}
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 31
    assert verify_store(filled) == []
    assert open_store(filled).present.all()
    assert (tmp_path / "report" / "index.html").is_file()

    samples = open_store(store)
    audio = [samples.modalities["audio"].sample(i) for i in range(90)]
    model = md2n.load(folder)
    answer = model.predict(
        {"audio": [x if len(x) else None for x in audio], "pulse": samples.modalities["pulse"].values}
    )
    recovered = model.recover({"text": None, "pulse": samples.modalities["pulse"].values})
    assert set(answer.available) == {"audio+pulse", "pulse"}
    assert recovered.features["text"][0].shape == (5, 6)
    assert recovered.features["audio"][0].shape == (1, 4)
