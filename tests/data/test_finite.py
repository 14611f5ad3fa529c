"""What is called valid has to be a number: checked when statistics or a batch are made of it, and named."""

from dataclasses import replace

import numpy as np
import pytest

from md2n.data.dataset import MultimodalDataset
from md2n.data.finite import require_finite
from md2n.data.normalise import Normaliser
from md2n.data.samples import Ragged, Samples
from md2n.errors import DataError
from tests.data.sets import small


def broken(value: float, valid: bool = True) -> tuple[Samples, str]:
    """A data set with this value in one cell of the second present sample of 'text', and the id of the sample."""
    samples = small()
    text = samples.modalities["text"]
    row = int(np.flatnonzero(text.present)[1])
    frame = int(text.offsets[row])
    values, flags = text.values.copy(), text.valid.copy()
    values[frame, 2], flags[frame] = value, valid
    spoilt = samples.modalities | {"text": Ragged(values, text.offsets, flags)}  # type: ignore[operator]
    return replace(samples, modalities=spoilt), str(samples.ids[row])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_none_is_refused_with_its_modality_and_sample(value: float) -> None:
    samples, name = broken(value)
    everything = np.arange(len(samples))
    told = rf"modality 'text' holds a NaN or an infinity in 1 frames .* of sample '{name}'\n.*import them again"
    with pytest.raises(DataError, match=told):
        MultimodalDataset(samples, everything).batch(np.arange(2))
    with pytest.raises(DataError, match=told):
        Normaliser.fit(samples, everything)


def test_also_where_frames_are_read_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("md2n.data.dataset.SMALL", 0)
    samples, name = broken(np.nan)
    dataset = MultimodalDataset(samples, np.arange(len(samples)))
    row = int(np.flatnonzero(samples.ids == name)[0])
    others = np.asarray([i for i in range(len(samples)) if i != row])
    dataset.batch(others)
    with pytest.raises(DataError, match=f"of sample '{name}'"):
        dataset.batch(np.asarray([row]))


def test_what_is_marked_invalid_may_be_anything() -> None:
    samples, _ = broken(np.nan, valid=False)
    batch = MultimodalDataset(samples, np.arange(len(samples)), Normaliser.fit(samples, np.arange(len(samples)))).batch(
        np.arange(len(samples))
    )
    assert bool(batch.readable("text").isfinite().all())


def test_flags_may_be_given_for_every_cell() -> None:
    values = np.asarray([[1, np.nan], [np.inf, 2]])
    require_finite("a", values, np.isfinite(values), str)
    with pytest.raises(DataError, match=r"in 1 frames .* of sample '1'"):
        require_finite("a", values, np.asarray([[True, False], [True, True]]), str)
