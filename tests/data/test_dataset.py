"""Batches: the same as a plain loop makes them, in any order, from memory and from a store."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from md2n.data import dataset as module
from md2n.data.dataset import MultimodalDataset, epoch_order, iterate
from md2n.data.normalise import Normaliser
from md2n.data.samples import Samples
from md2n.data.store import open_store, write_store
from md2n.errors import UsageError
from md2n.seeding import sample_keys
from tests.data.sets import small

ROWS = np.asarray([7, 2, 11, 3, 0, 5, 28], np.int64)


def looped(samples: Samples, rows: list[int], normaliser: Normaliser | None, least: int = 1) -> tuple[dict, dict]:
    """Padded features and validity, one frame at a time."""
    features, valid = {}, {}
    for name, r in samples.modalities.items():
        longest = max([least, *(int(r.offsets[i + 1] - r.offsets[i]) for i in rows)])
        x, v = np.zeros((len(rows), longest, r.dim), np.float32), np.zeros((len(rows), longest), bool)
        for b, i in enumerate(rows):
            member = None if normaliser is None or not normaliser.group else str(samples.groups[normaliser.group][i])
            for t, f in enumerate(range(int(r.offsets[i]), int(r.offsets[i + 1]))):
                frame = r.values[f][None]
                x[b, t] = frame if normaliser is None else normaliser.apply(name, frame, member)
                v[b, t] = r.valid[f]
        features[name], valid[name] = x, v
    return features, valid


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("group", [None, "", "person"])
def test_batches_are_those_of_a_loop(tmp_path, monkeypatch, group, kept, stored):
    samples = small()
    normaliser = None if group is None else Normaliser.fit(samples, samples.rows("train"), group)
    if stored:
        samples = open_store(write_store(tmp_path / "store", samples))
    if not kept:
        monkeypatch.setattr(module, "SMALL", 0)
    dataset = MultimodalDataset(samples, ROWS, normaliser)
    for index in ([0, 1, 2], [6, 0, 3], [4], [5, 5, 1, 2, 3, 4, 0], []):
        batch = dataset.batch(np.asarray(index, np.int64))
        rows = ROWS[index].tolist()
        features, valid = looped(samples, rows, normaliser)
        for name in samples.names:
            assert np.array_equal(batch.features[name].numpy(), features[name])
            assert np.array_equal(batch.valid[name].numpy(), valid[name])
        assert batch.rows.tolist() == rows
        assert np.array_equal(batch.present.numpy(), samples.present[rows])
        assert torch.equal(batch.available, batch.present)
        assert np.array_equal(batch.labels.numpy(), samples.label().values[rows])


def test_what_is_absent_has_no_valid_frame_and_is_zero():
    batch = MultimodalDataset(small(), np.arange(30)).batch(np.arange(30))
    for k, name in enumerate(batch.names):
        absent = ~batch.present[:, k]
        assert absent.any()
        assert not batch.valid[name][absent].any()
        assert not batch.features[name][absent].any()
        assert batch.valid[name][~absent].any(dim=1).all()


def test_padding_to_a_minimum():
    dataset = MultimodalDataset(small(), ROWS)
    plain, long = dataset.batch(np.arange(3)), dataset.batch(np.arange(3), {"ecg": 6, "text": 1})
    assert long.features["ecg"].shape[1] == 6
    assert long.features["text"].shape == plain.features["text"].shape
    assert torch.equal(long.features["ecg"][:, :1], plain.features["ecg"])
    assert not long.valid["ecg"][:, 1:].any()


def test_labels_keep_their_units_and_kinds():
    samples = small()
    for column, kind in (("score", torch.float32), ("mood", torch.int64), ("free", torch.float32)):
        dataset = MultimodalDataset(samples, ROWS, Normaliser.fit(samples, samples.rows("train")), column)
        assert dataset.batch(np.arange(7)).labels.dtype == kind
        assert np.array_equal(dataset.labels, samples.label(column).values[ROWS], equal_nan=kind is torch.float32)
        assert dataset.task.label == column


@pytest.mark.parametrize("column", ["mood", "score"])
def test_new_data_need_no_labels(column):
    schema = small().schema(column)
    bare = replace(small(), labels={}, default_label="")
    other = replace(small(), labels={"other": small().labels["free"]}, default_label="other")
    for samples in (bare, other):
        labels = MultimodalDataset(samples, ROWS, schema=schema).batch(np.arange(2)).labels
        assert labels.isnan().all() if column == "score" else labels.tolist() == [-1, -1]


def test_a_samples_key_is_of_its_id_alone():
    samples = small()
    keys = sample_keys(samples.ids)
    assert len(set(keys.tolist())) == len(samples)
    assert (keys >= 0).all()
    dataset = MultimodalDataset(samples, ROWS)
    assert dataset.batch(np.asarray([4, 0, 2])).keys.tolist() == keys[ROWS[[4, 0, 2]]].tolist()
    few = samples.select(ROWS[[2]])
    assert MultimodalDataset(few, np.asarray([0])).batch(np.asarray([0])).keys.tolist() == [keys[ROWS[2]]]
    twins = replace(samples, ids=np.full(len(samples), "twin"))
    assert len(set(MultimodalDataset(twins, ROWS).batch(np.arange(7)).keys.tolist())) == 1
    own = MultimodalDataset(samples, ROWS, keys=np.arange(len(samples)))
    assert own.batch(np.asarray([1, 0])).keys.tolist() == ROWS[[1, 0]].tolist()


def test_refusals():
    with pytest.raises(UsageError, match="'small' has no labels"):
        MultimodalDataset(replace(small(), labels={}, default_label=""), ROWS)
    with pytest.raises(UsageError, match="'small' has no label column 'moo'"):
        MultimodalDataset(small(), ROWS, label="moo")
    dataset = MultimodalDataset(small(), ROWS)
    for index in ([7], [0, -1]):
        with pytest.raises(UsageError, match=rf"there is no position {index[-1]} in a data set of 7"):
            dataset.batch(np.asarray(index))


class Watched(np.ndarray):
    """Remembers which frames were asked for."""

    def __getitem__(self, index):
        if isinstance(index, np.ndarray):
            self.seen.append(np.asarray(index))
        return np.asarray(self).__getitem__(index)


def test_only_the_frames_of_the_batch_are_read(monkeypatch):
    samples = small()
    text = samples.modalities["text"]
    watched = text.values.view(Watched)
    watched.seen = []
    samples = replace(samples, modalities=samples.modalities | {"text": replace(text, values=watched)})
    monkeypatch.setattr(module, "SMALL", 0)
    dataset = MultimodalDataset(samples, ROWS)
    dataset.batch(np.asarray([2, 1]))
    frames = [f for i in ROWS[[2, 1]] for f in range(text.offsets[i], text.offsets[i + 1])]
    assert np.concatenate(watched.seen).tolist() == frames
    monkeypatch.undo()
    watched.seen = []
    dataset = MultimodalDataset(samples, ROWS)
    for _ in range(3):
        dataset.batch(np.asarray([2, 1]))
    own = [f for i in ROWS for f in range(text.offsets[i], text.offsets[i + 1])]
    assert np.concatenate(watched.seen).tolist() == own  # once, and nothing of other rows


def test_a_batch_cannot_spoil_what_is_kept():
    dataset = MultimodalDataset(small(), ROWS)
    first = dataset.batch(np.arange(7))
    first.features["ecg"].fill_(9)
    assert not (dataset.batch(np.arange(7)).features["ecg"] == 9).any()


def test_an_epochs_order_is_a_function_of_seed_and_epoch_alone():
    orders = {(s, e): tuple(epoch_order(50, s, e).tolist()) for s in range(3) for e in range(4)}
    assert len(set(orders.values())) == 12
    assert all(sorted(o) == list(range(50)) for o in orders.values())
    np.random.seed(3)
    torch.manual_seed(3)
    assert tuple(epoch_order(50, 2, 1).tolist()) == orders[2, 1]
    # Runs that were stopped under an older version go on under this one.
    assert epoch_order(8, 0, 0).tolist() == [3, 6, 0, 1, 2, 7, 4, 5]
    assert epoch_order(0, 0, 0).tolist() == []


def test_every_sample_once_in_the_order_asked_for():
    dataset = MultimodalDataset(small(), np.arange(30))
    order = epoch_order(30, 0, 0)
    batches = list(iterate(dataset, 8, order, {"ecg": 2}))
    assert [b.size for b in batches] == [8, 8, 8, 6]
    assert torch.cat([b.rows for b in batches]).tolist() == order.tolist()
    assert all(b.features["ecg"].shape[1] == 2 for b in batches)
    assert torch.cat([b.rows for b in iterate(dataset, 7)]).tolist() == list(range(30))
    assert list(iterate(MultimodalDataset(small(), np.zeros(0, np.int64)), 4)) == []
