"""Folds: each row is tested once, groups whole, classes even, the same from names alone, refused where it must be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from md2n.config import to_mapping
from md2n.data.config import DataConfig
from md2n.data.folds import FIXED, folds_of, split_anew
from md2n.data.ready import READY, data_root, load
from md2n.data.samples import UNASSIGNED, Samples
from md2n.data.store import write_store
from md2n.errors import ConfigError, DataError
from md2n.experiment.config import resolve
from md2n.training.run_identity import identity_hash
from tests.data.sets import small

FOLDS = 5


def grouped(column: str = "speaker", size: int = 4) -> Samples:
    samples = replace(small(count=80), normalise_by="", split=(np.arange(80) % 3).astype(np.uint8))
    return replace(samples, groups={column: np.asarray([f"g{i // size}" for i in range(80)])} if column else {})


def at(fold: int, folds: int = FOLDS) -> DataConfig:
    return DataConfig(name="small", fold=fold, folds=folds)


@pytest.mark.parametrize("column", ["speaker", "video", ""])
def test_each_row_is_tested_once_and_no_group_is_in_two_splits(column: str) -> None:
    samples = grouped(column)
    parts = [split_anew(samples, at(k)) for k in range(FOLDS)]
    assert np.array_equal(np.sort(np.concatenate([s.rows("test") for s in parts])), np.arange(80))
    for s in parts:
        assert len(s.rows("test")) == pytest.approx(16, abs=4)
        assert len(s.rows("valid")) == pytest.approx(64 / 5, abs=4)
        for name in np.unique(samples.groups[column]) if column else ():
            assert len(set(s.split[samples.groups[column] == name])) == 1


def test_people_come_before_videos_and_what_has_no_group_is_its_own() -> None:
    samples = grouped("video", 2)
    people = np.asarray([f"p{i // 8}" if i < 64 else "" for i in range(80)])
    samples = replace(samples, groups=samples.groups | {"subject": people})
    fold = folds_of(samples, np.arange(80), 5)
    assert all(len(set(fold[people == p])) == 1 for p in np.unique(people) if p)
    assert len(set(fold[64:])) > 1


def test_classes_are_as_even_as_in_the_whole() -> None:
    samples = grouped("")
    y = samples.label("mood").values
    fold = folds_of(samples, np.arange(80), FOLDS, "mood")
    counts = np.array([np.bincount(y[fold == k], minlength=y.max() + 1) for k in range(FOLDS)])
    assert np.ptp(counts, axis=0).max() <= 1


@pytest.mark.parametrize("column", ["speaker", ""])
def test_a_fold_hangs_on_names_and_not_on_the_order_of_rows(column: str) -> None:
    samples = grouped(column)
    turned = np.random.default_rng(0).permutation(80)
    one, two = split_anew(samples, at(2)), split_anew(samples.select(turned), at(2))
    assert dict(zip(one.ids, one.split)) == dict(zip(two.ids, two.split))


def test_rows_of_no_split_stay_so_and_no_fold_changes_nothing() -> None:
    samples = grouped()
    samples = replace(samples, split=np.where(np.arange(80) < 8, UNASSIGNED, samples.split).astype(np.uint8))
    assert np.array_equal(split_anew(samples, at(0)).split == UNASSIGNED, samples.split == UNASSIGNED)
    assert split_anew(samples, DataConfig()) is samples


def test_what_cannot_be_folded_is_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"'\w+' has 4 groups to make 5 folds of\n.*at most 4"):
        split_anew(grouped(size=20), at(0))
    with pytest.raises(DataError, match="2 groups: too few for a training"):
        split_anew(grouped(size=40), at(0, 2))
    with pytest.raises(DataError, match="may not be split anew: its labels leak"):
        split_anew(replace(grouped(), source={FIXED: "its labels leak"}), at(0))
    for wrong in ({"fold": 1}, {"folds": 5}):
        with pytest.raises(ConfigError, match="without the other"):
            DataConfig(**wrong)
    with pytest.raises(ConfigError, match=r"no fold 5 of 5\n.*choose 0 to 4"):
        DataConfig(fold=5, folds=5)


def test_a_store_is_read_with_the_fold_and_runs_of_folds_repeat_one_experiment(tmp_path: Path) -> None:
    store = str(write_store(tmp_path / "store", grouped()))
    sets = [[f"data.fold={k}", "data.folds=5"] for k in (0, 1)]
    configs = [resolve("default", s, data=store) for s in sets]
    first, second = (set(load(store, c.data).rows("test").tolist()) for c in configs)
    assert first and second and not first & second
    hashes = {identity_hash(to_mapping(c)) for c in configs}
    assert len(hashes) == 1 and hashes != {identity_hash(to_mapping(resolve("default", data=store)))}


def test_the_leaking_vision_of_mosi_keeps_its_split() -> None:
    if data_root() is None or "mosi" not in READY or not (data_root() / "mosi").is_dir():
        pytest.skip("the data of mosi are not here")
    with pytest.raises(DataError, match="know the labels of 33 videos"):
        load("mosi", DataConfig(name="mosi", modalities=("text", "vision"), fold=0, folds=5))
