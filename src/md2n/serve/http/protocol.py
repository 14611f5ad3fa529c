"""The Open Inference Protocol, version 2, over REST: tensors in JSON, or behind it as bytes (``binary_tensor_data``).

https://github.com/kserve/open-inference-protocol and Triton's binary extension.  Every modality is an input, ``[B, d]``
or ``[B, T, d]``; NaN is an unknown number, and an input may be left out.  ``available``, BOOL ``[B, M]`` with the
modalities in the order of the metadata, says which of the others are to be read; without it, all are.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from md2n import __version__
from md2n.data.samples import Array
from md2n.errors import did_you_mean
from md2n.modality import Schema
from md2n.serve.http.abilities import Ability, Tensors
from md2n.serve.http.query import Query, flag, groups_of, parse_json, whole_number
from md2n.serve.http.refusals import Refusal
from md2n.serve.predictor import Predictor

HEAD_LENGTH = "inference-header-content-length"
AVAILABLE, GROUPS = "available", "groups"
DTYPES = {
    "BOOL": np.dtype(np.bool_),
    **{
        f"{kind}{bits}": np.dtype(f"<{kind[0].lower()}{bits // 8}")
        for kind in ("INT", "UINT")
        for bits in (8, 16, 32, 64)
    },
    **{f"FP{bits}": np.dtype(f"<f{bits // 8}") for bits in (16, 32, 64)},
}


def server_metadata() -> dict[str, Any]:
    """Of ``GET /v2``."""
    return {"name": "md2n", "version": __version__, "extensions": ["binary_tensor_data"]}


def model_metadata(ability: Ability, predictor: Predictor) -> dict[str, Any]:
    """Of ``GET /v2/models/NAME``."""
    schema = predictor.schema
    inputs = [
        {"name": m.name, "datatype": "FP32", "shape": [-1, m.dim] if m.is_vector else [-1, -1, m.dim]}
        for m in schema.modalities
    ]
    inputs.append({"name": AVAILABLE, "datatype": "BOOL", "shape": [-1, len(schema.modalities)]})
    if predictor.normaliser.group:
        inputs.append({"name": GROUPS, "datatype": "BYTES", "shape": [-1]})
    return {
        "name": ability.name,
        "versions": ["1"],
        "platform": "md2n",
        "inputs": inputs,
        "outputs": ability.outputs(predictor),
    }


def read_request(body: bytes, head_length: str, schema: Schema) -> tuple[Query, dict[str, Any]]:
    """The query of an inference request, and its JSON part.

    Args:
        body: of the request.
        head_length: bytes of its JSON part, where tensors are behind it; else empty.
        schema: of the model.

    Raises:
        Refusal: the request is not of the protocol, or its tensors are not of the model.
    """
    if head_length and not (head_length.isdecimal() and int(head_length) <= len(body)):
        raise Refusal(
            "bad-request", f"{HEAD_LENGTH} is not a length within the body", "send the bytes of the JSON part"
        )
    end = int(head_length) if head_length else len(body)
    head = parse_json(body[:end], "the request")
    inputs = head.get("inputs") if isinstance(head, dict) else None
    if not isinstance(inputs, list) or not all(isinstance(i, dict) for i in inputs):
        raise _bad("the request has no list 'inputs'", 'send {"inputs": [{"name", "shape", "datatype", "data"}]}')
    tensors: dict[str, Array] = {}
    rest = memoryview(body)[end:]
    known = (*schema.names, AVAILABLE, GROUPS)
    for entry in inputs:
        name = entry.get("name")
        if not isinstance(name, str) or name not in known:
            raise _bad(f"the model has no input {str(name)[:40]!r}", did_you_mean(str(name), known))
        if name in tensors:
            raise _bad(f"the input '{name}' comes twice", "send it once")
        tensors[name], rest = _tensor(name, entry, rest)
    if len(rest):
        raise _bad(
            f"{len(rest)} bytes are behind the last tensor", "binary_data_size is the number of a tensor's bytes"
        )
    settings = _table(head, "parameters")
    draws, steps, units = (
        whole_number(settings, "draws"),
        whole_number(settings, "steps"),
        flag(settings, "check_units"),
    )
    groups = groups_of(tensors.pop(GROUPS).ravel().tolist()) if GROUPS in tensors else None
    return Query(_features(tensors, schema), groups, draws, steps, units), head


def write_response(ability: Ability, tensors: Tensors, head: Mapping[str, Any]) -> tuple[bytes, int]:
    """The body of an inference response, and the bytes of its JSON part; 0 where all of it is JSON.

    Args:
        ability: that was asked.
        tensors: all that there are.
        head: of the request, which says what outputs it wants, and how.

    Raises:
        Refusal: an output that there is not.
    """
    binary_all = bool(_table(head, "parameters").get("binary_data_output", False))
    wanted = head.get("outputs") or [{"name": name} for name in tensors]
    if not isinstance(wanted, list) or not all(isinstance(o, dict) and isinstance(o.get("name"), str) for o in wanted):
        raise _bad("'outputs' is no list of names", 'send {"outputs": [{"name": "output"}]}')
    entries, parts = [], []
    for output in wanted:
        name = output["name"]
        if name not in tensors:
            raise _bad(f"there is no output '{name[:40]}'", did_you_mean(name, tensors))
        tensor = tensors[name]
        entry: dict[str, Any] = {"name": name, "datatype": _datatype(tensor), "shape": list(tensor.shape)}
        if _table(output, "parameters").get("binary_data", binary_all):
            parts.append(_bytes(tensor))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            entry["data"] = tensor.ravel().tolist()
        entries.append(entry)
    response: dict[str, Any] = {"model_name": ability.name, "model_version": "1", "outputs": entries}
    if isinstance(head.get("id"), str):
        response["id"] = head["id"]
    text = json.dumps(response, allow_nan=False).encode()
    return b"".join([text, *parts]), len(text) if parts else 0


def _features(tensors: Mapping[str, Array], schema: Schema) -> dict[str, Any]:
    """Modality name -> values with NaN where ``available`` says False."""
    counts = {name: len(t) for name, t in tensors.items() if t.ndim}
    if len(set(counts.values())) > 1:
        sizes = ", ".join(f"{k}: {n}" for k, n in counts.items())
        raise _bad(f"the inputs have different numbers of samples ({sizes})", "send one row per sample in each")
    features: dict[str, Any] = {}
    for k, modality in enumerate(schema.modalities):
        if modality.name not in tensors:
            continue
        tensor = tensors[modality.name]
        # A vector may have an axis of one frame; without its axis of frames, a sequence might be one sample or many.
        if tensor.ndim not in ((2, 3) if modality.is_vector else (3,)) or tensor.dtype.kind not in "iuf":
            shape = f"[B, {modality.dim}]" if modality.is_vector else f"[B, T, {modality.dim}]"
            raise _bad(f"the input '{modality.name}' has shape {list(tensor.shape)}", f"send numbers of shape {shape}")
        values = tensor.astype(np.float32 if tensor.dtype.itemsize <= 4 else np.float64)
        if AVAILABLE in tensors:
            available = tensors[AVAILABLE]
            if available.dtype != np.bool_ or available.shape != (len(values), len(schema.modalities)):
                raise _bad(
                    f"'{AVAILABLE}' has shape {list(available.shape)}",
                    f"send BOOL [{len(values)}, {len(schema.modalities)}]: {', '.join(schema.names)}",
                )
            values[~available[:, k]] = np.nan
        features[modality.name] = values
    return features


LARGEST = (1 << 31) - 1  # size of a tensor's axis: NumPy has none much beyond, and no body could fill it


def _tensor(name: str, entry: Mapping[str, Any], rest: memoryview) -> tuple[Array, memoryview]:
    """A tensor from its entry or from the front of the bytes behind the JSON, and what remains of these."""
    shape, datatype = entry.get("shape"), entry.get("datatype")
    whole = isinstance(shape, list) and all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= LARGEST for n in shape
    )
    if not whole or not isinstance(shape, list) or not 1 <= len(shape) <= 3:
        raise _bad(f"the input '{name}' has no shape of one to three sizes", 'send "shape": [samples, features]')
    if datatype != "BYTES" and datatype not in DTYPES:
        raise _bad(f"the input '{name}' has no datatype that is known", f"send one of BYTES, {', '.join(DTYPES)}")
    count = 1
    for n in shape:
        count *= n
    size = _table(entry, "parameters").get("binary_data_size")
    if size is None:
        return _from_json(name, entry.get("data"), str(datatype), shape, count), rest
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(rest):
        raise _bad(f"'{name}' says binary_data_size {str(size)[:40]}, {len(rest)} bytes are left", "send all its bytes")
    raw, rest = bytes(rest[:size]), rest[size:]
    if datatype == "BYTES":
        values: Any = np.asarray(_texts(name, raw), np.object_)
    else:
        dtype = DTYPES[str(datatype)]
        if size != count * dtype.itemsize:
            raise _bad(f"'{name}' has {size} bytes, its shape needs {count * dtype.itemsize}", "send as many")
        values = np.frombuffer(raw, dtype)
    return _shaped(name, values, shape, count), rest


def _from_json(name: str, data: Any, datatype: str, shape: Sequence[int], count: int) -> Array:
    if not isinstance(data, list):
        raise _bad(f"the input '{name}' has no list 'data'", "send its numbers, row by row, or binary_data_size")
    try:
        values = np.asarray(data, np.object_ if datatype == "BYTES" else None).ravel()
        if values.dtype == np.object_ and datatype.startswith("FP"):  # null is an unknown number
            values = values.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise _bad(f"the data of '{name}' are no array of numbers", "send a flat list") from None
    if datatype != "BYTES" and values.dtype.kind not in ("b" if datatype == "BOOL" else "iuf") and count:
        raise _bad(f"the data of '{name}' are not {datatype}", "send numbers as numbers, flags as true and false")
    return _shaped(name, values.astype(np.bool_) if datatype == "BOOL" else values, shape, count)


def _shaped(name: str, values: Array, shape: Sequence[int], count: int) -> Array:
    if values.size != count:
        raise _bad(f"'{name}' has {values.size} values, its shape {list(shape)} needs {count}", "send as many")
    return values.reshape(shape)


def _texts(name: str, raw: bytes) -> list[str]:
    """Texts, each behind its length as four bytes."""
    texts, place = [], 0
    while place < len(raw):
        end = place + 4 + int.from_bytes(raw[place : place + 4], "little")
        if end > len(raw):
            raise _bad(f"a text of '{name}' is longer than its bytes", "send four bytes of length before each")
        texts.append(raw[place + 4 : end].decode("utf-8", "replace"))
        place = end
    return texts


def _bytes(tensor: Array) -> bytes:
    if tensor.dtype == np.object_:
        texts = [str(text).encode() for text in tensor.ravel()]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return tensor.astype(DTYPES[_datatype(tensor)]).tobytes()


def _datatype(tensor: Array) -> str:
    if tensor.dtype == np.object_:
        return "BYTES"
    return next(name for name, dtype in DTYPES.items() if dtype == tensor.dtype)


def _table(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = entry.get(key, {})
    if not isinstance(table, dict):
        raise _bad(f"'{key}' is no table", f'send "{key}": {{}}, or leave it out')
    return table


def _bad(message: str, hint: str) -> Refusal:
    return Refusal("bad-request", message, hint)
