"""Graphs as files: a program of ``torch.export`` (.pt2) or ONNX (.onnx), compared with the model before it is written.

The batch is of any size, sequences of any length.  ONNX is written by torch's exporter from the same program.
"""

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from md2n.data.normalise import Normaliser
from md2n.durable import write_bytes
from md2n.errors import Md2nError, UsageError, did_you_mean, install_hint
from md2n.evaluation.certainty import Certainty
from md2n.export.graphs import Graph
from md2n.export.reference import example, gap, reference
from md2n.shapes import Tensor

KINDS = (".onnx", ".pt2")
TOLERANCE = 1e-4  # between the file's answers and the model's, relative to numbers above one
TRACED, CHECKED = 3, (1, 5, 64)  # rows

Runner = Callable[[tuple[Tensor, ...]], list[Tensor]]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        path: of the file.
        inputs: names, in order.
        outputs: names, in order.
        samples: on which it was compared with the model.
        gap: the largest difference there, relative to numbers above one.
    """

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    samples: int
    gap: float


def check_kind(path: Path) -> None:
    """Refuses a file that cannot be written here.

    Raises:
        UsageError: another ending than ``.onnx`` and ``.pt2``, or the packages for it are not installed.
    """
    if path.suffix not in KINDS:
        raise UsageError(f"'{path.name}' is no kind of graph", did_you_mean(path.suffix, KINDS))
    if path.suffix == ".onnx":
        _onnxruntime()


def export(
    graph: Graph,
    path: Path,
    normaliser: Normaliser,
    certainty: Certainty | None = None,
    facts: dict[str, Any] | None = None,
) -> Exported:
    """Writes a graph, once it answers as the model does.

    Args:
        graph: of ``graphs.graph_of``.
        path: ``.onnx`` or ``.pt2``.
        normaliser: of the run.
        certainty: of the run.
        facts: for the file, beside the names of modalities and classes.

    Raises:
        UsageError: another ending, the packages for it are not installed, or the method has shapes that depend on data.
        Md2nError: the graph answers otherwise than the model.
        StorageError: the file cannot be written.
    """
    check_kind(path)
    task = graph.schema.task
    names = {"inputs": graph.inputs, "outputs": graph.outputs}
    facts = {**names, "classes": task.classes, "label": task.label, **(facts or {})}
    with _quiet(), torch.no_grad():
        program = traced(graph)
        content, run = (_onnx if path.suffix == ".onnx" else _program)(graph, program, json.dumps(facts))
        worst = 0.0
        for rows in CHECKED:
            tensors = example(graph, rows, short=rows == CHECKED[1])
            worst = max(worst, gap(_answers(graph, run, tensors), reference(graph, tensors, normaliser, certainty)))
    if not worst <= TOLERANCE:
        raise Md2nError(
            f"the exported graph differs from the model by {worst:.2g}, so nothing was written",
            "export another method, or predict with md2n",
        )
    write_bytes(path, content)
    return Exported(path, graph.inputs, graph.outputs, sum(CHECKED), worst)


def traced(graph: Graph) -> torch.export.ExportedProgram:
    """The program of a graph, for any number of rows and frames.

    Raises:
        UsageError: shapes inside depend on data.
    """
    tensors = example(graph, TRACED)
    batch = torch.export.Dim("batch", min=1)
    sizes: list[dict[int, Any]] = [{0: batch} for _ in tensors]
    for k, modality in enumerate(graph.schema.modalities):
        if not modality.is_vector:
            sizes[k][1] = torch.export.Dim(f"frames_{k}", min=1)
    try:
        return torch.export.export(graph, tensors, dynamic_shapes=(tuple(sizes),), strict=True)
    except Exception as error:  # of many kinds, torch's own among them
        raise UsageError(
            f"'{graph.model.card.title}' cannot be exported: its shapes depend on data ({type(error).__name__})",
            "export md2n, modality_dropout or zero_fill",
        ) from error


def _answers(graph: Graph, run: Runner, tensors: tuple[Tensor, ...]) -> list[Tensor]:
    try:
        return run(tensors)
    except Exception as error:  # of the runtime
        raise UsageError(
            f"the graph of '{graph.model.card.title}' does not run, so nothing was written ({type(error).__name__})",
            "give another ending to --out, .onnx or .pt2, or export another method",
        ) from error


def _program(graph: Graph, program: torch.export.ExportedProgram, facts: str) -> tuple[bytes, Runner]:
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={"md2n.json": facts})
    loaded = torch.export.load(io.BytesIO(content.getvalue())).module()
    return content.getvalue(), lambda tensors: list(loaded(*tensors))


def _onnx(graph: Graph, program: torch.export.ExportedProgram, facts: str) -> tuple[bytes, Runner]:
    runtime = _onnxruntime()
    written = torch.onnx.export(
        program, input_names=list(graph.inputs), output_names=list(graph.outputs), dynamo=True, verbose=False
    )
    assert written is not None
    written.model.metadata_props["md2n"] = facts
    content: bytes = written.model_proto.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(tensors: tuple[Tensor, ...]) -> list[Tensor]:
        fed = {name: x.numpy() for name, x in zip(graph.inputs, tensors, strict=True)}
        return [torch.from_numpy(x) for x in session.run(list(graph.outputs), fed)]

    return content, run


def _onnxruntime() -> Any:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise UsageError(f"{error.name}, which ONNX files need, is not installed", install_hint("onnx")) from error
    return onnxruntime


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings of torch's exporter on what md2n does not have, and on itself."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)
