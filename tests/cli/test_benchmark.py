"""``md2n benchmark``: the plan on stdout, two real runs, one of them made again after its folder was deleted."""

import io
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from md2n.cli.main import run
from md2n.experiment import benchmark
from md2n.experiment.results_store import collect
from md2n.training.lock import FolderLock
from md2n.training.rundir import read_run
from tests.cli.commands import ask, refused
from tests.serve.trained import SHORT


def common() -> list[str]:
    """Settings that every method without a diffusion has."""
    return [part for s in SHORT for part in ("--set", s if s.startswith("trainer") else f"model.{s}")]


def in_this_process(crew: object, command: list[str]) -> tuple[int, str]:
    """One command of the benchmark without the seconds a process needs to begin."""
    with pytest.raises(SystemExit) as ended, redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as told:
        run(command)
    return int(ended.value.code or 0), told.getvalue()


def test_two_runs_resumed_after_one_was_deleted(capsys, monkeypatch, tmp_path: Path, sixty: Path):
    monkeypatch.setattr(benchmark._Crew, "call", in_this_process)
    out = tmp_path / "bench"
    base = ["benchmark", "--data", sixty, "--models", "zero_fill,modality_dropout", "--seeds", 1, "--out", out]
    base += ["--protocol", "fixed", "--workers", 1, *common()]
    planned = ask(capsys, *base, "--plan")
    lines = [f"| {sixty} | {m} | runs | 1 | 0 |" for m in ("zero_fill", "modality_dropout")]
    assert planned.code == 0
    assert all(line in planned.out for line in lines)
    assert not out.exists()
    done = ask(capsys, *base)
    assert (done.code, done.out) == (0, f"{out / 'report'}\n")
    assert "2 runs, 0 done already, 2 to do" in done.err
    assert "[2/2]" in done.err
    runs = [out / "runs" / sixty.name / m / "seed-0" for m in ("zero_fill", "modality_dropout")]
    weights = [(run / "model.safetensors").read_bytes() for run in runs]
    shutil.rmtree(runs[0])
    replanned = ask(capsys, *base, "--plan").out
    assert lines[0] in replanned
    assert lines[1].replace("| 0 |", "| 1 |") in replanned
    again = ask(capsys, *base)
    assert "2 runs, 1 done already, 1 to do" in again.err
    assert [(run / "model.safetensors").read_bytes() for run in runs] == weights
    page = (out / "report" / "index.html").read_text()
    assert "zero fill" in page  # as its card calls it
    assert "modality dropout" in page
    assert "every method with --tune 0" in page
    reported = ask(capsys, "report", out, "--out", tmp_path / "report")
    assert (reported.code, reported.out) == (0, f"{tmp_path / 'report' / 'index.html'}\n")
    assert "CPU-ms per predicted sample" in (tmp_path / "report" / "index.html").read_text()
    follow(tmp_path / "report", out)
    refused(capsys, 2, "not with --tune 3", *base, "--tune", 3)
    with FolderLock(out / ".lock", "benchmarking in"):  # another one is under way
        assert "wait for it" in refused(capsys, 5, f"is benchmarking in {out}", *base)


def follow(report: Path, out: Path) -> None:
    """Takes the way that the report prints, from a number to what it came from, wherever the reader is."""
    (script,) = report.glob("from-a-number-*.sh")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-e", str(script)],
        cwd=report.parent.parent,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout
    assert '"model": {' in told  # its configuration
    assert '"checksum"' in told  # its data
    assert re.search(r'"metric": "accuracy".*"value": 0\.\d+', told)  # the number
    assert re.search(r"^output\t\(15, 10\)", told, re.MULTILINE)  # its predictions
    assert re.search(r"^available\t\(15, 4\)", told, re.MULTILINE)
    rows = collect([out]).rows
    assert {(out / r.run / "config.json").is_file() for r in rows} == {True}


def test_a_search_is_resumed_and_its_budget_stands_with_the_table(capsys, monkeypatch, tmp_path: Path, sixty: Path):
    monkeypatch.setattr(benchmark._Crew, "call", in_this_process)
    out = tmp_path / "bench"
    base = ["benchmark", "--data", sixty, "--models", "zero_fill", "--seeds", 1, "--out", out, "--tune", 1]
    base += ["--protocol", "fixed", "--workers", 1, *common()]
    planned = ask(capsys, *base, "--plan").out
    assert "| trials | 2 | 0 |" in planned
    done = ask(capsys, *base)
    assert done.code == 0, done.err
    assert "2 runs, 0 done already, 2 to do" in done.err
    trials = sorted((out / "trials" / sixty.name / "zero_fill").glob("trial-0?"))
    scores = [read_run(t)["result"]["score"] for t in trials]
    run, best = out / "runs" / sixty.name / "zero_fill" / "seed-0", trials[scores.index(max(scores))]
    assert (run / "model.safetensors").read_bytes() == (best / "model.safetensors").read_bytes()
    assert not (trials[0] / "results.jsonl").exists()  # the test split takes no part
    assert "--tune 1" in (out / "report" / "index.html").read_text()
    again = ask(capsys, *base)
    assert "1 runs, 1 done already, 0 to do" in again.err


def test_a_failed_run_ends_with_one_and_says_where_to_look(capsys, tmp_path: Path, sixty: Path):
    damaged = tmp_path / "damaged"
    shutil.copytree(sixty, damaged)
    (damaged / "edges.values.npy").write_bytes(b"")
    out = tmp_path / "bench"
    said = ask(
        capsys, "benchmark", "--data", damaged, "--models", "zero_fill", "--seeds", 1, "--out", out, "--workers", 1
    )
    assert (said.code, said.out) == (1, "")
    assert "holds no results" in said.err
    assert "FAILED: error: " in said.err
    assert "; next: " in said.err
    assert "edges.values.npy' holds 0 of" in said.err
    assert f"are in {out / 'runs' / 'damaged' / 'zero_fill' / 'seed-0.failed.json'}" in said.err


def test_benchmark_refuses_before_the_work(capsys, tmp_path: Path, sixty: Path):
    out = tmp_path / "bench"
    base = ["benchmark", "--out", out, "--data"]
    assert "did you mean 'md2n'" in refused(capsys, 2, "no model is called 'md2'", *base, sixty, "--models", "md2")
    assert "did you mean 'mosi'" in refused(capsys, 3, "'mosy' is neither a ready set", *base, "mosy")
    refused(capsys, 4, "unknown key 'trainer.epoch'", *base, sixty, "--set", "trainer.epoch=1")
    both = ("--models", "all,zero_fill")  # all is no method, and what stands beside it is among all
    refused(capsys, 4, "unknown key 'trainer.epoch'", *base, sixty, "--set", "trainer.epoch=1", *both)
    refused(capsys, 2, "there is nothing to run", *base, sixty, "--models", ",")
    refused(capsys, 2, "no protocol is called 'fixd'", *base, sixty, "--models", "zero_fill", "--protocol", "fixd")
    refused(capsys, 2, "no protocol is named", *base, sixty, "--models", "zero_fill", "--protocol", "")
    assert ask(capsys, *base, sixty, "--seeds", 0).code == 2
    assert not out.exists()


def test_masks_of_another_set_are_refused(capsys, tmp_path: Path, dropout: Path, sixty: Path):
    masks = tmp_path / "masks.npz"
    assert ask(capsys, "evaluate", dropout, "--protocol", "random", "--masks", masks).code == 0
    masks.rename(tmp_path / "other.npz")
    with np.load(tmp_path / "other.npz") as file:
        held = dict(file)
    held["head"] = np.array(str(held["head"]).replace('"data_checksum": "', '"data_checksum": "0'))
    np.savez(masks, **held)
    refused(capsys, 3, "are for data_checksum '0", "evaluate", dropout, "--protocol", "random", "--masks", masks)


def test_report_of_an_empty_benchmark_says_what_to_do(capsys, tmp_path: Path):
    assert "md2n benchmark" in refused(capsys, 5, "holds no results", "report", tmp_path, "--out", tmp_path / "r")
    assert not (tmp_path / "r").exists()
