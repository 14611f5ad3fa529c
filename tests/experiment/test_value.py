"""What modalities are worth, from data to a table, in a world of XOR with gaps that deceive."""

import json
from pathlib import Path

import numpy as np
import pytest

from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.data.store import write_store
from md2n.experiment.config import resolve
from md2n.experiment.pipeline import run_training
from md2n.experiment.value import run_values
from md2n.modality import Task
from md2n.seeding import numpy_generator
from tests.cli.commands import ask
from tests.experiment.made import Hearing

COUNT = 1200


def xor() -> Samples:
    """y = a XOR b; ``b`` is there with probability 0.9 where a = 1, else 0.1; ``none`` says nothing of anything."""
    rng = numpy_generator(0, "xor")
    a, b = rng.integers(0, 2, (2, COUNT))
    held = rng.random(COUNT) < np.where(a == 1, 0.9, 0.1)

    def near(x: np.ndarray) -> np.ndarray:
        return np.stack([x, 1 - x], axis=1) + 0.1 * rng.normal(size=(COUNT, 2))

    vectors = near(b)
    return Samples(
        name="xor",
        modalities={
            "a": Ragged.from_arrays(list(near(a))),
            "b": Ragged.from_arrays([x if here else None for x, here in zip(vectors, held)]),
            "none": Ragged.from_arrays(list(rng.normal(size=(COUNT, 2)))),
        },
        labels={"y": LabelColumn(a ^ b, Task("classification", "y", ("no", "yes")))},
        split=np.repeat(np.asarray([0, 1, 2], np.uint8), COUNT // 3),
        ids=np.asarray([f"s{i}" for i in range(COUNT)]),
        default_label="y",
    )


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("value")
    data = write_store(folder / "xor", xor())
    return run_training(resolve("boosted_trees", data=str(data)), folder / "run")


def test_b_alone_seems_to_be_worth_much_and_is_worth_nothing(trees: Path) -> None:
    told: list[str] = []
    values = {v.modality: v for v in run_values(trees, notice=told.append)}
    b = values["b"]
    assert b.alone.value > 0.3
    assert abs(b.alone_weighted.value) < 0.1 < b.alone.value / 2
    assert b.effective < b.n
    assert b.added is not None
    assert b.added_weighted is not None
    assert b.added_weighted.value > 0.1
    a = values["a"]
    assert a.alone.value == a.alone_weighted.value
    assert a.n == len(xor().rows("test"))
    assert all("'b'" not in note or "clipped" in note for note in told)


def test_the_command_prints_the_same_numbers(trees: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = ask(capsys, "value", trees, "--quiet", "--json")
    assert said.code == 0
    rows = {row["modality"]: row for row in json.loads(said.out)["rows"]}
    b = next(v for v in run_values(trees) if v.modality == "b")
    assert rows["b"]["alone, weighted"]["mean"] == pytest.approx(100 * b.alone_weighted.value)
    assert rows["b"]["samples"] == b.n
    table = ask(capsys, "value", trees)
    assert "xor, test: what each modality is worth, accuracy (points)" in table.out
    assert "predictions" in table.err


def test_weighted_complete_cases_train_another_model_and_say_what_they_are(trees: Path, tmp_path: Path) -> None:
    data, hearing = trees.parent / "xor", Hearing()
    short = ["trainer.steps=4", "trainer.validations=1", "latent.length=2", "latent.width=8", "transformer.width=16"]
    sets = [s if s.startswith("trainer") else f"model.{s}" for s in short]
    weights = {}
    for cases in ("complete", "weighted"):
        config = resolve("default", [*sets, f"data.cases={cases}"], data=str(data), model="modality_dropout")
        weights[cases] = (run_training(config, tmp_path / cases, hearing) / "model.safetensors").read_bytes()
    assert weights["complete"] != weights["weighted"]
    assert sum("training samples are complete" in note for note in hearing.told) == 2
    assert sum("weighted by what a, none say" in note for note in hearing.told) == 1
