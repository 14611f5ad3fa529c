"""``md2n demo``: short here, whole where slow tests are run."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from md2n.cli.demo import others_beside
from md2n.cli.main import run
from md2n.data import digits
from md2n.data.store import open_store, verify_store
from md2n.evaluation.results import ResultRow, read_results
from md2n.experiment import config
from md2n.methods.catalogue import MODELS
from md2n.missing import incomplete_patterns
from md2n.modality import set_name
from tests.serve.trained import settings, sixty_digits

METHODS = ("zero_fill", "modality_dropout", "md2n")
NAMES = ("rows", "edges", "fourier", "moments")


def demo(out: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        run(["demo", "--out", str(out), "--quiet"])
    assert not ended.value.code


def check(out: Path, told: str) -> None:
    for method in METHODS:
        assert MODELS.get(method).card.title in told
        assert (out / "runs" / method / "model.safetensors").is_file()
    for pattern in incomplete_patterns(NAMES):
        assert set_name(pattern) in told
    assert (out / "report" / "index.html").is_file()
    recovered = open_store(out / "recovered")
    assert verify_store(out / "recovered") == []
    assert recovered.present.all()
    assert f"{len(recovered)} of {len(recovered)} 'rows' recovered by MD2N" in recovered.notes
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert told.startswith("MD2N: accuracy ") and told.partition("\n")[0] in page
    drawn = page.partition("'rows' of 10 test samples" if len(recovered) >= 10 else "'rows' of ")[0]
    assert drawn.count("<image ") >= 3  # true, recovered, standard deviation
    assert sorted(p.suffix for p in (out / "report" / "figures").glob("*recovered-rows*")) == [".png", ".svg"]


class Beside:
    """Stands for the process of the simpler methods, which ends with nothing done."""

    def __init__(self, command: list[str]) -> None:
        STARTED.append(command)

    def wait(self) -> tuple[int, str]:
        return 1, "error: it had no memory"

    def interrupt(self) -> None:
        raise AssertionError("nothing was stopped")


STARTED: list[list[str]] = []


def test_the_demo_in_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("md2n.cli.benchmark.cores", lambda: 2)
    monkeypatch.setattr("md2n.experiment.worker.Worker", Beside)
    monkeypatch.setattr("md2n.experiment.worker.warm_up", lambda: None)
    STARTED.clear()
    whole = config.resolve

    def short(source, sets, *, model, seed):  # type: ignore[no-untyped-def]
        return whole(source, settings(model), model=model, seed=seed)

    few = sixty_digits()
    monkeypatch.setattr(config, "resolve", short)
    monkeypatch.setattr(digits, "load_digits", lambda: few)
    out = tmp_path / "demo"
    demo(out)
    said = capsys.readouterr()
    check(out, said.out)
    assert "the recovered 'rows' of the test split are in" in said.err
    assert [words[3] for words in STARTED] == list(METHODS[:2])
    for words in STARTED:  # what it would have made is what the demo asks for
        preset, _, model, _, number = words[1:6]
        ours = config.resolve(preset, [], model=model, seed=int(number))
        assert ours == whole("digits", settings(model), model=model, seed=0)
    weights = {p: p.read_bytes() for p in out.rglob("model.safetensors")}
    begun = time.monotonic()
    demo(out)
    assert capsys.readouterr().out == said.out
    assert len(STARTED) == 2  # what is finished is not begun again
    assert {p: p.read_bytes() for p in out.rglob("model.safetensors")} == weights
    assert time.monotonic() - begun < 60


def test_a_stopped_demo_stops_what_trains_beside_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started, ended = threading.Event(), threading.Event()

    class Slow(Beside):
        def wait(self) -> tuple[int, str]:
            started.set()
            assert ended.wait(10)
            return 130, ""

        def interrupt(self) -> None:
            ended.set()

    monkeypatch.setattr("md2n.cli.benchmark.cores", lambda: 2)
    monkeypatch.setattr("md2n.experiment.worker.Worker", Slow)
    monkeypatch.setattr("md2n.experiment.worker.warm_up", lambda: None)
    STARTED.clear()
    with pytest.raises(KeyboardInterrupt), others_beside(tmp_path, 3):
        assert started.wait(10)
        raise KeyboardInterrupt
    assert len(STARTED) == 1  # the second method is not begun


@pytest.mark.slow
def test_the_whole_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What `make demo` shows must be true: MD2N copes better than filling with zeros, and recovery beats the mean."""
    out = tmp_path / "demo"
    demo(out)
    check(out, capsys.readouterr().out)
    mean = {m: np.mean([r.value for r in rows(out, m) if r.metric == "accuracy" and incomplete(r)]) for m in METHODS}
    assert mean["md2n"] > mean["zero_fill"]
    assert mean["md2n"] > 0.8
    recovered = {r.target: r.value for r in rows(out, "md2n") if r.metric == "recovery_r2" and r.condition == others(r)}
    assert recovered["rows"] > 0.3
    assert recovered["edges"] > 0.3


def rows(out: Path, method: str) -> list[ResultRow]:
    return read_results(out / "runs" / method / "results.jsonl")


def incomplete(row: ResultRow) -> bool:
    return not row.target and row.condition in {set_name(p) for p in incomplete_patterns(NAMES)}


def others(row: ResultRow) -> str:
    return set_name([name for name in NAMES if name != row.target])
