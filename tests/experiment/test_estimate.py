"""How long a run takes: every part is timed once, and counts as often as a whole run does it."""

from pathlib import Path

import numpy as np
import pytest

from md2n.data.ready import load, load_datasets
from md2n.evaluation.protocols import RATES, fixed_conditions
from md2n.experiment import estimate as module
from md2n.experiment.estimate import STARTING_S, estimate
from tests.experiment.made import short, store

STEPS = 2 * 3  # epochs, batches of 16 among 48 samples
VALIDATIONS = 2  # one after every epoch, whole


@pytest.fixture
def seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What is estimated where everything that is timed takes a second."""

    def one(act) -> float:
        act()
        return 1.0

    monkeypatch.setattr(module, "_cpu_s", one)
    data = store(tmp_path)

    def of(model: str, *protocols: str) -> float:
        config = short(data, model)
        return estimate(config, load_datasets(load(str(data), config.data), config.data), protocols) - STARTING_S

    return of


def test_steps_and_validations_are_those_of_a_whole_training(seconds) -> None:
    assert seconds("modality_dropout") == STEPS + VALIDATIONS


def test_predictions_are_counted_for_every_condition(seconds) -> None:
    assert seconds("modality_dropout", "fixed") == STEPS + VALIDATIONS + 3
    assert seconds("modality_dropout", "fixed", "random") == STEPS + VALIDATIONS + 3 + len(RATES)


def test_recoveries_are_counted_under_one_of_two_protocols(seconds) -> None:
    trained = seconds("md2n")
    assert seconds("md2n", "fixed") - trained == 3 + 3
    assert seconds("md2n", "random") - trained == 2 * len(RATES)
    assert seconds("md2n", "fixed", "random") - trained == 3 + len(RATES) + 3


def test_what_is_timed_hides_as_much_as_the_conditions_do_on_average(tmp_path: Path, monkeypatch) -> None:
    shown = []

    def watch(model, few, conditions, **options):
        shown.append(conditions[0].available)

    monkeypatch.setattr(module, "evaluate", watch)
    config = short(store(tmp_path), "modality_dropout", ())
    data = load_datasets(load(config.data.name, config.data), config.data)
    estimate(config, data, ("fixed",))
    conditions = fixed_conditions(data.test.present, data.schema.names)
    assert len(shown[0]) >= len(conditions)
    assert all(np.array_equal(row, conditions[n % len(conditions)].available[n]) for n, row in enumerate(shown[0]))
