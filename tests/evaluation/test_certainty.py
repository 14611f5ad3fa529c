"""The certainty of predictions: known temperatures, coverage that holds, few rows that change little."""

import numpy as np
import pytest

from md2n.config import from_mapping, to_mapping
from md2n.errors import DataError
from md2n.evaluation.certainty import LEVELS, PRIOR, Certainty, fit_certainty
from md2n.evaluation.metrics import cross_entropy
from md2n.modality import Task

CLASSES = Task("classification", classes=("a", "b", "c"))
REAL = Task("regression")


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """True probabilities, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), size=rows)
    return p, (p.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1), rng


def sharpened(p: np.ndarray, power: float) -> np.ndarray:
    return p**power / (p**power).sum(axis=1, keepdims=True)


def loss_at(temperature: float, p: np.ndarray, codes: np.ndarray) -> float:
    return cross_entropy(sharpened(p, 1 / temperature), codes)


@pytest.mark.parametrize("truth", [0.5, 2.0, 3.0])
def test_the_temperature_is_the_one_of_least_loss(truth: float) -> None:
    p, codes, _ = drawn(6000)
    said = sharpened(p, truth)  # with 2, too sure of itself by a temperature of 2
    (t,) = fit_certainty(CLASSES, 1, said, codes, np.ones(6000, np.int64)).temperatures
    assert t == pytest.approx(truth, rel=0.1)
    grid = np.geomspace(0.2, 6, 400)
    best = grid[np.argmin([loss_at(x, said, codes) for x in grid])]
    assert t == pytest.approx(best, rel=0.02)  # PRIOR rows of 6000, and the grid's step
    assert loss_at(t, said, codes) < loss_at(1.0, said, codes) - 0.01


def test_each_number_has_a_temperature_of_its_own() -> None:
    p, codes, _ = drawn(8000)
    number = np.repeat([1, 2], 4000)
    said = np.concatenate([sharpened(p[:4000], 3.0), p[4000:]])
    one, two = fit_certainty(CLASSES, 2, said, codes, number).temperatures
    assert one == pytest.approx(3.0, rel=0.1)
    assert two == pytest.approx(1.0, rel=0.1)


def test_a_number_of_few_rows_stays_near_the_common_temperature() -> None:
    p, codes, _ = drawn(6000)
    said = sharpened(p, 2.0)
    codes[-2:] = said[-2:].argmin(axis=1)  # two rows that alone would ask for the highest temperature
    number = np.repeat([1, 2], [5998, 2])
    many, few, none = fit_certainty(CLASSES, 3, said, codes, number).temperatures
    (alone,) = fit_certainty(CLASSES, 1, said[-2:], codes[-2:], np.ones(2, np.int64)).temperatures
    assert many == pytest.approx(2.0, rel=0.1)
    assert many < few < 2 * many
    assert none == pytest.approx(many, rel=0.01)  # no row at all: the common one
    assert 1 < alone < 3  # and two rows among PRIOR cannot move 1 far
    assert PRIOR == 20


def test_where_nothing_can_be_learned_the_temperature_is_one() -> None:
    even = np.full((50, 3), 1 / 3)
    number = np.ones(50, np.int64)
    codes = np.arange(50) % 3
    assert fit_certainty(CLASSES, 2, even, codes, number).temperatures == (1.0, 1.0)
    # Labels that come as often as they are said to: nothing to mend.
    said = np.tile([0.5, 0.25, 0.25], (400, 1))
    (t,) = fit_certainty(CLASSES, 1, said, np.tile([0, 0, 1, 2], 100), np.ones(400, np.int64)).temperatures
    assert t == pytest.approx(1.0, abs=1e-9)


def test_a_method_that_is_always_right_or_says_zero_leaves_finite_numbers() -> None:
    sure = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    for codes in (np.arange(30) % 3, (np.arange(30) + 1) % 3):
        fitted = fit_certainty(CLASSES, 1, sure, codes, np.ones(30, np.int64))
        p = fitted.probabilities(sure, np.ones(30, np.int64))
        assert np.isfinite(fitted.temperatures).all()
        assert np.allclose(p.sum(axis=1), 1)
        assert np.array_equal(p.argmax(axis=1), sure.argmax(axis=1))


def test_the_answer_never_changes_also_where_two_classes_are_almost_equal() -> None:
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(3), size=500).astype(np.float32)
    p[:200] = np.float32(1 / 3)
    p[np.arange(200), np.arange(200) % 3] = np.nextafter(np.float32(1 / 3), np.float32(1))  # by the last digit
    for temperature in (0.02, 0.5, 1.0, 7.0, 50.0):
        warm = Certainty(temperatures=(temperature,)).probabilities(p, np.ones(500, np.int64))
        assert np.array_equal(warm.argmax(axis=1), p.argmax(axis=1))
        assert np.allclose(warm.sum(axis=1), 1)
    same = Certainty(temperatures=(1.0,)).probabilities(p, np.ones(500, np.int64))
    assert np.allclose(same, p / p.sum(axis=1, keepdims=True), atol=1e-6)


def test_half_widths_are_the_ranks_of_the_absolute_errors() -> None:
    errors = np.arange(1.0, 20.0)  # 1 .. 19: ranks 10, 16 and 18
    fitted = fit_certainty(REAL, 1, np.zeros(19), np.where(np.arange(19) % 2, errors, -errors), np.ones(19, np.int64))
    assert fitted.half_widths == ((10.0,), (16.0,), (18.0,))
    nine = fit_certainty(REAL, 1, np.zeros(9), errors[:9], np.ones(9, np.int64))
    assert nine.half_widths == ((5.0,), (8.0,), (9.0,))
    ends = nine.interval(90, np.array([1.0, 2.0], np.float32), np.array([1, 1]))
    assert ends.tolist() == [[-8.0, 10.0], [-7.0, 11.0]]
    assert ends.dtype == np.float32


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    worlds, rows, new = 400, 39, 50
    inside = dict.fromkeys(LEVELS, 0)
    for _ in range(worlds):
        y = rng.standard_t(3, size=rows + new)  # any errors will do
        number = np.ones(rows + new, np.int64)
        fitted = fit_certainty(REAL, 1, np.zeros(rows), y[:rows], number[:rows])
        for level in LEVELS:
            low, high = fitted.interval(level, np.zeros(new), number[rows:]).T
            inside[level] += int(((low <= y[rows:]) & (y[rows:] <= high)).sum())
    for level in LEVELS:
        # With 39 rows (n + 1) level is whole: coverage is exactly the level, in the mean over worlds.  A world's own
        # coverage is Beta distributed with this variance; to it comes the binomial one of its new samples.
        p = level / 100
        error = np.sqrt(p * (1 - p) * (1 / (rows + 2) + 1 / new) / worlds)
        assert inside[level] / (worlds * new) == pytest.approx(p, abs=3 * error)


def test_few_rows_have_the_common_width_and_too_few_have_none() -> None:
    rng = np.random.default_rng(1)
    y = np.concatenate([rng.normal(size=50), 5 * rng.normal(size=8)])
    number = np.repeat([1, 2], [50, 8])
    fitted = fit_certainty(REAL, 2, np.zeros(58), y, number)
    together = fit_certainty(REAL, 1, np.zeros(58), y, np.ones(58, np.int64))
    alone = fit_certainty(REAL, 1, np.zeros(50), y[:50], np.ones(50, np.int64))
    assert [w[0] for w in fitted.half_widths] == [w[0] for w in alone.half_widths]
    assert [w[1] for w in fitted.half_widths] == [w[0] for w in together.half_widths]
    assert fit_certainty(REAL, 2, np.zeros(8), y[:8], number[:8]) is None


def test_what_is_written_is_read_back_to_the_bit_and_fits_one_kind_of_model() -> None:
    p, codes, _ = drawn(300)
    classes = fit_certainty(CLASSES, 2, sharpened(p, 1.7), codes, np.arange(300) % 2 + 1)
    real = fit_certainty(REAL, 2, p[:, 0], p[:, 1], np.arange(300) % 2 + 1)
    for certainty, task, other in ((classes, CLASSES, REAL), (real, REAL, CLASSES)):
        assert from_mapping(Certainty, to_mapping(certainty)) == certainty
        certainty.check(2, task)
        for modalities, wrong in ((3, task), (2, other)):
            with pytest.raises(DataError, match="certainty of predictions does not fit"):
                certainty.check(modalities, wrong)
