"""Hidden for good: from training and validation, in place of nothing else."""

import numpy as np
import pytest

from md2n.data.hide import hidden_counts, hide_for_good
from md2n.data.normalise import Normaliser
from md2n.errors import UsageError
from tests.data.sets import assert_same, small


def test_only_training_and_validation_lose_it_each_at_the_rate():
    whole = small(count=60)
    left = hide_for_good(whole, {"ecg": 0.5}, 0)
    before, after = whole.present, left.present
    assert (before[:, 0] == after[:, 0]).all()
    for split, name in enumerate(("train", "valid")):
        rows = whole.split == split
        had, gone = int(before[rows, 1].sum()), int((before & ~after)[rows, 1].sum())
        # Of those that have another modality: samples 0, 4, ... have no text.
        assert gone == min(int(0.5 * had + 0.5), int(before[rows].all(axis=1).sum()))
        assert hidden_counts(whole, left)["ecg"][name] == [gone, had]
    rest = whole.split > 1
    assert (before[rest] == after[rest]).all()
    assert after.any(axis=1).all()


def test_the_data_are_not_touched_and_no_rate_changes_nothing():
    whole = small(count=60)
    assert hide_for_good(whole, {}, 0) is whole
    hide_for_good(whole, {"ecg": 0.5}, 0)
    assert_same(whole, small(count=60))
    assert hidden_counts(whole, whole) == {}


def test_the_normalisation_has_not_seen_what_is_hidden():
    whole = small(count=60)
    left = hide_for_good(whole, {"ecg": 0.5}, 0)
    rows = left.rows("train")
    fitted = Normaliser.fit(left, rows, "", "standard", 10.0)
    kept = np.concatenate([left.modalities["ecg"].sample(int(i)) for i in rows if left.present[i, 1]])
    np.testing.assert_allclose(fitted.train["ecg"].centre, kept.mean(axis=0), rtol=1e-5)


def test_a_modality_that_no_training_sample_would_keep_is_refused():
    whole = small(count=60)
    whole = whole.select(np.flatnonzero(whole.present.all(axis=1)))
    with pytest.raises(UsageError, match=r"no training sample would keep 'ecg'\n.*data.modalities=\['text'\]"):
        hide_for_good(whole, {"ecg": 1}, 0)
