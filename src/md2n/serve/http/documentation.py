"""What ``/openapi.json`` says of requests and replies, with the model's own modalities."""

from typing import Any

from md2n.modality import Modality, Schema
from md2n.serve.http.refusals import KINDS
from md2n.serve.predictor import Predictor

NUMBER = {"type": "number"}
NULLABLE = {"type": ["number", "null"]}
REFUSED = {
    "type": "object",
    "required": ["error", "kind", "next"],
    "properties": {
        "error": {"type": "string", "description": "What is wrong."},
        "kind": {"type": "string", "enum": list(KINDS)},
        "next": {"type": "string", "description": "What to do about it."},
    },
}


def _list(of: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": of, **more}


def _nullable(form: dict[str, Any]) -> dict[str, Any]:
    return {**form, "type": [form["type"], "null"]}


def _features(modality: Modality, number: dict[str, Any]) -> dict[str, Any]:
    vector = _list(number, minItems=modality.dim, maxItems=modality.dim)
    shape = f"{modality.dim} numbers" if modality.is_vector else f"frames of {modality.dim} numbers"
    one = vector if modality.is_vector else _list(vector)
    return _list(_nullable(one), description=f"For each sample {shape}, or null where it misses them.")


def request_body(schema: Schema) -> dict[str, Any]:
    """The body of a request for samples, as extra of a route."""
    whole = {"type": "integer", "minimum": 1}
    properties = {
        "features": {
            "type": "object",
            "additionalProperties": False,
            "properties": {m.name: _features(m, NULLABLE) for m in schema.modalities},
        },
        "groups": _list({"type": "string"}, description="The group of each sample."),
        "draws": {**whole, "description": "Draws behind the standard deviation."},
        "steps": {**whole, "description": "Network calls per draw; for recovery."},
        "check_units": {"type": "boolean", "default": True},
    }
    table = {"type": "string", "description": "A row per sample; NAME_0 for vectors, NAME_0_0 for sequences."}
    json_schema = {"type": "object", "required": ["features"], "additionalProperties": False, "properties": properties}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": json_schema},
                "text/csv": {"schema": table},
                "application/x-npz": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    }


def response_of(ability: str, predictor: Predictor) -> dict[int | str, dict[str, Any]]:
    """Replies of an ability's path by status."""
    schema = predictor.schema
    texts = _list({"type": "string"})
    notes = {"notes": _list({"type": "string"}, description="What a person should know of how the data were taken.")}
    output = _list(NUMBER) if schema.task.classes else NUMBER
    forms: dict[str, dict[str, Any]] = {
        "predict": {
            "labels": _list({"type": "string"} if schema.task.classes else NUMBER),
            "output": _list(output, description="Probabilities of the classes, or values."),
            "std": _nullable(_list(output)),
            "classes": texts,
            "intervals": {"type": "object", "additionalProperties": _list(_list(NUMBER))},
            "available": _list({"type": "string"}, description="What each prediction was made from."),
        },
        "explain": {
            "labels": _list({"type": "string"} if schema.task.classes else NUMBER),
            "value": _list(NUMBER, description="The value, or the probability of the predicted class."),
            "baseline": _list(NUMBER, description="The same from nothing."),
            "adds": {"type": "object", "properties": {m.name: _list(NUMBER) for m in schema.modalities}},
        },
        "recover": {
            key: {"type": "object", "properties": {m.name: _features(m, NUMBER) for m in schema.modalities}}
            for key in ("features", "std")
        }
        | {"was_given": {"type": "object", "additionalProperties": _list({"type": "boolean"})}},
    }
    reply = {"type": "object", "properties": {**forms.get(ability, {}), **notes}}

    def described(text: str, form: dict[str, Any]) -> dict[str, Any]:
        return {"description": text, "content": {"application/json": {"schema": form}}}

    return {
        200: described("An entry for each sample, in order.", reply),
        "4XX": described("The request is refused.", REFUSED),
        "5XX": described("The server is busy, or at fault.", REFUSED),
    }
