"""What runs cost: recorded by training and measuring, over interruptions, per sample that was answered for."""

import json
import time
from pathlib import Path

import pytest

from md2n.errors import InterruptedRun
from md2n.experiment.costs import COST, TrainingMeter, peak_memory_mib, read_cost, record_cost
from md2n.experiment.pipeline import load_run, run_evaluation, run_training
from tests.experiment.made import StopAfter, short, store


def test_training_and_measuring_leave_what_they_cost(tmp_path: Path):
    path = run_training(short(store(tmp_path), "md2n"), tmp_path / "run")
    cost = read_cost(path)
    assert cost["parameters"] == sum(p.numel() for p in load_run(path).model.parameters())
    assert 0 < cost["training"]["cpu_s"] < 60
    assert 50 < cost["peak_memory_mib"] < 20_000
    run_evaluation(path, ("fixed",))
    told = read_cost(path)
    assert told["training"] == cost["training"]
    # 18 test samples, one in nine without the vector: 18 see the sequence, 16 the vector, 18 are complete.
    assert told["prediction"]["fixed"]["samples"] == 18 + 16 + 18
    # Recovered: what the data hold and a pattern hides.
    assert told["recovery"]["fixed"]["samples"] == 16 + 16
    assert told["recovery"]["fixed"]["draws"] == 2
    assert told["recovery"]["fixed"]["cpu_s"] > 0
    run_evaluation(path, ("random",))
    assert read_cost(path)["prediction"]["fixed"] == told["prediction"]["fixed"]
    assert set(read_cost(path)["recovery"]) == {"fixed", "random"}


def test_the_costs_of_sessions_add_up(tmp_path: Path):
    data = store(tmp_path)
    with pytest.raises(InterruptedRun):
        run_training(short(data), tmp_path / "run", StopAfter(4))
    first = read_cost(tmp_path / "run")["training"]["cpu_s"]
    assert first > 0
    record_cost(tmp_path / "run", {"training": {"cpu_s": 1000.0, "wall_s": 2000.0}})
    run_training(short(data), tmp_path / "run")
    assert 1000 < read_cost(tmp_path / "run")["training"]["cpu_s"] < 1060
    run_training(short(data), tmp_path / "run")  # done: costs nothing more
    assert read_cost(tmp_path / "run")["training"]["cpu_s"] < 1060


def test_other_data_do_not_change_what_a_run_cost(tmp_path: Path):
    path = run_training(short(store(tmp_path)), tmp_path / "run")
    other = store(tmp_path / "other", seed=1)
    run_evaluation(path, ("fixed",), data=str(other))
    assert "prediction" not in read_cost(path)


def test_a_session_that_is_killed_counts_up_to_its_last_epoch(tmp_path: Path):
    meter = TrainingMeter(tmp_path, 7, False)
    meter.begin(0, 10)
    begun = time.process_time()
    while time.process_time() - begun < 0.05:
        pass
    meter.end()
    assert read_cost(tmp_path)["training"]["cpu_s"] >= 0.05
    again = TrainingMeter(tmp_path, 7, True)
    again.begin(5, 10)
    again.end()
    assert read_cost(tmp_path)["training"]["cpu_s"] >= 0.05
    assert read_cost(tmp_path)["parameters"] == 7


def test_damaged_costs_are_no_costs(tmp_path: Path):
    assert read_cost(tmp_path) == {}
    for text in ("{", "[]"):
        (tmp_path / COST).write_text(text)
        assert read_cost(tmp_path) == {}
    record_cost(tmp_path, {"parameters": 3})
    assert json.loads((tmp_path / COST).read_text()) == {"parameters": 3}


def test_memory_is_told_in_mebibytes():
    assert 50 < (peak_memory_mib() or 100) < 20_000
