"""Centre and scale where a feature sticks at a far-off end, and what must not be taken for that."""

import numpy as np
import pytest

from md2n.data import affine as module
from md2n.data.affine import Affine
from md2n.data.normalise import Normaliser
from md2n.data.samples import Ragged, Samples
from md2n.errors import DataError, UsageError
from md2n.seeding import numpy_generator

WHOLE = (0.0, 100.0)


def column(share: float, low: float | None = -255, high: float | None = 255, count: int = 4000) -> np.ndarray:
    """Unit Gaussian values of which a share is replaced by each end."""
    x = numpy_generator(0, "column").normal(size=(count, 1)).astype(np.float32)
    part = int(share * count)
    if low is not None:
        x[:part] = low
    if high is not None:
        x[part : 2 * part] = high
    return x


@pytest.mark.parametrize("share", [0.0005, 0.005, 0.02, 0.1, 0.3])
@pytest.mark.parametrize(("low", "high"), [(-255, 255), (None, 255), (-255, None)])
def test_any_share_of_clipped_values_leaves_the_scale_of_the_others(share, low, high):
    fitted = Affine.fit(column(share, low, high), "robust")
    # Stuck values count as the 1st or 99th percentile of the others: at most 2.4 of their deviations away.
    assert 0.85 < fitted.scale[0] < 2.4
    assert abs(fitted.centre[0]) < 1.0
    plain = Affine.fit(column(share, low, high), "standard")
    assert plain.scale[0] > 4


def test_few_values_of_a_member_are_no_matter_of_percentiles():
    x = column(0, count=15)
    x[3] = -255
    fitted = Affine.fit(x, "robust", tails=WHOLE)
    assert fitted.scale[0] < 2
    calm = column(0, count=15)
    assert Affine.fit(calm, "robust", tails=WHOLE).scale[0] == pytest.approx(calm.std(), rel=1e-5)


@pytest.mark.parametrize(
    "values",
    [
        np.repeat([0, 1], [30, 70]),  # two values alone
        np.repeat([0, 1, 2], [40, 20, 40]),  # three
        np.r_[np.zeros(80), np.linspace(0.1, 9, 20)],  # mostly zero
        np.r_[np.linspace(0, 1, 90), np.full(10, 16)],  # a far end, but not far enough
        np.r_[np.full(99, 3.0), 100],  # nothing between the ends
        np.exp(np.linspace(-4, 4, 100)),  # a long tail
    ],
)
def test_what_is_no_sticking_end_is_left_alone(values):
    x = np.asarray(values, np.float32)[:, None]
    fitted = Affine.fit(x, "robust", tails=WHOLE)
    assert fitted.scale[0] == pytest.approx(x.std(), rel=1e-4)


def test_features_are_measured_apart():
    x = np.concatenate([column(0.1), column(0, count=4000), np.full((4000, 1), 7, np.float32)] * 50, axis=1)
    assert x.shape[1] > 2 * module.COLUMNS
    whole = Affine.fit(x, "robust")
    for j in (0, 1, 2, 148, 149):
        alone = Affine.fit(x[:, j : j + 1], "robust")
        assert (whole.centre[j], whole.scale[j]) == (alone.centre[0], alone.scale[0])
    assert (whole.centre[2], whole.scale[2]) == (7, 1)


def test_nothing_to_measure():
    fitted = Affine.fit(np.zeros((0, 2), np.float32), "robust")
    assert fitted.scale.tolist() == [1, 1]
    assert fitted.centre.tolist() == [0, 0]


def people() -> Samples:
    rng = numpy_generator(0, "people")
    who = np.asarray([f"p{i % 4}" for i in range(40)])
    x = (rng.normal(size=(40, 1, 2)) + np.arange(40)[:, None, None] % 4 * 100).astype(np.float32)
    modalities = {"a": Ragged.from_padded(x), "b": Ragged.from_padded(x)}
    return Samples("people", modalities, {}, np.zeros(40, np.uint8), np.arange(40).astype(str), {"who": who})


def test_many_members_at_once_are_the_members_one_by_one():
    samples = people()
    normaliser = Normaliser.fit(samples, samples.rows("train"), "who")
    who = samples.groups["who"].copy()
    who[:4] = "stranger"
    x = samples.modalities["a"].values
    together = normaliser.apply("a", x, who)
    apart = np.concatenate([normaliser.apply("a", x[i : i + 1], str(who[i])) for i in range(40)])
    assert np.array_equal(together, apart)
    back = normaliser.invert("a", together, who)
    inside = np.abs(together) < normaliser.limit
    assert inside.mean() > 0.9
    assert np.allclose(back[inside], x[inside], atol=1e-3)
    assert normaliser.apply("a", x[:0], who[:0]).shape == (0, 2)


def test_a_stranger_is_not_pushed_to_the_limit():
    """Statistics taken after the groups' own mean nothing to values in the data's units."""
    samples = people()
    normaliser = Normaliser.fit(samples, samples.rows("train"), "who")
    z = normaliser.apply("a", samples.modalities["a"].values, "stranger")
    assert np.abs(z).max() < 3


def test_refusals():
    samples = people()
    normaliser = Normaliser.fit(samples, samples.rows("train"), "who")
    for call in (normaliser.apply, normaliser.invert):
        with pytest.raises(UsageError, match=r"no normalisation was fitted for modality 'c'\n.*known: a, b"):
            call("c", np.zeros((1, 2)))
    arrays, meta = normaliser.to_state()
    with pytest.raises(DataError, match=r"the saved normalisation lacks 'anyone.a.centre'\n.*train again"):
        Normaliser.from_state({k: v for k, v in arrays.items() if not k.startswith("anyone")}, meta)
    with pytest.raises(DataError, match="the saved normalisation lacks 'members'"):
        Normaliser.from_state(arrays, {k: v for k, v in meta.items() if k != "members"})
