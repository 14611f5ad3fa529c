"""How sure answers are where they leave: calibrated probabilities, intervals, and runs that have neither."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import md2n
from md2n.data.samples import Samples
from md2n.errors import ConfigError, RunError
from md2n.evaluation.metrics import CERTAINTY_MEASURES
from md2n.serve.predictor import Predictor
from md2n.training.rundir import CERTAINTY, write_file
from tests.serve.trained import people


@pytest.fixture
def old(dropout: Predictor, folder: Path, tmp_path: Path) -> Path:
    """A run as an older md2n left it; the fixture ``dropout`` has trained it."""
    run = shutil.copytree(folder / "digits-modality_dropout", tmp_path / "old")
    (run / CERTAINTY).unlink()
    return run


def test_an_old_run_answers_as_before_and_says_that_it_is_not_calibrated(
    dropout: Predictor, old: Path, digits: Samples
) -> None:
    before = md2n.load(old)
    plain, calibrated = before.predict(digits), dropout.predict(digits)
    assert plain.output.dtype == np.float32
    assert any("the certainty of predictions is not calibrated" in note for note in plain.notes)
    assert not any("not calibrated" in note for note in calibrated.notes)
    assert not np.allclose(plain.output, calibrated.output, atol=1e-3)
    assert np.array_equal(plain.labels, calibrated.labels)
    four = dropout.certainty.temperatures[3]
    powers = plain.output.astype(float) ** (1 / four)
    assert np.allclose(calibrated.output, powers / powers.sum(axis=1, keepdims=True))
    assert plain.intervals == calibrated.intervals == {}


def test_the_temperature_is_that_of_the_number_of_given_modalities(
    dropout: Predictor, old: Path, digits: Samples
) -> None:
    fewer = digits.only(("rows", "edges"))
    raw, answer = md2n.load(old).predict(fewer).output.astype(float), dropout.predict(fewer).output
    powers = raw ** (1 / dropout.certainty.temperatures[1])
    assert np.allclose(answer, powers / powers.sum(axis=1, keepdims=True))


def test_measuring_changes_no_measure_and_adds_those_of_certainty(
    dropout: Predictor, old: Path, digits: Samples
) -> None:
    with_it, without = dropout.evaluate(digits).measures, md2n.load(old).evaluate(digits).measures
    assert with_it.keys() == without.keys()
    for condition, values in with_it.items():
        plain = {m: v for m, v in without[condition].items() if m not in CERTAINTY_MEASURES}
        assert plain == {m: v for m, v in values.items() if m not in CERTAINTY_MEASURES}
        assert "accuracy" in plain
        assert {"calibration_error", "calibration_error_after", "risk_coverage_area"} <= values.keys()
        assert "calibration_error_after" not in without[condition]
        assert values["calibration_error"] == without[condition]["calibration_error"]


def test_real_labels_get_intervals_one_within_the_other(grouped: Predictor) -> None:
    samples = people()
    answer = grouped.predict(samples)
    assert list(answer.intervals) == [50, 80, 90]
    number = np.array([a.count("+") + 1 for a in answer.available])
    assert set(number) == {2, 3}
    for k, (level, ends) in enumerate(answer.intervals.items()):
        assert ends.dtype == answer.output.dtype
        half = np.asarray(grouped.certainty.half_widths[k])[number - 1]
        assert np.allclose(ends[:, 1] - answer.output, half, rtol=1e-4), level
        assert np.allclose(answer.output - ends[:, 0], half, rtol=1e-4), level
    assert (answer.intervals[50][:, 1] <= answer.intervals[90][:, 1]).all()
    values = samples.labels["mood"].values[samples.rows("valid")]
    low, high = answer.intervals[90][samples.rows("valid")].T
    assert np.mean((low <= values) & (values <= high)) > 0.75  # thirty rows that it was learned on


def test_a_file_of_another_kind_of_label_is_refused(old: Path) -> None:
    write_file(old, CERTAINTY, b'{"temperatures": [], "half_widths": [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]}')
    with pytest.raises(RunError, match=r"certainty.json': the certainty of predictions does not fit a classification"):
        md2n.load(old)
    write_file(old, CERTAINTY, b'{"temperatures": [1, 1, 0, 1]}')
    with pytest.raises(ConfigError, match=r"temperatures\[2\] = 0"):
        md2n.load(old)
