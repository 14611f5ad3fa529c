"""Graphs answer as the predictor does, on its own way in: arrays with None and NaN, normalised by the run."""

import numpy as np
import pytest
import torch

import md2n
from md2n.errors import UsageError
from md2n.experiment.loading import LoadedRun
from md2n.export.graphs import GRAPHS, Graph, graph_of
from md2n.export.reference import example, gap, reference

ROWS = 12


def graph(run: LoadedRun, what: str, calls: int | None = None) -> Graph:
    return graph_of(what, run.model, run.normaliser, run.certainty, calls)


def arrays(run: LoadedRun, tensors: tuple[torch.Tensor, ...]) -> dict[str, list[np.ndarray | None]]:
    """The inputs of a graph as a person would give them to a predictor: None where missing, no padding."""
    count = len(run.schema.names)
    taken: dict[str, list[np.ndarray | None]] = {}
    for k, modality in enumerate(run.schema.modalities):
        rows = [x.numpy() for x in tensors[k]]
        rows = rows if modality.is_vector else [x[~np.isnan(x).all(axis=1)] for x in rows]
        taken[modality.name] = [x if there else None for x, there in zip(rows, tensors[count][:, k].tolist())]
    return taken


@pytest.mark.parametrize("name", ["people", "modality_dropout", "zero_fill"])
def test_predictions_are_those_of_the_predictor(runs: dict[str, LoadedRun], name: str) -> None:
    run = runs[name]
    chosen = graph(run, "predict")
    tensors = example(chosen, ROWS)
    with torch.no_grad():
        answers = dict(zip(chosen.outputs, chosen(*tensors)))
    wanted = md2n.load(run.path).predict(arrays(run, tensors), check_units=False)
    np.testing.assert_allclose(answers["output"], wanted.output, atol=1e-5)
    assert set(answers) == {"output", *(f"interval_{level}" for level in wanted.intervals)}
    for level, ends in wanted.intervals.items():
        np.testing.assert_allclose(answers[f"interval_{level}"], ends, atol=1e-5)
    assert len({tuple(row) for row in tensors[len(run.schema.names)].tolist()}) > 3  # a mixed batch


@pytest.mark.parametrize("what", GRAPHS)
def test_graphs_of_md2n_answer_as_its_own_code_does(runs: dict[str, LoadedRun], what: str) -> None:
    run = runs["people"]
    chosen = graph(run, what, calls=3)
    for rows, short in ((ROWS, False), (1, True)):
        tensors = example(chosen, rows, short)
        with torch.no_grad():
            answers = list(chosen(*tensors))
        assert len(answers) == len(chosen.outputs)
        assert len(tensors) == len(chosen.inputs)
        assert gap(answers, reference(chosen, tensors, run.normaliser, run.certainty)) < 1e-5


def test_what_is_available_comes_back_and_the_rest_is_recovered(runs: dict[str, LoadedRun]) -> None:
    chosen = graph(runs["people"], "recover")
    tensors = example(chosen, ROWS)
    with torch.no_grad():
        answers = dict(zip(chosen.outputs, chosen(*tensors)))
    available = tensors[3]
    for k, name in enumerate(chosen.schema.names):
        for how in ("recovered", "drawn"):
            there = answers[f"{name}_{how}"][available[:, k]]
            torch.testing.assert_close(there, tensors[k][available[:, k]], rtol=0, atol=0, equal_nan=True)
        missing = ~available[:, k]
        assert not answers[f"{name}_recovered"][missing].isnan().any()
        assert not torch.equal(answers[f"{name}_recovered"][missing], answers[f"{name}_drawn"][missing])


def test_a_modality_of_nan_is_missing_whatever_is_said_of_it(runs: dict[str, LoadedRun]) -> None:
    chosen = graph(runs["people"], "predict")
    *features, available = example(chosen, ROWS)
    features[0] = torch.full_like(features[0], torch.nan)
    there = torch.ones_like(available)
    less = there.clone()
    less[:, 0] = False
    with torch.no_grad():
        assert torch.equal(chosen(*features, there)[0], chosen(*features, less)[0])


def test_what_cannot_be_exported_is_said(runs: dict[str, LoadedRun], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no diffusion"):
        graph(runs["zero_fill"], "recover")
    with pytest.raises(UsageError, match="no graph is called"):
        graph(runs["zero_fill"], "predictions")
    monkeypatch.setattr(type(runs["zero_fill"].model), "conversational", True)
    with pytest.raises(UsageError, match="conversation"):
        graph(runs["zero_fill"], "predict")
