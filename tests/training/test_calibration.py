"""The last act of training: every method's predictions learn how sure they may be, and nothing else changes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from md2n.errors import RunError
from md2n.seeding import generator
from md2n.training.rundir import CERTAINTY, read_certainty
from tests.training.dummies import QUICK, VALID, do_train, fresh, outcome


def test_intervals_are_those_of_the_chosen_weights_on_validation_samples(tmp_path: Path) -> None:
    model = fresh()
    do_train(tmp_path / "run", model=model)
    certainty = read_certainty(tmp_path / "run")
    batch = VALID.batch(np.arange(len(VALID)))
    model.eval()
    with torch.no_grad():
        errors = (model.predict(batch, generator(0)).output - batch.labels).abs().sort().values.tolist()
    complete = [widths[1] for widths in certainty.half_widths]  # of two modalities, all that there are
    assert complete == pytest.approx([errors[k - 1] for k in (11, 17, 19)], abs=1e-5)  # of 20 samples
    one_of_two = [widths[0] for widths in certainty.half_widths]
    assert one_of_two == sorted(one_of_two)
    assert one_of_two != complete


def test_a_rerun_gives_the_same_bits_and_without_it_the_weights_are_the_same(tmp_path: Path) -> None:
    for name in ("one", "two"):
        do_train(tmp_path / name)
    assert (tmp_path / "one" / CERTAINTY).read_bytes() == (tmp_path / "two" / CERTAINTY).read_bytes()
    do_train(tmp_path / "without", dataclasses.replace(QUICK, calibrate_predictions=False))
    assert outcome(tmp_path / "without") == outcome(tmp_path / "one")
    assert read_certainty(tmp_path / "without") is None


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    do_train(tmp_path / "run")
    (tmp_path / "run" / CERTAINTY).write_text('{"temperatures": [], "half_widths": [[0, 0], [0, 0], [0, 0]]}')
    with pytest.raises(RunError, match=r"certainty.json is not what md2n wrote"):
        read_certainty(tmp_path / "run")
