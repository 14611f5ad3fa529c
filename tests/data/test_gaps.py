"""Natural gaps: counted as they are, and tested for what they tell of the label at the level that is promised."""

import numpy as np
import pytest

from md2n.data.check import check
from md2n.data.gaps import availability_association, gap_counts
from md2n.data.readers.arrays import from_arrays
from md2n.data.samples import Samples
from tests.data.test_check import by_code, only


def with_gaps(present: np.ndarray, labels, **more) -> Samples:
    rng = np.random.default_rng(5)
    count = len(present)
    return from_arrays(
        {"a": rng.normal(size=(count, 3)), "b": rng.normal(size=(count, 2)), "c": rng.normal(size=(count, 2))},
        labels,
        splits=["train"] * (count // 2) + ["valid"] * (count // 4) + ["test"] * (count - count // 2 - count // 4),
        present={"b": present},
        **more,
    )


def test_gaps_are_counted_by_pattern_and_split():
    present = np.ones(120, bool)
    present[[0, 1, 100]] = False
    samples = with_gaps(present, np.random.default_rng(0).normal(size=120))
    assert gap_counts(samples) == [
        ("a+b+c", {"train": 58, "valid": 30, "test": 29, "unassigned": 0}),
        ("a+c", {"train": 2, "valid": 0, "test": 1, "unassigned": 0}),
    ]
    assert by_code(samples)["natural-gaps"][0].message == (
        "3 of 120 samples (2%) miss a modality; they have: a+c 3 (train 2, test 1)"
    )


def test_a_modality_that_a_whole_split_lacks():
    present = np.ones(120, bool)
    present[60:90] = False
    labels = np.random.default_rng(0).normal(size=120)
    assert "b is in no sample of the valid split, but in 90 others" in only(
        with_gaps(present, labels), "absent-in-split", "warning"
    )
    found = by_code(with_gaps(np.arange(120) >= 60, labels))["absent-in-split"]
    assert [f.severity for f in found] == ["error"]


@pytest.mark.parametrize("kind", ["classes", "values", "tiny values"])
def test_gaps_that_give_the_label_away(kind):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400) if kind == "classes" else rng.normal(size=400)
    labels = 1e-9 * labels if kind == "tiny values" else labels
    cut = labels > (1 if kind == "classes" else 0)
    message = only(with_gaps(cut, labels), "gaps-give-label-away", "error")
    assert "b most" in message
    loose = np.where(rng.random(400) < 0.65, cut, ~cut)
    assert "predicts 'y'" in only(with_gaps(loose, labels), "gaps-give-label-away", "warning")
    told = by_code(with_gaps(rng.random(400) < 0.5, labels))
    assert "says little of 'y'" in told["gaps-and-label"][0].message


def clustered(rng, members: int, each: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Presence and label both go by person, and have nothing to do with one another."""
    who = np.repeat(np.arange(members), each)
    return (rng.random(members) < 0.6)[who], rng.integers(0, 2, members)[who], [f"p{w}" for w in who]


@pytest.mark.parametrize("kind", ["independent", "values", "people", "people_alike"])
def test_the_test_of_gaps_keeps_its_level(kind):
    """At p <= 0.05 about one in twenty unrelated sets may be called related; not one in five."""
    rejected, runs = 0, 120
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        groups = None
        if kind == "independent":
            present, labels = rng.random(80) < 0.7, rng.integers(0, 3, 80)
        elif kind == "values":
            present, labels = rng.random(80) < 0.7, rng.normal(size=80)
        elif kind == "people":
            present, labels, people = clustered(rng, 12, 8)
            groups = {"subject": people}
        else:  # every person does every task once, and presence goes by person
            who = np.repeat(np.arange(12), 6)
            present, labels = (rng.random(12) < 0.6)[who], np.tile(np.arange(6), 12)
            groups = {"subject": [f"p{w}" for w in who]}
        if present.all() or not present.any():
            continue
        told = availability_association(with_gaps(present, labels, groups=groups), seed=seed, permutations=99)
        rejected += told is not None and told.p <= 0.05
    assert rejected <= 0.11 * runs  # three standard errors above the level


def test_people_are_not_taken_for_independent_samples():
    """Without the group column the same data would be called related far too often: the column is what matters."""
    wrong = right = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        present, labels, people = clustered(rng, 12, 8)
        if present.all() or not present.any() or len(set(labels)) < 2:
            continue
        alone = with_gaps(present, labels)
        grouped = with_gaps(present, labels, groups={"subject": people})
        wrong += availability_association(alone, permutations=199).p <= 0.01
        right += availability_association(grouped, permutations=199).p <= 0.01
    assert wrong >= 15
    assert right <= 3


@pytest.mark.parametrize("within", [True, False])
def test_relations_within_and_between_people_are_found(within):
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(30), 8)
    task = np.tile(np.arange(8), 30)
    labels = task if within else (np.arange(30) % 2)[who]
    present = task < 4 if within else ((np.arange(30) % 2) == 1)[who] | (rng.random(240) < 0.1)
    told = availability_association(with_gaps(present, labels, groups={"subject": [f"p{w}" for w in who]}))
    assert told.p <= 0.01
    assert told.strongest == "b"
    assert told.alone > 0.5


def test_known_effect_sizes():
    half = np.arange(200) % 2 == 0
    told = availability_association(with_gaps(half, np.arange(200) % 2))
    assert told.measure == "V"
    assert told.effect == pytest.approx(1, abs=0.01)
    told = availability_association(with_gaps(half, np.where(half, 1.0, -1.0)))
    assert (told.measure, told.effect) == ("eta2", pytest.approx(1))
    assert availability_association(with_gaps(np.ones(200, bool), np.arange(200) % 2)) is None
    assert availability_association(with_gaps(half[:16], np.arange(16) % 2)) is None


def test_the_answer_does_not_depend_on_luck():
    rng = np.random.default_rng(3)
    samples = with_gaps(rng.random(150) < 0.6, rng.integers(0, 3, 150))
    assert check(samples, seed=1) == check(samples, seed=1)
    p = [availability_association(samples, seed=s).p for s in range(5)]
    assert max(p) - min(p) < 0.1
