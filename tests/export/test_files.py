"""Exported files answer as md2n does, in another process's runtime; what does not is not written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import md2n
from md2n.errors import Md2nError, UsageError
from md2n.experiment.loading import LoadedRun
from md2n.export import files
from md2n.export.graphs import graph_of
from md2n.export.reference import example, gap, reference
from tests.export.test_graphs import arrays

ROWS = 17


def exported(run: LoadedRun, path: Path, *options: str) -> Path:
    """By the command, in a process where shapes are not checked: torch's tracer does not get through the checks."""
    words = ["-m", "md2n", "export", str(run.path), "--out", str(path), *options]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "compared with the model on 70" in done.stderr
    return path


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("modality_dropout", "encode"),  # the cheapest to trace
        pytest.param("modality_dropout", "predict", marks=pytest.mark.slow),
        pytest.param("zero_fill", "predict", marks=pytest.mark.slow),
        *(pytest.param("people", what, marks=pytest.mark.slow) for what in ("predict", "encode", "recover")),
    ],
)
def test_onnx_runtime_answers_a_mixed_batch_as_md2n(
    runs: dict[str, LoadedRun], tmp_path: Path, name: str, what: str
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run = runs[name]
    session = runtime.InferenceSession(str(exported(run, tmp_path / "model.onnx", "--what", what)))
    graph = graph_of(what, run.model, run.normaliser, run.certainty)
    tensors = example(graph, ROWS, short=True)
    answers = session.run(list(graph.outputs), dict(zip(graph.inputs, (x.numpy() for x in tensors), strict=True)))
    wanted = reference(graph, tensors, run.normaliser, run.certainty)
    assert gap([torch.from_numpy(x) for x in answers], wanted) < 1e-4
    if what == "predict":
        predicted = md2n.load(run.path).predict(arrays(run, tensors), check_units=False)
        np.testing.assert_allclose(answers[0], predicted.output, atol=1e-4)
    facts = json.loads(session.get_modelmeta().custom_metadata_map["md2n"])
    assert facts["inputs"] == list(graph.inputs)
    assert facts["classes"] == list(run.schema.task.classes)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["predict", "recover"])
def test_a_program_of_torch_answers_as_md2n(runs: dict[str, LoadedRun], tmp_path: Path, what: str) -> None:
    run = runs["people"]
    program = torch.export.load(exported(run, tmp_path / "model.pt2", "--what", what)).module()
    graph = graph_of(what, run.model, run.normaliser, run.certainty)
    tensors = example(graph, ROWS)
    assert gap(list(program(*tensors)), reference(graph, tensors, run.normaliser, run.certainty)) < 1e-4


@pytest.mark.parametrize("change", [0.01, float("nan")])
def test_a_graph_that_answers_otherwise_is_not_written(
    runs: dict[str, LoadedRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: float
) -> None:
    run = runs["zero_fill"]
    graph = graph_of("predict", run.model, run.normaliser, run.certainty)

    def changed(tensors: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        return [x + change for x in reference(graph, tensors, run.normaliser, run.certainty)]

    monkeypatch.setattr(files, "traced", lambda graph: None)
    monkeypatch.setattr(files, "_program", lambda graph, program, facts: (b"", changed))
    with pytest.raises(Md2nError, match="differs from the model"):
        files.export(graph, tmp_path / "model.pt2", run.normaliser, run.certainty)
    assert not (tmp_path / "model.pt2").exists()


def test_without_the_packages_the_extra_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match="onnxruntime") as refusal:
        files.check_kind(Path("model.onnx"))
    assert "md2n[onnx]" in refusal.value.hint
    files.check_kind(Path("model.pt2"))
    with pytest.raises(UsageError, match="no kind of graph"):
        files.check_kind(Path("model.tflite"))
