"""``md2n train``: runs that begin, go on, are done, are stopped, and what is refused before a folder is touched."""

import json
import re
import signal
import time
from pathlib import Path

import pytest

from md2n.cli.progress import Bar
from md2n.data.store import write_store
from md2n.training import tracking
from md2n.training.observer import Silent
from tests.cli.commands import ask, refused, start
from tests.serve.trained import settings, sixty_digits


def sets(model: str = "modality_dropout", *more: str) -> list[str]:
    return [part for s in (*settings(model), *more) for part in ("--set", s)]


def outcome(run: Path) -> tuple[bytes, bytes]:
    return (run / "model.safetensors").read_bytes(), (run / "log.jsonl").read_bytes()


def test_a_run_is_made_and_stdout_carries_its_folder_only(capsys, tmp_path, sixty):
    out = tmp_path / "run"
    base = ["train", "--data", sixty, "--model", "modality_dropout", "--seed", 3, "--out", out, *sets()]
    said = ask(capsys, *base)
    assert (said.code, said.out) == (0, f"{out}\n")
    assert "run: step 2/2" in said.err
    config = json.loads((out / "config.json").read_text())
    assert (config["seed"], config["model"]["name"], config["trainer"]["epochs"]) == (3, "modality_dropout", 1)
    before = outcome(out)
    again = ask(capsys, *base)
    assert (again.code, again.out) == (0, f"{out}\n")
    assert f"{out} is done: validation" in again.err
    assert outcome(out) == before
    text = refused(capsys, 5, "another configuration", *base, "--set", "trainer.learning_rate=0.5")
    assert "trainer.learning_rate" in text
    quiet = ask(capsys, *base[:-2], *sets()[-2:], "--quiet")
    assert (quiet.code, quiet.err) == (0, "")


def test_a_config_file_and_its_overrides(capsys, tmp_path, sixty):
    mine = tmp_path / "mine.toml"
    mine.write_text('[model]\nname = "zero_fill"\n[trainer]\nepochs = 9\n')
    out = tmp_path / "run"
    assert ask(capsys, "train", mine, "--data", sixty, "--out", out, *sets("zero_fill")).code == 0
    config = json.loads((out / "config.json").read_text())
    assert (config["model"]["name"], config["trainer"]["epochs"]) == ("zero_fill", 1)


def test_a_modality_is_hidden_for_good(capsys, tmp_path, sixty):
    out = tmp_path / "run"
    said = ask(
        capsys,
        "train",
        "--data",
        sixty,
        "--model",
        "zero_fill",
        "--out",
        out,
        "--hide",
        "edges=0.5,rows=0",
        *sets("zero_fill"),
    )
    assert said.code == 0 and "'edges' is hidden for good from" in said.err
    assert json.loads((out / "config.json").read_text())["data"]["hide"] == {"edges": 0.5, "rows": 0.0}
    for wrong, code, message in (("edges=2", 4, "data.hide"), ("edges", 2, "MODALITY=RATE"), ("a=0.1", 2, "to hide")):
        refused(capsys, code, message, "train", "--data", sixty, "--out", tmp_path / "no", "--hide", wrong)
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_trained_leaves_nothing(capsys, tmp_path, sixty):
    out = tmp_path / "run"
    broken = tmp_path / "broken.toml"
    broken.write_text("[trainer\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    text = tmp_path / "data.txt"
    text.write_text("x")
    truncated = write_store(tmp_path / "truncated", sixty_digits())
    (truncated / "rows.values.npy").write_bytes((truncated / "rows.values.npy").read_bytes()[:-8])
    base = ["train", "--data", sixty, "--out", out]
    for code, message, hint, arguments in (
        (2, "'digts' is neither a preset nor a file", "did you mean 'digits'", ["train", "digts", "--out", out]),
        (4, "'nothing.toml' cannot be read", "readable file", ["train", "nothing.toml", "--out", out]),
        (4, "is not TOML", "mend that line", ["train", broken, "--out", out]),
        (3, "'digit' is neither a ready set nor", "did you mean 'digits'", ["train", "--data", "digit", "--out", out]),
        (3, "empty", "", ["train", "--data", empty, "--out", out]),
        (3, "data.txt", "", ["train", "--data", text, "--out", out]),
        (3, "rows.values.npy' holds", "the store is damaged", ["train", "--data", truncated, "--out", out]),
        (2, "no model is called 'md2'", "did you mean 'md2n'", [*base, "--model", "md2"]),
        (4, "unknown key 'trainer.epoch'", "did you mean 'epochs'", [*base, "--set", "trainer.epoch=4"]),
        (4, "unknown key 'gamma'", "did you mean 'model.gamma'?", [*base, "--set", "gamma=.5"]),
        (4, "trainer.epochs = 0", "next: give a whole number above 0", [*base, "--set", "trainer.epochs=0"]),
        (4, "trainer.epochs = 'many'", "next: give a whole number above 0", [*base, "--set", "trainer.epochs=many"]),
        (4, "'trainer.epochs' sets nothing", "path=value", [*base, "--set", "trainer.epochs"]),
        (4, "t1", "t2", [*base, "--set", "model.diffusion.t1=800", "--set", "model.diffusion.t2=200"]),
        (4, "t1", "t2", [*base, "--set", "model.diffusion.t1=500", "--set", "model.diffusion.t2=500"]),
        (2, "no label column 'digt'", "did you mean 'digit'", [*base, "--set", "data.label=digt"]),
        (2, "no modality 'row'", "did you mean 'rows'", [*base, "--set", 'data.modalities=["row", "edges"]']),
        (3, "1 modality is not multimodal", "two", [*base, "--set", 'data.modalities=["rows"]']),
        (2, "no group column 'writer'", "none are known", [*base, "--set", "data.group=writer"]),
        (4, "data.normalise", "did you mean 'robust'", [*base, "--set", "data.normalise=robst"]),
        (2, "device 'cuda' is not available", "--device", [*base, "--device", "cuda"]),
        (4, "seed = -1", "next: give a whole number of at least 0", [*base, "--seed", -1]),
    ):
        told = refused(capsys, code, message, *arguments)
        assert hint in told, told
        assert not out.exists(), arguments


def test_a_folder_that_is_no_run_is_left_alone(capsys, tmp_path, sixty):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    refused(capsys, 5, "is not empty and holds no run", "train", "--data", sixty, "--out", mine, *sets("md2n"))
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]
    refused(capsys, 7, "cannot write", "train", "--data", sixty, "--out", mine / "thesis.txt", *sets("md2n"))


def test_ctrl_c_saves_says_how_to_go_on_and_the_same_command_ends_with_the_same_bits(capsys, tmp_path, sixty):
    def command(out: Path) -> list[object]:
        more = sets("modality_dropout", "trainer.epochs=25", "trainer.patience=0")
        return ["train", "--data", sixty, "--model", "modality_dropout", "--out", out, *more]

    out = tmp_path / "stopped"
    process = start(*command(out))
    deadline = time.monotonic() + 60
    while not list(out.glob("checkpoints/phase*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    told = process.communicate()
    assert process.returncode == 130, told
    assert told[0] == ""
    assert "error: stopped by SIGINT after step" in told[1]
    assert "next: the same command goes on from there" in told[1]
    assert not (out / "model.safetensors").exists()
    refused(capsys, 5, "has no trained model yet (status: stopped)", "predict", out, "--data", sixty)
    said = ask(capsys, *command(out))
    assert said.code == 0
    assert "going on after step" in said.err
    assert ask(capsys, *command(tmp_path / "whole")).code == 0
    assert outcome(out) == outcome(tmp_path / "whole")


@pytest.mark.parametrize("terminal", [False, True])
def test_the_bar_tells_where_training_stands(terminal):
    import io

    from rich.console import Console

    from md2n.training.observer import EpochReport, StepReport

    shown = io.StringIO()
    bar = Bar(Console(file=shown, force_terminal=terminal, width=120), "mine")
    bar.begin(0, 20)
    for step in range(1, 21):
        bar.step(StepReport("train", 1, step, 20, {"task": 0.5}, 1e-3, 1.0))
        bar.epoch(EpochReport("train", 1, step, 20, {"task": 0.5}, 0.25, 1.0, step == 20))
    bar.notice("mind the gap")
    bar.end()
    bar.end()
    text = shown.getvalue()
    assert "mine" in text
    assert "task 0.500" in text
    assert "valid 0.250 best" in text
    assert "mind the gap" in text
    if not terminal:
        assert text.count("mine: step") == 11


def test_a_training_that_lost_patience_says_so(capsys, tmp_path, sixty):
    more = ("trainer.epochs=40", "trainer.patience=1", "trainer.learning_rate=1e-9")
    base = ["train", "--data", sixty, "--model", "modality_dropout", "--out", tmp_path / "run"]
    said = ask(capsys, *base, *sets("modality_dropout", *more))
    assert said.code == 0
    assert re.search(r"run: ended after step \d+ of 80: trainer\.patience validations in a row", said.err)


def test_a_tracker_that_cannot_begin_says_what_to_do(capsys, monkeypatch, tmp_path, sixty):
    class Refusing(Silent):
        def begin(self, step: int, steps: int) -> None:
            raise RuntimeError("unsupported URI 'sqlite:///mlflow.db'")

    monkeypatch.setattr(tracking, "make_tracker", lambda name, run: Refusing())
    base = ["train", "--data", sixty, "--model", "modality_dropout", "--out", tmp_path / "run"]
    command = [*base, "--track", "mlflow", *sets()]
    assert "MLFLOW_TRACKING_URI" in refused(capsys, 2, "mlflow cannot begin: RuntimeError: unsupported", *command)


def test_a_lost_log_is_told_even_to_who_wants_quiet(capsys, tmp_path, sixty):
    command = ["train", "--data", sixty, "--out", tmp_path / "run", "--quiet", *sets("md2n", "trainer.epochs=60")]
    process = start(*command)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("run/checkpoints/phase*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert "stopped by SIGTERM after step" in process.communicate()[1]
    (tmp_path / "run" / "log.jsonl").write_bytes(b"")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    said = start(*command)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "log.jsonl").stat().st_size and time.monotonic() < deadline:
        time.sleep(0.01)
    said.send_signal(signal.SIGTERM)
    told = said.communicate()[1].splitlines()
    assert facts["status"] == "stopped"
    assert told[0] == "log.jsonl has lost lines that the checkpoint knows of; it goes on without them"
    assert told[1].startswith("error: stopped by SIGTERM")
