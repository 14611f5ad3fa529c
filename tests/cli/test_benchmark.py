"""``md2n benchmark``: the plan on stdout, two real runs, one of them made again after its folder was deleted."""

import io
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from md2n.cli.main import run
from md2n.experiment import benchmark
from tests.cli.asking import ask, refused
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
    lines = [f"{sixty}\t{m}\tseed 0\tto do" for m in ("zero_fill", "modality_dropout")]
    assert (planned.code, planned.out.splitlines(), planned.err) == (0, lines, "")
    assert not out.exists()
    done = ask(capsys, *base)
    assert (done.code, done.out) == (0, f"{out / 'report'}\n")
    assert "2 runs, 0 done already, 2 to do" in done.err
    assert "[2/2]" in done.err
    runs = [out / "runs" / sixty.name / m / "seed-0" for m in ("zero_fill", "modality_dropout")]
    weights = [(run / "model.safetensors").read_bytes() for run in runs]
    shutil.rmtree(runs[0])
    assert ask(capsys, *base, "--plan").out.splitlines() == [lines[0], lines[1].replace("to do", "done")]
    again = ask(capsys, *base)
    assert "2 runs, 1 done already, 1 to do" in again.err
    assert [(run / "model.safetensors").read_bytes() for run in runs] == weights
    page = (out / "report" / "index.html").read_text()
    assert "zero_fill" in page
    assert "modality_dropout" in page


def test_a_failed_run_ends_with_one_and_says_where_to_look(capsys, tmp_path: Path, sixty: Path):
    damaged = tmp_path / "damaged"
    shutil.copytree(sixty, damaged)
    (damaged / "edges.values.npy").write_bytes(b"")
    out = tmp_path / "bench"
    said = ask(
        capsys, "benchmark", "--data", damaged, "--models", "zero_fill", "--seeds", 1, "--out", out, "--workers", 1
    )
    assert (said.code, said.out) == (1, "")
    assert "FAILED: error: " in said.err
    assert "edges.values.npy' holds 0 of" in said.err
    assert f"see {out / 'runs' / 'damaged' / 'zero_fill' / 'seed-0.failed.json'}" in said.err


def test_benchmark_refuses_before_the_work(capsys, tmp_path: Path, sixty: Path):
    out = tmp_path / "bench"
    base = ["benchmark", "--out", out, "--data"]
    assert "did you mean 'md2n'" in refused(capsys, 2, "no model is called 'md2'", *base, sixty, "--models", "md2")
    assert "did you mean 'mosi'" in refused(capsys, 3, "'mosy' is neither a ready set", *base, "mosy")
    refused(capsys, 4, "unknown key 'trainer.epoch'", *base, sixty, "--set", "trainer.epoch=1")
    refused(capsys, 2, "no protocol is called 'fixd'", *base, sixty, "--models", "zero_fill", "--protocol", "fixd")
    assert ask(capsys, *base, sixty, "--seeds", 0).code == 2
    assert not out.exists()
