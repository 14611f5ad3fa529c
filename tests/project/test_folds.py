"""Folds cut training and validation samples between groups, and classical probes find what is there to be found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scripts.folds import PREDICTIONS, compared, planned, with_fold
from scripts.probes import probes, scores

from md2n.data.config import DataConfig
from md2n.data.ready import load_datasets
from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.errors import UsageError
from md2n.modality import Task
from md2n.seeding import numpy_generator
from tests.data.sets import small

FOLDS = 3


def grouped() -> Samples:
    samples = small(count=60)
    return replace(samples, groups={"video": np.asarray([f"v{i // 4}" for i in range(60)])}, normalise_by="")


def test_every_sample_of_the_two_splits_is_validation_once_and_no_other_is_read() -> None:
    samples = grouped()
    used = np.sort(np.concatenate([samples.rows("train"), samples.rows("valid")]))
    held = [with_fold(samples, k, FOLDS) for k in range(FOLDS)]
    assert np.array_equal(np.sort(np.concatenate([s.rows("valid") for s in held])), used)
    for s in held:
        assert np.array_equal(np.sort(np.concatenate([s.rows("train"), s.rows("valid")])), used)
        assert not len(s.rows("test"))


def test_other_settings_stand_in_another_folder(tmp_path) -> None:
    one, two = (planned("digits", "default", sets, FOLDS, tmp_path) for sets in ([], ["model.gamma=1"]))
    assert [f.config.seed for f in one] == [f.number for f in one] == [0, 1, 2]
    assert len({f.out for f in one}) == len({f.out for f in two}) == 1
    assert one[0].out != two[0].out


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_two_settings_are_compared_sample_by_sample(tmp_path: Path, kind: str) -> None:
    rng = numpy_generator(0, kind)
    labels = rng.integers(0, 2, 40) if kind == "classification" else rng.normal(size=40)
    for name, wrong in (("one", (0, 1, 20, 21)), ("two", (0,))):
        for fold in (0, 1):
            place = tmp_path / name / f"fold-{fold}" / PREDICTIONS
            place.mkdir(parents=True)
            rows = np.arange(20 * fold, 20 * fold + 20)
            off = np.isin(rows, wrong)
            output = np.eye(2)[labels[rows] ^ off] if kind == "classification" else labels[rows] + off
            for condition in ("a", "b", "complete"):
                told = output if condition != "complete" else 1 - output  # does not count
                np.savez(place / f"{condition}.npz", output=told, labels=labels[rows], rows=rows)
    difference, error, count = compared(tmp_path / "one", tmp_path / "two")
    better = np.zeros(40)
    better[[1, 20, 21]] = 1
    assert (difference, error, count) == pytest.approx((3 / 40, better.std(ddof=1) / 40**0.5, 40))
    with pytest.raises(UsageError, match="share no samples"):
        compared(tmp_path / "one", tmp_path)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_probes_read_the_modality_that_tells_and_no_other(kind: str) -> None:
    rng = numpy_generator(0, kind)
    told, noise = rng.normal(size=(240, 4)), rng.normal(size=(240, 4))
    y = (told[:, 0] > 0).astype(np.int64) if kind == "classification" else told[:, 0].astype(np.float32)
    task = Task("classification", "y", ("no", "yes")) if kind == "classification" else Task("regression", "y")
    samples = Samples(
        name="made",
        modalities={n: Ragged.from_arrays(list(x.astype(np.float32))) for n, x in (("told", told), ("noise", noise))},
        labels={"y": LabelColumn(y, task)},
        split=np.asarray([0] * 160 + [1] * 80, np.uint8),
        ids=np.arange(240).astype(str),
        groups={},
        default_label="y",
    )
    data = load_datasets(samples, DataConfig(name="made", normalise="standard"))
    for name, make in probes(kind == "classification").items():
        found = scores(make, data.train, data.valid)
        assert found.keys() == {"told", "noise"}
        # A ridge of 3000 leaves 160 samples a twentieth of the slope.
        gain = 0.25 if kind == "classification" else 0.03
        assert found["told"] > found["noise"] + gain, name
