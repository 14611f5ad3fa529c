"""The Open Inference Protocol, asked by Triton's own client."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from md2n.data.samples import Samples
from md2n.serve.predictor import Predictor
from tests.serve.http.asking import TestClient
from tests.serve.http.live import LOCAL, live

ROWS = 5


@pytest.fixture(scope="module")
def triton() -> Any:
    return pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")


@pytest.fixture(scope="module")
def asking(triton: Any, recovering: Predictor) -> Iterator[Any]:
    with live(recovering) as port:
        yield triton.InferenceServerClient(f"{LOCAL}:{port}")


@pytest.fixture(scope="module")
def arrays(test_digits: Samples) -> dict[str, np.ndarray]:
    cubes = {k: np.stack([r.sample(i) for i in range(ROWS)]) for k, r in test_digits.modalities.items()}
    return {k: np.asarray(x if k == "rows" else x[:, 0], np.float32) for k, x in cubes.items()}


@pytest.fixture(scope="module")
def available() -> np.ndarray:
    flags = np.ones((ROWS, 4), np.bool_)
    flags[::2, 0] = flags[1, 1:3] = False
    return flags


def inputs(triton: Any, arrays: dict[str, np.ndarray], available: np.ndarray, binary: bool) -> list[Any]:
    tensors = []
    for name, array, kind in [*((k, x, "FP32") for k, x in arrays.items()), ("available", available, "BOOL")]:
        tensors.append(triton.InferInput(name, list(array.shape), kind))
        tensors[-1].set_data_from_numpy(array, binary_data=binary)
    return tensors


def hidden(arrays: dict[str, np.ndarray], available: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays as Python takes them: NaN where a sample misses the modality."""
    copies = {name: array.copy() for name, array in arrays.items()}
    for k, array in enumerate(copies.values()):
        array[~available[:, k]] = np.nan
    return copies


def test_health_and_metadata(asking: Any) -> None:
    assert asking.is_server_live()
    assert asking.is_server_ready()
    assert asking.is_model_ready("predict", "1")
    assert not asking.is_model_ready("predict", "2")
    assert not asking.is_model_ready("other")
    assert asking.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = asking.get_model_metadata("predict")
    assert [(i["name"], i["shape"]) for i in metadata["inputs"]] == [
        ("rows", [-1, -1, 8]),
        ("edges", [-1, 48]),
        ("fourier", [-1, 40]),
        ("moments", [-1, 7]),
        ("available", [-1, 4]),
    ]


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_predictions_and_recoveries(
    triton: Any, asking: Any, recovering: Predictor, arrays: dict[str, np.ndarray], available: np.ndarray, binary: bool
) -> None:
    tensors, own = inputs(triton, arrays, available, binary), hidden(arrays, available)
    outputs = [o["name"] for o in asking.get_model_metadata("predict")["outputs"]]
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in outputs]
    reply, answer = asking.infer("predict", tensors, outputs=wanted), recovering.predict(own)
    np.testing.assert_allclose(reply.as_numpy("output"), answer.output, rtol=0, atol=1e-6)
    np.testing.assert_allclose(reply.as_numpy("std"), answer.std, rtol=0, atol=1e-6)
    assert [x.decode() if isinstance(x, bytes) else x for x in reply.as_numpy("label")] == answer.labels.tolist()
    recovered = recovering.recover(own)
    outputs = [o["name"] for o in asking.get_model_metadata("recover")["outputs"]]
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in outputs]
    reply = asking.infer("recover", tensors, outputs=wanted)
    for name, rows in recovered.features.items():
        expected = np.stack(rows) if name == "rows" else np.concatenate(rows)
        np.testing.assert_allclose(reply.as_numpy(name), expected, rtol=0, atol=1e-6)
    assert reply.as_numpy("rows_frames").tolist() == [8] * ROWS


def test_an_input_may_be_left_out_and_all_outputs_come_unasked(
    triton: Any, asking: Any, recovering: Predictor, arrays: dict[str, np.ndarray], available: np.ndarray
) -> None:
    tensors = inputs(triton, {"edges": arrays["edges"]}, available, True)[:1]
    reply = asking.infer("predict", tensors, request_id="q7")
    answer = recovering.predict({"edges": arrays["edges"]})
    np.testing.assert_allclose(reply.as_numpy("output"), answer.output, rtol=0, atol=1e-6)
    assert (reply.get_response()["id"], reply.get_response()["model_name"]) == ("q7", "predict")


def test_a_refusal_reaches_the_client_with_its_words(
    triton: Any, asking: Any, arrays: dict[str, np.ndarray], available: np.ndarray
) -> None:
    from tritonclient.utils import InferenceServerException

    tensors = inputs(triton, arrays, available, True)
    with pytest.raises(InferenceServerException, match="no model is called 'other'"):
        asking.infer("other", tensors)
    with pytest.raises(InferenceServerException, match="there is no output 'probs'"):
        asking.infer("predict", tensors, outputs=[triton.InferRequestedOutput("probs")])


def test_null_is_an_unknown_number(client: TestClient, recovering: Predictor, arrays: dict[str, np.ndarray]) -> None:
    values = arrays["moments"][:1].copy()
    values[0, 3] = np.nan
    data = [None if np.isnan(v) else float(v) for v in values[0]]
    body = {"inputs": [{"name": "moments", "shape": [1, 7], "datatype": "FP32", "data": data}]}
    reply = client.post("/v2/models/predict/infer", content=json.dumps(body)).json()
    (output,) = [o for o in reply["outputs"] if o["name"] == "output"]
    answer = recovering.predict({"moments": values})
    np.testing.assert_allclose(output["data"], answer.output[0], rtol=0, atol=1e-6)
    assert output["shape"] == [1, 10]


def test_a_shape_that_no_array_has_is_refused(client: TestClient) -> None:
    body = {"inputs": [{"name": "moments", "shape": [10**30, 0], "datatype": "FP32", "data": []}]}
    reply = client.post("/v2/models/predict/infer", content=json.dumps(body))
    assert reply.status_code == 400
    assert "no shape of one to three sizes" in reply.text


def test_a_sequence_without_its_axis_of_frames_is_refused(client: TestClient) -> None:
    """It might be one sample of eight frames, or eight samples."""
    entry = {"name": "rows", "shape": [8, 8], "datatype": "FP32", "data": [1.0] * 64}
    reply = client.post("/v2/models/predict/infer", content=json.dumps({"inputs": [entry]}))
    assert reply.status_code == 400
    assert "'rows' has shape [8, 8]" in reply.text and "[B, T, 8]" in reply.text


@pytest.mark.parametrize("group", [None, True, 1.5])
def test_a_group_without_a_name_is_refused(client: TestClient, group: Any) -> None:
    moments = {"name": "moments", "shape": [1, 7], "datatype": "FP32", "data": [1.0] * 7}
    groups = {"name": "groups", "shape": [1], "datatype": "BYTES", "data": [group]}
    reply = client.post("/v2/models/predict/infer", content=json.dumps({"inputs": [moments, groups]}))
    assert reply.status_code == 400
    assert "'groups' is no list of names" in reply.text


def test_half_precision_is_read(client: TestClient, recovering: Predictor, arrays: dict[str, np.ndarray]) -> None:
    values = arrays["edges"][:2].astype(np.float16)
    entry = {"name": "edges", "shape": [2, 48], "datatype": "FP16", "parameters": {"binary_data_size": values.nbytes}}
    head = json.dumps({"inputs": [entry]}).encode()
    response = client.post(
        "/v2/models/predict/infer",
        content=head + values.tobytes(),
        headers={"inference-header-content-length": str(len(head))},
    )
    output = next(o for o in response.json()["outputs"] if o["name"] == "output")
    expected = recovering.predict({"edges": values.astype(np.float32)}).output
    np.testing.assert_allclose(np.reshape(output["data"], output["shape"]), expected, rtol=0, atol=1e-6)
