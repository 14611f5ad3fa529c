"""Small data sets for the tests of the data core."""

from dataclasses import replace
from typing import Any

import numpy as np

from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.modality import Task
from md2n.seeding import numpy_generator

MOOD = Task("classification", "mood", ("low", "mid", "high"))
SCORE = Task("regression", "score", low=-3, high=3, sentiment=True)
FREE = Task("regression", "free")


def small(seed: int = 0, count: int = 30, dims: tuple[int, int] = (5, 3)) -> Samples:
    """A ragged sequence (float16) with invalid frames, and a vector (float32); natural gaps; two people a split."""
    rng = numpy_generator(seed, "small")
    text = [rng.normal(size=(1 + i % 4, dims[0])).astype(np.float16) for i in range(count)]
    for i in range(0, count, 3):
        text[i][0] = np.nan
    return Samples(
        name="small",
        modalities={
            "text": Ragged.from_arrays([None if i % 4 == 0 else x for i, x in enumerate(text)]),
            "ecg": Ragged.from_arrays(
                [None if i % 4 == 1 else rng.normal(size=(1, dims[1])).astype(np.float32) for i in range(count)]
            ),
        },
        labels={
            "mood": LabelColumn(rng.integers(0, 3, count), MOOD),
            "score": LabelColumn(rng.uniform(-3, 3, count).astype(np.float32), SCORE),
            "free": LabelColumn(np.where(rng.random(count) < 0.2, np.nan, 1e3).astype(np.float32), FREE),
        },
        split=np.asarray([(0, 0, 0, 1, 2, 255)[i % 6] for i in range(count)], np.uint8),
        ids=np.asarray([f"clip-{i}" if i else "Löwe/1" for i in range(count)]),
        groups={"person": np.asarray([f"p{i % 5}" for i in range(count)]), "room": np.asarray(["a"] * count)},
        default_label="score",
        normalise_by="person",
        notes=("a note", "another"),
        source={"reader": "made", "files": [{"name": "x", "bytes": 3}]},
    )


def with_unknown_cells(seed: int = 0, count: int = 30) -> Samples:
    """``small`` with single numbers unknown in either modality, from the second third of the samples on."""
    samples = small(seed, count)
    rng = numpy_generator(seed, "cells")
    modalities = {}
    for name, ragged in samples.modalities.items():
        rows: list = [np.array(ragged.sample(i), copy=True) if ragged.present[i] else None for i in range(count)]
        for row in (r for r in rows[count // 3 :] if r is not None):
            row[rng.random(row.shape) < 0.3] = np.nan
        modalities[name] = Ragged.from_arrays(rows, dim=ragged.dim)
    return replace(samples, modalities=modalities)


def assert_same(one: Samples, two: Samples) -> None:
    """Equal to the bit, in every part."""
    told = ("name", "default_label", "normalise_by", "notes", "source")
    assert [getattr(one, k) for k in told] == [getattr(two, k) for k in told]
    assert (list(one.modalities), list(one.labels), list(one.groups)) == (
        list(two.modalities),
        list(two.labels),
        list(two.groups),
    )
    pairs = [(one.split, two.split), *((one.groups[k], two.groups[k]) for k in one.groups), (one.ids, two.ids)]
    for k, a in one.modalities.items():
        b = two.modalities[k]
        pairs += [(a.values, b.values), (a.offsets, b.offsets), (a.valid, b.valid), (a.known(), b.known())]
        assert (a.cells is None) == (b.cells is None)
    for k in one.labels:
        assert one.labels[k].task == two.labels[k].task
        pairs.append((one.labels[k].values, two.labels[k].values))
    for x, y in pairs:
        assert x.dtype.kind == "U" or x.dtype == y.dtype
        assert x.shape == y.shape
        assert x.tolist() == y.tolist() if x.dtype.kind == "U" else x.tobytes() == y.tobytes()


def layout(samples: Samples) -> dict[str, Any]:
    """Arguments of ``StoreWriter`` for such samples."""
    return {
        "name": samples.name,
        "dims": {k: r.dim for k, r in samples.modalities.items()},
        "labels": {k: c.task for k, c in samples.labels.items()},
        "groups": tuple(samples.groups),
        "dtype": {k: r.values.dtype for k, r in samples.modalities.items()},
        "default_label": samples.default_label,
        "normalise_by": samples.normalise_by,
        "notes": samples.notes,
        "source": samples.source,
    }
