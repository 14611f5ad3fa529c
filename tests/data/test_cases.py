"""Training on complete samples alone, plainly and weighted."""

from dataclasses import replace

import numpy as np
import pytest

from md2n.data.cases import always_there, time_means
from md2n.data.config import DataConfig
from md2n.data.ready import load_datasets
from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.errors import DataError
from md2n.modality import Task
from md2n.seeding import numpy_generator
from tests.data.sets import small

COUNT = 900


def informative(share: float = 1.0) -> Samples:
    """``ecg`` says how probable it is that ``voice`` is there; ``share`` of the samples have ``ecg``."""
    rng = numpy_generator(0, "informative")
    ecg = rng.normal(size=(COUNT, 3))
    there = rng.random(COUNT) < 1 / (1 + np.exp(-1.5 * ecg[:, 0]))
    rows = [None if i >= share * COUNT else x for i, x in enumerate(ecg)]
    voice = [rng.normal(size=2) if here or rows[i] is None else None for i, here in enumerate(there)]
    return Samples(
        name="informative",
        modalities={"ecg": Ragged.from_arrays(rows), "voice": Ragged.from_arrays(voice)},
        labels={"y": LabelColumn(np.arange(COUNT) % 2, Task("classification", "y", ("a", "b")))},
        split=np.repeat(np.asarray([0, 1, 2], np.uint8), COUNT // 3),
        ids=np.asarray([f"s{i}" for i in range(COUNT)]),
        default_label="y",
    )


def test_complete_cases_are_as_if_there_were_no_others() -> None:
    samples = small(count=60)
    config = DataConfig(label="mood", cases="complete")
    data = load_datasets(samples, config)
    assert data.train.present.all()
    assert data.train.weights is None
    train = samples.rows("train")
    complete = train[samples.present[train].all(axis=1)]
    assert data.train.rows.tolist() == complete.tolist()
    assert data.notes == (f"{len(complete)} of {len(train)} training samples are complete: the others are left out",)
    alone = load_datasets(replace(samples, split=_only(samples, complete)), replace(config, cases="all"))
    assert alone.schema == data.schema
    one, two = alone.train.batch(np.arange(5)), data.train.batch(np.arange(5))
    assert all(one.features[k].equal(two.features[k]) for k in samples.names)
    # What is validated and tested on stays as it is.
    whole = load_datasets(samples, replace(config, cases="all"))
    for split in ("valid", "test"):
        assert data.split(split).rows.tolist() == whole.split(split).rows.tolist()


def _only(samples: Samples, rows: np.ndarray) -> np.ndarray:
    split = samples.split.copy()
    split[(split == 0) & ~np.isin(np.arange(len(samples)), rows)] = 255
    return split


def test_weighted_cases_are_like_all_samples_in_what_all_have() -> None:
    samples = informative()
    data = load_datasets(samples, DataConfig(cases="weighted", normalise="none"))
    weights, ecg = data.train.weights, time_means(data.train, ("ecg",))[:, 0]
    assert weights is not None
    everyone = samples.modalities["ecg"].values[: COUNT // 3, 0].mean()
    assert abs(np.average(ecg, weights=weights) - everyone) < abs(ecg.mean() - everyone) / 2
    assert "weighted by what ecg say; they tell as much as" in data.notes[0]


def test_random_gaps_leave_weighted_cases_equal_and_say_so() -> None:
    samples = informative()
    voice = [None if i % 3 == 0 else np.ones(2) for i in range(COUNT)]
    samples = replace(samples, modalities={**samples.modalities, "voice": Ragged.from_arrays(voice)})
    data = load_datasets(samples, DataConfig(cases="weighted"))
    assert data.train.weights is not None
    assert set(data.train.weights.tolist()) == {1.0}
    assert "which samples these are cannot be predicted from ecg, so that all count alike" in data.notes[0]


def test_without_gaps_every_choice_is_all() -> None:
    samples = informative()
    voice = Ragged.from_arrays([np.ones(2)] * COUNT)
    samples = replace(samples, modalities={**samples.modalities, "voice": voice})
    for cases in ("complete", "weighted"):
        data = load_datasets(samples, DataConfig(cases=cases))
        assert (data.train.weights, data.notes, len(data.train)) == (None, (), COUNT // 3)


def test_weights_without_a_modality_that_all_have_are_refused() -> None:
    samples = informative(share=0.2)
    assert always_there(load_datasets(samples, DataConfig()).train) == ()
    with pytest.raises(DataError, match="no modality is in every training sample"):
        load_datasets(samples, DataConfig(cases="weighted"))


def test_no_complete_sample_is_refused() -> None:
    samples = informative()
    ecg = [None if here else np.ones(3) for here in samples.present[:, 1]]
    samples = replace(samples, modalities={**samples.modalities, "ecg": Ragged.from_arrays(ecg)})
    with pytest.raises(
        DataError, match=r"no training sample .* has every modality\n.*leave data.cases = 'complete' out"
    ):
        load_datasets(samples, DataConfig(cases="complete"))


def test_a_mean_over_time_is_of_known_numbers_and_of_the_centre_where_there_are_none() -> None:
    samples = small(count=60)
    train = load_datasets(samples, DataConfig(label="mood", normalise="none", group="")).train
    means = time_means(train, ("text",))
    for i, row in enumerate(train.rows[:12]):
        frames = samples.modalities["text"].sample(int(row))
        kept = frames[samples.modalities["text"].valid[samples.modalities["text"].offsets[row] :][: len(frames)]]
        expected = kept.astype(np.float64).mean(axis=0) if len(kept) else np.zeros(5)
        np.testing.assert_allclose(means[i], expected, rtol=1e-3, atol=1e-3)
