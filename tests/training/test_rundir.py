"""The run folder: one configuration, one process, one data set."""

import json
from pathlib import Path

import pytest
import torch

from md2n.config import to_mapping
from md2n.errors import RunError
from md2n.experiment.config import resolve
from md2n.training.log import RunLog, read_log
from md2n.training.run_identity import differences, identity_hash
from md2n.training.rundir import RunDir, is_finished, read_config, read_run, read_tensors, read_weights
from tests.training.dummies import DATA, SCHEMA, do_train, run_config

CONFIG = {"seed": 1, "trainer": {"epochs": 4, "device": "auto"}, "evaluation": {"draws": None}, "data": {"root": ""}}


def begin(path: Path, config: dict = CONFIG, data: dict = DATA) -> None:
    """A run that has something to go on from."""
    with RunDir(path, config) as run:
        run.describe({}, data)
    (path / "checkpoints" / "phase00-step00000001").mkdir(parents=True)


def changed(**trainer: object) -> dict:
    return CONFIG | {"trainer": CONFIG["trainer"] | trainer}  # type: ignore[operator]


def test_the_configuration_stands_before_the_first_step(tmp_path: Path) -> None:
    with RunDir(tmp_path / "run", CONFIG) as run:
        run.describe(to_mapping(SCHEMA), DATA)
        assert read_config(tmp_path / "run") == CONFIG
        facts = read_run(tmp_path / "run")
    assert (facts["status"], facts["seed"], facts["data"]) == ("running", 1, DATA)
    assert {"python", "md2n", "torch", "numpy", "safetensors"} == set(facts["versions"])
    modalities = json.loads((tmp_path / "run" / "schema.json").read_text())["modalities"]
    assert [m["name"] for m in modalities] == ["a", "b"]  # a list: the order is part of it


def test_another_configuration_is_refused_with_the_keys_that_differ(tmp_path: Path) -> None:
    begin(tmp_path)
    other = changed(epochs=5) | {"seed": 2, "model": {"name": "md2n"}}
    expected = (
        r"holds a run of another configuration: model.name is absent in the folder and \"md2n\" now; "
        r"seed is 1 in the folder and 2 now; trainer.epochs is 4 in the folder and 5 now\n.*another folder to --out"
    )
    with pytest.raises(RunError, match=expected), RunDir(tmp_path, other):
        pass
    assert read_config(tmp_path) == CONFIG


def test_incidental_settings_may_change_and_those_that_round_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    begin(tmp_path)
    other = changed(device="cpu") | {"evaluation": {"draws": 8}, "data": {"root": "/elsewhere"}}
    with RunDir(tmp_path, other, told.append):
        pass
    assert told == ['trainer.device is "auto" in the folder and "cpu" now: bits may differ from here on']
    assert read_config(tmp_path) == other
    assert differences(CONFIG, other) == []


def test_the_hash_names_the_experiment_not_the_machine(tmp_path: Path) -> None:
    hashes = set()
    for number, config in enumerate([CONFIG, changed(device="cpu"), changed(epochs=5)]):
        with RunDir(tmp_path / str(number), config) as run:
            run.describe({}, DATA)
            hashes.add(read_run(run.path)["config_hash"])
    assert len(hashes) == 2


def test_a_later_setting_at_rest_makes_no_other_experiment() -> None:
    now = to_mapping(resolve())
    before = {**now, "data": {k: v for k, v in now["data"].items() if k != "cases"}}
    assert identity_hash(before) == identity_hash(now)
    assert differences(before, now) == []
    other = to_mapping(resolve(sets=["data.cases=complete"]))
    assert identity_hash(other) != identity_hash(now)
    assert differences(before, other) == ['data.cases is absent in the folder and "complete" now']


def test_changed_data_are_refused(tmp_path: Path) -> None:
    begin(tmp_path)
    with RunDir(tmp_path, CONFIG) as run, pytest.raises(RunError, match=r"data 'made' have changed .*c0ffee then, 7"):
        run.describe({}, DATA | {"checksum": "7"})


def test_two_cannot_train_in_one_folder_and_a_dead_ones_lock_is_nothing(tmp_path: Path) -> None:
    with RunDir(tmp_path, CONFIG), pytest.raises(RunError, match=r"process \d+ on .* is training in .*\n.*wait for it"):
        RunDir(tmp_path, CONFIG).__enter__()
    (tmp_path / ".lock").write_text("process 1 on elsewhere")
    with RunDir(tmp_path, CONFIG) as run:
        assert run.path == tmp_path


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match=r"is not empty and holds no run\n.*--out"), RunDir(tmp_path, CONFIG):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "thesis.tex").rename(tmp_path / "failed.json")  # a benchmark's word about an attempt before
    with RunDir(tmp_path, CONFIG):
        pass


def test_absent_and_damaged_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"there is no run folder .*nowhere"):
        read_config(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"has no run.json\n.*md2n train --out"):
        read_run(tmp_path)
    (tmp_path / "config.json").write_text('{"seed": ')
    with pytest.raises(RunError, match=r"config.json' cannot be read"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"status": 5}', "status is a int, not a str"),
        ('{"data": []}', "data is a list, not a dict"),
        ('{"seed": "x"}', "seed is a str, not a int"),
        ('{"model_sha256": null}', "model_sha256 is a NoneType, not a str"),
        ("[" * 100_000, "cannot be read: ValueError: it is nested too deeply"),
        ('{"seed": ' + "9" * 5000 + "}", "cannot be read: ValueError: Exceeds the limit"),
        ("\x00", "cannot be read"),
        ("[]", "holds no JSON object"),
    ],
)
def test_facts_of_other_kinds_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError) as caught:
        read_run(tmp_path)
    assert message in caught.value.message
    assert "run.json" in caught.value.message


def test_a_run_is_finished_only_with_whole_weights(tmp_path: Path) -> None:
    assert not is_finished(tmp_path / "run")
    do_train(tmp_path / "run")
    assert is_finished(tmp_path / "run")
    weights = tmp_path / "run" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    assert not is_finished(tmp_path / "run")
    do_train(tmp_path / "run")  # made again from the checkpoints
    assert weights.read_bytes() == whole


def test_a_finished_run_has_no_lock_and_the_config_hash_of_its_config(tmp_path: Path) -> None:
    do_train(tmp_path / "run")
    facts = read_run(tmp_path / "run")
    assert facts["config_hash"] == identity_hash(run_config())
    assert facts["config_hash"] == identity_hash(run_config() | {"seed": 7})  # a table takes its means over seeds
    assert facts["config_hash"] != identity_hash(run_config() | {"model": {"name": "another"}})
    with RunDir(tmp_path / "run", run_config()):
        pass


def test_the_log_is_cut_where_the_checkpoint_says(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.write({"step": 1})
    offset = log.flush()
    log.write({"step": 2})
    assert log.flush() > offset
    log.write({"step": 3})
    assert log.cut(offset)
    log.write({"step": "two again"})
    log.flush()
    assert read_log(log.path) == [{"step": 1}, {"step": "two again"}]
    assert not log.cut(10_000)
    with log.path.open("a") as file:
        file.write('{"step": 4')
    assert len(read_log(log.path)) == 2


def test_a_folder_in_which_nothing_was_saved_takes_another_configuration_and_other_data(tmp_path: Path) -> None:
    with RunDir(tmp_path / "run", CONFIG) as run:
        run.describe({}, DATA)
    with RunDir(tmp_path / "run", changed(epochs=9)) as run:
        run.describe({}, DATA | {"checksum": "7"})
    assert read_config(tmp_path / "run") == changed(epochs=9)
    assert read_run(tmp_path / "run")["data"]["checksum"] == "7"


def test_weights_are_given_only_whole_and_trained(tmp_path: Path) -> None:
    with RunDir(tmp_path / "run", CONFIG) as run:
        run.describe({}, DATA)
        with pytest.raises(
            RunError, match=r"has no trained model yet \(status: running\)\n.*same `md2n train` command"
        ):
            read_weights(run.path)
        weights = {"w": torch.arange(3.0)}
        run.finish(weights, result={"score": 1.0})
    assert torch.equal(read_weights(run.path)["w"], weights["w"])
    (run.path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(RunError, match=r"model.safetensors is not what training wrote"):
        read_weights(run.path)


def test_tensors_come_back_with_their_facts(tmp_path: Path) -> None:
    with RunDir(tmp_path / "run", CONFIG) as run:
        run.save_tensors("normaliser", {"a.centre": torch.ones(2)}, {"kind": "robust"})
    tensors, facts = read_tensors(tmp_path / "run", "normaliser")
    assert (tensors["a.centre"].tolist(), facts) == ([1.0, 1.0], {"kind": "robust"})
    (tmp_path / "run" / "normaliser.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(RunError, match=r"normaliser\.safetensors' is not a whole safetensors file"):
        read_tensors(tmp_path / "run", "normaliser")
