"""What a served model does, an entry for each: how it is called for many requests at once, and the part of each.

An ability is a path of the JSON API (``/api/NAME``) and a model of the Open Inference Protocol (``/v2/models/NAME``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from md2n.data.samples import Array
from md2n.methods.base import Recovers
from md2n.modality import Schema
from md2n.serve.answers import Answer, Recovered
from md2n.serve.explaining import Explanation
from md2n.serve.http.query import Query
from md2n.serve.predictor import Predictor

Reply = dict[str, Any]  # what is sent: arrays, lists of arrays, texts and tables of these
Tensors = dict[str, Array]


@dataclass(frozen=True)
class Ability:
    """One thing that a model does for samples.

    Args:
        name: in paths.
        line: what it gives, for people.
        run: the answer for the features of many samples.
        part: the reply for some of these samples, ``slice`` of their rows.
        tensors: the same reply as tensors of the Open Inference Protocol.
        outputs: names, datatypes and shapes of these tensors.
    """

    name: str
    line: str
    run: Callable[[Predictor, Mapping[str, Any], Query], Any]
    part: Callable[[Any, slice], Reply]
    tensors: Callable[[Reply, Schema], Tensors]
    outputs: Callable[[Predictor], list[dict[str, Any]]]


def abilities_of(predictor: Predictor) -> dict[str, Ability]:
    """Name -> ability, of a predictor."""
    every = [PREDICT, EXPLAIN, *([RECOVER] if isinstance(predictor.model, Recovers) else [])]
    return {ability.name: ability for ability in every}


# --- predict ---------------------------------------------------------------------------------------------------------


def _predict(predictor: Predictor, features: Mapping[str, Any], query: Query) -> Answer:
    return predictor.predict(features, groups=query.groups, draws=query.draws, check_units=False)


def _predictions(answer: Answer, rows: slice) -> Reply:
    return {
        "labels": answer.labels[rows],
        "output": answer.output[rows],
        "std": None if answer.std is None else answer.std[rows],
        "classes": list(answer.classes),
        "intervals": {str(level): ends[rows] for level, ends in answer.intervals.items()},
        "available": list(answer.available[rows]),
    }


def _prediction_tensors(reply: Reply, schema: Schema) -> Tensors:
    tensors = {"output": np.asarray(reply["output"], np.float64)}
    if schema.task.classes:
        tensors["label"] = np.asarray([str(label) for label in reply["labels"]], np.object_)
    if reply["std"] is not None:
        tensors["std"] = np.asarray(reply["std"], np.float64)
    return tensors | {f"interval_{level}": np.asarray(e, np.float64) for level, e in reply["intervals"].items()}


def _prediction_outputs(predictor: Predictor) -> list[dict[str, Any]]:
    classes = predictor.schema.task.classes
    shape = [-1, len(classes)] if classes else [-1]
    outputs = [{"name": "output", "datatype": "FP64", "shape": shape}]
    if classes:
        outputs.append({"name": "label", "datatype": "BYTES", "shape": [-1]})
    if predictor.model.predict_draws:
        outputs.append({"name": "std", "datatype": "FP64", "shape": shape})
    if predictor.certainty is not None and not classes:
        from md2n.evaluation.certainty import LEVELS

        outputs += [{"name": f"interval_{level}", "datatype": "FP64", "shape": [-1, 2]} for level in LEVELS]
    return outputs


# --- explain ---------------------------------------------------------------------------------------------------------


def _explain(predictor: Predictor, features: Mapping[str, Any], query: Query) -> Explanation:
    return predictor.explain(features, groups=query.groups, draws=query.draws, check_units=False)


def _explanations(explanation: Explanation, rows: slice) -> Reply:
    own, value = explanation.own[rows], explanation.output[rows]
    if explanation.classes:
        value = value.max(axis=1)
    return {
        "labels": explanation.labels[rows],
        "value": value,
        "baseline": value - own.sum(axis=1),
        "adds": {name: own[:, k] for k, name in enumerate(explanation.names)},
    }


def _explanation_tensors(reply: Reply, schema: Schema) -> Tensors:
    tensors = {key: np.asarray(reply[key], np.float64) for key in ("value", "baseline")}
    return tensors | {"adds": np.stack([np.asarray(reply["adds"][name], np.float64) for name in schema.names], axis=1)}


def _explanation_outputs(predictor: Predictor) -> list[dict[str, Any]]:
    plain = [{"name": name, "datatype": "FP64", "shape": [-1]} for name in ("value", "baseline")]
    return [*plain, {"name": "adds", "datatype": "FP64", "shape": [-1, len(predictor.schema.names)]}]


# --- recover ---------------------------------------------------------------------------------------------------------


def _recover(predictor: Predictor, features: Mapping[str, Any], query: Query) -> Recovered:
    return predictor.recover(features, groups=query.groups, draws=query.draws, steps=query.steps, check_units=False)


def _recoveries(recovered: Recovered, rows: slice) -> Reply:
    return {
        "features": {name: arrays[rows] for name, arrays in recovered.features.items()},
        "std": {name: arrays[rows] for name, arrays in recovered.std.items()},
        "was_given": {name: flags[rows] for name, flags in recovered.was_given.items()},
    }


def _recovery_tensors(reply: Reply, schema: Schema) -> Tensors:
    tensors: Tensors = {}
    for modality in schema.modalities:
        for key, suffix in (("features", ""), ("std", "_std")):
            if modality.name in reply[key] and not (suffix and f"{modality.name}{suffix}" in schema.names):
                arrays = reply[key][modality.name]
                tensors[f"{modality.name}{suffix}"] = np.concatenate(arrays) if modality.is_vector else _padded(arrays)
        if not modality.is_vector:
            frames = [len(array) for array in reply["features"][modality.name]]
            tensors[f"{modality.name}_frames"] = np.asarray(frames, np.int32)
    return tensors


def _padded(arrays: list[Array]) -> Array:
    """``[B, T, d]``, zeros behind the frames of shorter ones."""
    cube = np.zeros((len(arrays), max(map(len, arrays)), arrays[0].shape[1]), np.float32)
    for row, array in zip(cube, arrays):
        row[: len(array)] = array
    return cube


def _recovery_outputs(predictor: Predictor) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = []
    for m in predictor.schema.modalities:
        shape = [-1, m.dim] if m.is_vector else [-1, -1, m.dim]
        names = [m.name, *(n for n in (f"{m.name}_std",) if n not in predictor.schema.names)]
        outputs += [{"name": name, "datatype": "FP32", "shape": shape} for name in names]
        if not m.is_vector:
            outputs.append({"name": f"{m.name}_frames", "datatype": "INT32", "shape": [-1]})
    return outputs


PREDICT = Ability(
    "predict",
    "Predictions, whatever each sample misses, with their standard deviation or interval.",
    _predict,
    _predictions,
    _prediction_tensors,
    _prediction_outputs,
)
EXPLAIN = Ability(
    "explain",
    "What each modality adds to the value, or to the probability of the predicted class: baseline + adds = value.",
    _explain,
    _explanations,
    _explanation_tensors,
    _explanation_outputs,
)
RECOVER = Ability(
    "recover",
    "Every modality in its own units: as sent where it was sent, recovered with a standard deviation where not.",
    _recover,
    _recoveries,
    _recovery_tensors,
    _recovery_outputs,
)
