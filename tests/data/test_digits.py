"""The embedded set: sizes, shares, and views that are worth what the documentation says."""

import numpy as np
import pytest

from md2n.data.config import DataConfig
from md2n.data.digits import edges, fourier, load_digits, moments, stratify
from md2n.data.ready import load_datasets
from md2n.data.store import checksum

DIGITS = load_digits()


def test_sizes_and_shares():
    assert len(DIGITS) == 1797
    assert [len(DIGITS.rows(s)) for s in ("train", "valid", "test")] == [1096, 300, 401]
    assert [(m.name, m.length, m.dim) for m in DIGITS.schema().modalities] == [
        ("rows", 8, 8),
        ("edges", 1, 48),
        ("fourier", 1, 40),
        ("moments", 1, 7),
    ]
    codes = DIGITS.label().values
    for split in ("train", "valid", "test"):
        shares = np.bincount(codes[DIGITS.rows(split)], minlength=10) / len(DIGITS.rows(split))
        assert abs(shares - np.bincount(codes) / 1797).max() < 0.005
    assert DIGITS.ids[:2].tolist() == ["digit-0000", "digit-0001"]
    assert len(set(DIGITS.ids)) == 1797
    assert DIGITS.present.all()
    assert all(r.valid.all() for r in DIGITS.modalities.values())


def test_it_is_the_same_set_every_time():
    assert checksum(load_digits()) == checksum(DIGITS)
    # On every processor, so that runs of two machines stand in one table.
    assert checksum(DIGITS) == "a4203422488c0a54"
    assert np.array_equal(stratify(DIGITS.label().values), DIGITS.split)


def test_views_are_of_unequal_worth():
    """A ridge classifier per view, as the module tells."""
    data = load_datasets(DIGITS, DataConfig())
    worth = {}
    for name in DIGITS.names:
        (x, y), (x_test, y_test) = (
            (b.features[name].reshape(b.size, -1).double().numpy(), b.labels.numpy())
            for b in (s.batch(np.arange(len(s))) for s in (data.train, data.test))
        )
        x, x_test = np.c_[x, np.ones(len(x))], np.c_[x_test, np.ones(len(x_test))]
        weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ np.eye(10)[y])
        worth[name] = float(((x_test @ weights).argmax(axis=1) == y_test).mean())
    assert worth == pytest.approx({"rows": 0.943, "edges": 0.923, "fourier": 0.791, "moments": 0.696}, abs=0.01)


def dot(row: int, column: int) -> np.ndarray:
    image = np.zeros((1, 8, 8), np.float32)
    image[0, row, column] = 1
    return image


def test_moments_of_a_dot_and_of_a_bar():
    mass, x, y, *central = moments(dot(2, 5))[0].tolist()
    assert (mass, x, y) == (1 / 64, 5, 2)
    assert central == [0, 0, 0, 0]
    bar = dot(4, 3) + dot(4, 4) + dot(4, 5)
    _, x, y, wide, tall, slant, skew = moments(bar)[0].tolist()
    assert (x, y, tall, slant, skew) == (4, 4, 0, 0, 0)
    assert wide == pytest.approx(2 / 9)  # sum of dx^2 over mass^2
    assert np.allclose(moments(np.roll(bar, 2, axis=1))[0, 3:], moments(bar)[0, 3:])


def test_fourier_forgets_the_place():
    image = DIGITS.modalities["rows"].sample(0)[None]
    assert np.allclose(fourier(np.roll(image, (3, 2), axis=(1, 2))), fourier(image), atol=1e-5)
    assert not np.allclose(edges(np.roll(image, (3, 2), axis=(1, 2))), edges(image), atol=0.1)
    assert np.allclose(fourier(dot(1, 1)), np.log(2), atol=1e-6)


def test_edges_of_a_dot():
    found = edges(dot(2, 5))[0].reshape(6, 8)
    per_row, per_column, left, right, top, bottom = found
    assert np.flatnonzero(per_row).tolist() == [2]
    assert np.flatnonzero(per_column).tolist() == [5]
    assert per_row[2] == per_column[5] == 1 / 8
    # How much is free before the first ink: from the left 5 of 8, from the right 2, from above 2, from below 5.
    assert (left[2], right[2], top[5], bottom[5]) == (5 / 8, 2 / 8, 2 / 8, 5 / 8)
    assert np.delete(left, 2).tolist() == [1] * 7
