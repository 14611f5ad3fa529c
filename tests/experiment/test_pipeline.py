"""From a configuration to results: trained once, stopped and gone on with, loaded, measured."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from md2n.config import to_mapping
from md2n.data.ready import load
from md2n.data.store import write_store
from md2n.errors import ConfigError, DataError, DivergenceError, InterruptedRun, RunError, UsageError
from md2n.evaluation.results import read_results
from md2n.experiment.config import resolve
from md2n.experiment.pipeline import load_run, recovery_examples, run_evaluation, run_training
from md2n.experiment.results_store import collect
from md2n.methods.catalogue import MODELS, build
from md2n.missing import incomplete_patterns
from md2n.modality import set_name
from md2n.seeding import generator
from md2n.training.run_identity import identity_hash
from md2n.training.rundir import read_run
from tests.experiment.made import Hearing, StopAfter, lines, made, outcome, short, store


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=MODELS.names())
def trained(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A method and its finished run."""
    path = tmp_path_factory.mktemp("runs") / request.param
    run_training(short(data, request.param), path)
    return request.param, path


def test_every_method_goes_on_with_the_same_bits(trained: tuple[str, Path], data: Path, tmp_path: Path) -> None:
    """Stopped within the first epoch, at its end and within the second."""
    name, whole = trained
    if not read_run(whole)["result"]["steps"]:
        pytest.skip(f"{name} takes no step in which it could be stopped")
    for step in (2, 3, 5):
        with pytest.raises(InterruptedRun):
            run_training(short(data, name), tmp_path / "run", StopAfter(step))
    run_training(short(data, name), tmp_path / "run")
    assert outcome(tmp_path / "run") == outcome(whole)


def test_a_finished_run_says_so_and_trains_no_more(trained: tuple[str, Path], data: Path) -> None:
    name, path = trained
    before = outcome(path)
    hearing = Hearing()
    assert run_training(short(data, name), path, hearing) == path
    assert hearing.steps == 0
    assert len(hearing.told) == 1
    assert "is done: validation" in hearing.told[0]
    assert outcome(path) == before


def test_a_finished_run_keeps_no_checkpoints_and_a_damaged_model_is_trained_again(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run_training(short(data, "modality_dropout"), run)
    before, weights = outcome(run), run / "model.safetensors"
    assert not list((run / "checkpoints").iterdir())
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(RunError, match=r"is not what training wrote\n.*trains again, to the same bits"):
        load_run(run)
    run_training(short(data, "modality_dropout"), run)
    assert outcome(run) == before


def test_another_seed_in_its_folder_is_refused(trained: tuple[str, Path], data: Path) -> None:
    name, path = trained
    with pytest.raises(RunError, match=r"another configuration: seed is 0 in the folder and 1 now"):
        run_training(short(data, name, seed=1), path)


def test_what_is_loaded_is_what_was_chosen(trained: tuple[str, Path], data: Path) -> None:
    name, path = trained
    run = load_run(path)
    assert run.config == short(data, name)
    assert run.schema.names == ("video", "pulse")
    assert not run.model.training
    epochs = [r for r in lines(path / "log.jsonl") if r["kind"] == "epoch"]
    scores = [r["score"] for r in epochs if "score" in r and r["phase"] == epochs[-1]["phase"]]
    fitted = lines(path / "log.jsonl")[-1]["score"]  # of a method without epochs
    assert run.facts["result"]["score"] == max(scores, default=fitted)
    assert run.facts["data"]["samples"] == {"train": 48, "valid": 24, "test": 18}


def test_measuring_writes_rows_with_provenance_and_predictions_once(trained: tuple[str, Path], tmp_path: Path) -> None:
    name, path = trained
    rows = run_evaluation(path, ("fixed", "random"))
    conditions = {set_name(p) for p in incomplete_patterns(("video", "pulse"))} | {"complete"}
    assert {r.condition for r in rows if r.protocol == "fixed@1" and not r.target} == conditions
    assert {r.condition for r in rows if r.protocol == "random@1"} >= {"rate=0", "rate=0.3"}
    facts = read_run(path)
    assert {(r.model, r.config_hash, r.data_checksum, r.seed, r.split) for r in rows} == {
        (name, facts["config_hash"], facts["data"]["checksum"], 0, "test")
    }
    assert {r.target for r in rows} == ({"", "video", "pulse"} if hasattr(MODELS.get(name), "recover") else {""})
    assert read_results(path / "results.jsonl") == rows
    assert run_evaluation(path, ("fixed", "random")) == rows
    assert read_results(path / "results.jsonl") == rows  # nothing was added
    with np.load(path / "predictions" / "made" / "fixed-test" / "pulse.npz", allow_pickle=False) as file:
        assert file["output"].shape == (16, 3)  # two of the eighteen hold no pulse
        assert list(file["ids"][:2]) == ["s73", "s74"]
        accuracy = float((file["output"].argmax(1) == file["labels"]).mean())
    (row,) = [r for r in rows if r.condition == "pulse" and r.metric == "accuracy"]
    assert row.value == pytest.approx(accuracy)
    assert row.n == 16


def test_recovered_frames_are_kept_for_figures(trained: tuple[str, Path]) -> None:
    name, path = trained
    run_evaluation(path, ("fixed",), split="valid")
    examples = recovery_examples(path, "made", "valid")
    assert [e.target for e in examples] == (["video", "pulse"] if hasattr(MODELS.get(name), "recover") else [])
    for example in examples:
        assert example.truth.shape == example.recovered.shape == example.draw.shape


def test_the_init_is_a_function_of_the_seed_and_leaves_torch_alone(data: Path) -> None:
    schema = made().schema()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    chosen = short(data).model
    one, same, other = (build(chosen.name, schema, chosen.settings, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    states = [torch.cat([p.flatten() for p in m.parameters()]) for m in (one, same, other)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_what_cannot_be_trained_leaves_no_folder(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither a ready set nor a file"):
        run_training(short(tmp_path / "nowhere"), tmp_path / "run")
    with pytest.raises(UsageError, match="device 'cuda' is not available"):
        run_training(short(data, sets=("trainer.device=cuda",)), tmp_path / "run")
    with pytest.raises(UsageError, match=r"no modality 'sound'"):
        run_training(short(data, sets=('data.modalities=["video", "sound"]',)), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"head 'seven_class' cannot predict a classification label"):
        run_training(short(data, sets=("model.head=seven_class",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_changed_data_are_refused_by_training_and_by_measuring(tmp_path: Path) -> None:
    data = store(tmp_path)
    config = short(data)
    with pytest.raises(InterruptedRun):
        run_training(config, tmp_path / "run", StopAfter(4))
    write_store(data, made(seed=1))
    with pytest.raises(RunError, match=r"the data 'made' have changed since"):
        run_training(config, tmp_path / "run")
    write_store(data, made())
    run_training(config, tmp_path / "run")
    write_store(data, made(seed=1))
    with pytest.raises(RunError, match=r"have changed since"):  # it is done, but not on these data
        run_training(config, tmp_path / "run")
    with pytest.raises(DataError, match=r"'made' have changed since .*\n.*md2n evaluate .*run --data .*store"):
        run_evaluation(tmp_path / "run", ("fixed",))
    told: list[str] = []
    run_evaluation(tmp_path / "run", ("fixed",), data=str(data), notice=told.append)  # as the hint says
    assert any("hold none of it" in text for text in told)


def test_changed_labels_are_refused_before_what_was_measured_of_them_is_used(tmp_path: Path) -> None:
    data = store(tmp_path)
    with pytest.raises(InterruptedRun):
        run_training(short(data), tmp_path / "run", StopAfter(4))
    write_store(data, made(classes=False))
    with pytest.raises(RunError, match=r"the data 'made' have changed since"):
        run_training(short(data), tmp_path / "run")


def test_checkpoints_of_nobody_knows_what_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRun):
        run_training(short(data), tmp_path / "run", StopAfter(4))
    (tmp_path / "run" / "config.json").unlink()
    with pytest.raises(RunError, match=r"holds checkpoints but no config\.json"):
        run_training(short(data, seed=4), tmp_path / "run")


def test_data_that_do_not_fit_are_refused_by_name(data: Path, tmp_path: Path) -> None:
    run_training(short(data), tmp_path / "run")
    run = load_run(tmp_path / "run")
    wide = write_store(tmp_path / "wide", made(dims=(4, 5)))
    with pytest.raises(DataError, match=r"modality 'pulse' of 'made' has 5 features, the model has 3"):
        run_evaluation(run, ("fixed",), data=str(wide))
    real = write_store(tmp_path / "real", made(classes=False))
    with pytest.raises(DataError, match=r"label 'mood' of 'made' is a regression .* predicts a classification with 3"):
        run_evaluation(run, ("fixed",), data=str(real))
    poor = write_store(tmp_path / "poor", made().only(("video",)))
    with pytest.raises(UsageError, match=r"'made' has no modality 'pulse'"):
        run_evaluation(run, ("fixed",), data=str(poor))
    other = write_store(tmp_path / "other", made(seed=3))
    assert run_evaluation(run, ("fixed",), data=str(other))[0].data_checksum != run.facts["data"]["checksum"]
    with pytest.raises(UsageError, match=r"no protocol is called 'fixd'\n.*did you mean 'fixed'"):
        run_evaluation(run, ("fixd",))
    with pytest.raises(UsageError, match=r"no split is called 'tets'"):
        run_evaluation(run, ("fixed",), split="tets")


def test_an_unfinished_run_cannot_be_loaded(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRun):
        run_training(short(data), tmp_path / "run", StopAfter(2))
    with pytest.raises(RunError, match=r"no trained model yet \(status: stopped\)"):
        load_run(tmp_path / "run")
    with pytest.raises(RunError, match=r"there is no run folder"):
        load_run(tmp_path / "nowhere")


def test_the_config_in_the_folder_trains_the_same_again(data: Path, tmp_path: Path) -> None:
    run_training(short(data), tmp_path / "one")
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    assert config["model"]["latent"]["width"] == 8
    run_training(resolve(str(tmp_path / "one" / "config.json")), tmp_path / "two")
    assert outcome(tmp_path / "one") == outcome(tmp_path / "two")


def test_a_loaded_model_predicts_as_it_did_when_it_was_chosen(data: Path, tmp_path: Path) -> None:
    run_training(short(data), tmp_path / "run")
    one, two = load_run(tmp_path / "run"), load_run(tmp_path / "run")
    batch = evaluation_batch(one)
    answers = [r.model.predict(batch, generator(0, "ask")).output for r in (one, two)]
    assert torch.equal(*answers)


def evaluation_batch(run):  # type: ignore[no-untyped-def]
    from md2n.experiment.loading import evaluation_data

    return evaluation_data(run, "test", None)[1].batch(np.arange(6))


def test_a_matrix_that_cannot_be_decomposed_ends_with_the_next_step(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eigh = torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda matrix: eigh(matrix * torch.nan))
    with pytest.raises(DivergenceError, match=r"cannot be decomposed: linalg(.*\n)*.*lower trainer.learning_rate"):
        run_training(short(data, "dcca"), tmp_path / "run")


def test_what_is_hidden_for_good_is_the_same_for_every_method_and_after_a_stop(data: Path, tmp_path: Path) -> None:
    sets = ("data.hide={pulse = 0.5}",)
    counts = {}
    for model in ("modality_dropout", "zero_fill"):
        hearing = Hearing()
        run_training(short(data, model, sets), tmp_path / model, hearing)
        counts[model] = read_run(tmp_path / model)["data"]["hidden"]
        assert any("'pulse' is hidden for good from" in told for told in hearing.told)
    assert counts["modality_dropout"] == counts["zero_fill"]
    assert set(counts["zero_fill"]) == {"pulse"}
    with pytest.raises(InterruptedRun):
        run_training(short(data, sets=sets), tmp_path / "stopped", StopAfter(3))
    run_training(short(data, sets=sets), tmp_path / "stopped")
    assert outcome(tmp_path / "stopped") == outcome(tmp_path / "modality_dropout")
    run_training(short(data), tmp_path / "whole")
    assert outcome(tmp_path / "whole") != outcome(tmp_path / "modality_dropout")
    assert read_run(tmp_path / "whole")["data"]["checksum"] == read_run(tmp_path / "stopped")["data"]["checksum"]
    with pytest.raises(RunError, match=r"data\.hide\.pulse is 0\.5 in the folder and absent now"):
        run_training(short(data), tmp_path / "stopped")


def test_an_empty_hide_leaves_no_trace_in_the_name_of_an_experiment(data: Path) -> None:
    mapping = to_mapping(short(data))
    assert mapping["data"].pop("hide") == {}
    assert identity_hash(mapping) == identity_hash(to_mapping(short(data)))
    assert identity_hash(to_mapping(short(data, sets=("data.hide={pulse = 0.5}",)))) != identity_hash(mapping)


def test_the_hidden_protocol_is_measured_beside_the_others(data: Path, tmp_path: Path) -> None:
    run = run_training(short(data), tmp_path / "run")
    told: list[str] = []
    rows = run_evaluation(run, hide={"pulse": 0.5}, recovery=False, notice=told.append)
    assert {(r.protocol, r.condition) for r in rows} == {("hidden@1", "pulse=0.5")}
    assert rows[0].settings["hide"] == {"pulse": 0.5} and "'pulse' is hidden from" in told[0]
    again = run_evaluation(run, hide={"pulse": 0.5}, recovery=False)
    assert again == rows
    run_evaluation(run, ["fixed"], hide={"pulse": 0.25}, recovery=False)
    held = read_results(run / "results.jsonl")
    assert {r.condition for r in held if r.protocol == "hidden@1"} == {"pulse=0.5", "pulse=0.25"}
    assert {r.condition for r in held if r.protocol == "fixed@1"} == {"video", "pulse", "complete"}
    with pytest.raises(UsageError, match="no modality 'pulze' to hide"):
        run_evaluation(run, hide={"pulze": 0.5})
    with pytest.raises(UsageError, match="protocol 'hidden' needs rates"):
        run_evaluation(run, ["hidden"])


def test_a_run_of_a_fold_is_measured_on_its_fold_and_rows_say_so(tmp_path: Path) -> None:
    data = store(tmp_path)
    config = short(data, "zero_fill", ("data.fold=1", "data.folds=5"))
    run = run_training(config, tmp_path / "run")
    rows = run_evaluation(run, ("fixed", "random"))
    assert {(r.fold, r.repeat) for r in rows} == {("1/5", 1)}
    samples = load(str(data), config.data)
    with np.load(run / "predictions" / "made" / "fixed-test" / "complete.npz") as held:
        assert held["rows"].tolist() == samples.rows("test").tolist()
        assert len(np.unique(held["group"])) == len(held["group"])  # nobody has two samples here
    assert collect([run], lambda text: None).runs[0].fold == "1/5"
    other = run_evaluation(run, ("fixed",), data=str(store(tmp_path / "other", seed=1)))
    assert {(r.fold, max(s.n for s in other)) for r in other} == {("", 18)}  # other data have their own split
    with pytest.raises(UsageError, match="read by name"):
        run_training(config, tmp_path / "memory", data_set=samples)
