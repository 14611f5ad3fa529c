"""Folds cut training and validation samples between groups, and classical probes find what is there to be found."""

from dataclasses import replace

import numpy as np
import pytest
from scripts.folds import fold_of, planned, with_fold
from scripts.probes import probes, scores

from md2n.data.config import DataConfig
from md2n.data.ready import load_datasets
from md2n.data.samples import LabelColumn, Ragged, Samples
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


def test_no_fold_cuts_a_group_and_folds_are_about_as_large() -> None:
    samples = grouped()
    fold = fold_of(samples, FOLDS)
    for video in np.unique(samples.groups["video"]):
        assert len(set(fold[(samples.groups["video"] == video) & (fold >= 0)])) <= 1
    sizes = np.bincount(fold[fold >= 0])
    assert len(sizes) == FOLDS
    assert np.ptp(sizes) <= 4  # no more than a group has samples


def test_other_settings_stand_in_another_folder(tmp_path) -> None:
    one, two = (planned("digits", "default", sets, FOLDS, tmp_path) for sets in ([], ["model.gamma=1"]))
    assert [f.config.seed for f in one] == [f.number for f in one] == [0, 1, 2]
    assert len({f.out for f in one}) == len({f.out for f in two}) == 1
    assert one[0].out != two[0].out


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
