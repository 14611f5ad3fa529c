"""The JSON API, its files, tokens, metrics and description."""

import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from md2n.data.samples import Samples
from md2n.serve.http import api
from md2n.serve.http.batching import listed
from md2n.serve.http.encoding import encode
from md2n.serve.http.limits import SMALL, Limits
from md2n.serve.http.report import read_report
from md2n.serve.http.served import PICTURES, pattern_scores
from md2n.serve.predictor import Predictor
from tests.serve.http.asking import JSON, TestClient, asked, serving
from tests.serve.trained import trained


@pytest.fixture
def three(test_digits: Samples) -> dict[str, list[Any]]:
    """Three samples; the second misses its rows, and a number of the first is unknown."""
    features = {name: arrays[:3] for name, arrays in listed(test_digits).items()}
    features["rows"][1] = None
    features["moments"][0] = features["moments"][0].copy()
    features["moments"][0][0, 2] = np.nan
    # Vectors as they are in Python: one list of numbers.
    return features | {k: [x[0] for x in features[k]] for k in ("edges", "fourier", "moments")}


def test_predictions(client: TestClient, recovering: Predictor, three: dict[str, list[Any]]) -> None:
    reply, answer = asked(client, "/api/predict", three), recovering.predict(three)
    np.testing.assert_allclose(reply["output"], answer.output, atol=1e-6)
    np.testing.assert_allclose(reply["std"], answer.std, atol=1e-6)
    assert reply["labels"] == answer.labels.tolist()
    assert reply["available"] == ["rows+edges+fourier+moments", "edges+fourier+moments", "rows+edges+fourier+moments"]
    assert reply["classes"] == list("0123456789")


def test_recoveries(client: TestClient, recovering: Predictor, three: dict[str, list[Any]]) -> None:
    reply, recovered = asked(client, "/api/recover", three, draws=3), recovering.recover(three, draws=3)
    for name, arrays in recovered.features.items():
        for row, array in enumerate(arrays):
            np.testing.assert_allclose(reply["features"][name][row], array, atol=1e-6)
            np.testing.assert_allclose(reply["std"][name][row], recovered.std[name][row], atol=1e-6)
    assert reply["was_given"]["rows"] == [True, False, True]


def test_explanations_add_up(client: TestClient, recovering: Predictor, three: dict[str, list[Any]]) -> None:
    reply, explanation = asked(client, "/api/explain", three), recovering.explain(three)
    for k, name in enumerate(explanation.names):
        np.testing.assert_allclose(reply["adds"][name], explanation.own[:, k], atol=1e-6)
    assert reply["adds"]["rows"][1] == 0
    assert reply["labels"] == explanation.labels.tolist()
    best = explanation.output.argmax(axis=1)
    probability = np.asarray(asked(client, "/api/predict", three)["output"])[range(3), best]
    np.testing.assert_allclose(reply["value"], probability, atol=1e-6)
    np.testing.assert_allclose(reply["baseline"] + np.sum(list(reply["adds"].values()), axis=0), probability, atol=1e-6)


def test_a_method_that_recovers_nothing_has_no_such_path(dropout: Predictor, three: dict[str, list[Any]]) -> None:
    with serving(dropout) as client:
        assert client.get("/api/model").json()["abilities"] == ["predict", "explain"]
        assert client.post("/api/recover", content=encode({"features": three}), headers=JSON).status_code == 404
        assert asked(client, "/api/predict", three)["std"] is None


def test_a_table_and_an_archive_are_read_as_json_is(
    client: TestClient, three: dict[str, list[Any]], test_digits: Samples
) -> None:
    flat = {name: [None if x is None else np.ravel(x) for x in arrays] for name, arrays in three.items()}
    names = [f"rows_{i}_{k}" for i in range(8) for k in range(8)]
    names += [f"{name}_{k}" for name in test_digits.names[1:] for k in range(len(flat[name][0]))]
    lines = [",".join(names)]
    for row in range(3):
        values = [flat[n][row] if flat[n][row] is not None else np.full(64, np.nan) for n in test_digits.names]
        lines.append(",".join("" if np.isnan(v) else str(v) for v in np.concatenate(values)))
    table = "\n".join(lines).encode()
    stream = io.BytesIO()
    rows = np.stack([np.full((8, 8), np.nan) if x is None else x for x in three["rows"]])
    np.savez(stream, x_rows=rows, **{f"x_{k}": np.stack(v) for k, v in three.items() if k != "rows"})
    expected = asked(client, "/api/predict", three)["output"]
    for body, kind in (
        (table, "text/csv"),
        (table.replace(b",", b";"), "text/csv"),
        (stream.getvalue(), "application/x-npz"),
    ):
        response = client.post("/api/predict", content=body, headers={"content-type": kind})
        np.testing.assert_allclose(response.json()["output"], expected, atol=1e-6)
        read = client.post("/api/read", content=body, headers={"content-type": kind}).json()
        assert (read["rows"], read["features"]["rows"][1]) == (3, None)
        assert read["features"]["moments"][0][0][2] is None
        np.testing.assert_allclose(read["features"]["rows"][2], three["rows"][2], atol=1e-6)


def test_samples_are_shown_as_they_are(client: TestClient, test_digits: Samples) -> None:
    listing = client.get("/api/samples").json()
    assert listing["count"] == len(test_digits) == 15
    assert listing["ids"] == test_digits.ids.tolist()
    sample = client.get("/api/samples/3").json()
    assert (sample["id"], sample["label"]) == (test_digits.ids[3], listing["labels"][3])
    np.testing.assert_array_equal(sample["features"]["rows"], test_digits.modalities["rows"].sample(3))
    assert client.get("/api/samples/15").json()["kind"] == "not-found"


def test_scores_by_pattern_are_those_of_the_evaluation(
    folder: Path, digits: Samples, dropout: Predictor, tmp_path: Path
) -> None:
    assert pattern_scores(tmp_path, dropout) is None
    (tmp_path / "results.jsonl").write_text('{"condition": "of another version"}\n')
    assert pattern_scores(tmp_path, dropout) is None
    from md2n.experiment.measuring import run_evaluation

    run = trained(folder, "modality_dropout", digits)
    run_evaluation(run, ["fixed"])
    scores = pattern_scores(run, dropout)
    assert scores is not None
    assert len(scores["patterns"]) == 15
    assert scores["patterns"]["rows+edges"]["n"] == 15
    evaluation = dropout.evaluate(digits)
    assert scores["patterns"]["rows+edges"]["value"] == evaluation.measures["rows+edges"]["accuracy"]


def test_pictures_have_as_many_numbers_as_the_data(digits: Samples) -> None:
    rows, columns = PICTURES["digits", "rows"]
    assert digits.modalities["rows"].sample(0).size == rows * columns


def test_a_token_opens_everything_and_health_and_the_page_need_none(dropout: Predictor) -> None:
    with serving(dropout, token="a secret") as client:
        assert [client.get(p).status_code for p in ("/", "/static/page.js", "/v2/health/ready")] == [200] * 3
        for path in ("/api/model", "/v2", "/metrics", "/openapi.json", "/api/samples"):
            for headers in ({}, {"authorization": "Bearer a secre"}, {"authorization": "Basic a secret"}):
                refused = client.get(path, headers=headers)
                assert (refused.status_code, refused.json()["kind"]) == (401, "token")
            assert client.get(path, headers={"authorization": "Bearer a secret"}).status_code == 200


def test_a_server_for_this_machine_answers_to_its_own_name_only(dropout: Predictor) -> None:
    with serving(dropout, hosts=frozenset({"localhost", "[::1]"})) as client:
        for host, status in (("localhost:8000", 200), ("LOCALHOST", 200), ("[::1]:80", 200), ("evil.example:80", 421)):
            assert client.get("/v2", headers={"host": host}).status_code == status


def test_metrics(dropout: Predictor, three: dict[str, list[Any]]) -> None:
    with serving(dropout) as client:
        asked(client, "/api/predict", three)
        client.get("/nowhere/1")
        client.get("/nowhere/2")
        text = client.get("/metrics").text
    assert 'md2n_requests_total{path="/api/predict",status="200"} 1.0' in text
    assert 'md2n_requests_total{path="unknown",status="404"} 2.0' in text
    assert 'md2n_refusals_total{kind="not-found"} 2.0' in text
    assert 'md2n_rows_total{ability="predict"} 3.0' in text
    assert "process_resident_memory_bytes" in text
    assert "nowhere" not in text


def test_a_fault_gets_out_as_a_fault_and_nothing_else(
    dropout: Predictor, three: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(dropout, "predict", broken)
    with serving(dropout) as client:
        response = client.post("/api/predict", content=encode({"features": three}), headers=JSON)
    assert (response.status_code, response.json()["kind"]) == (500, "fault")
    assert "secret" not in response.text
    assert "Traceback" not in response.text


def test_a_body_that_is_too_large_is_refused_however_it_is_sent(dropout: Predictor) -> None:
    with serving(dropout, limits=Limits(body_bytes=1000)) as client:
        for content in (b"x" * 1001, (b"x" * 100 for _ in range(11))):
            refused = client.post("/api/predict", content=content, headers=JSON)
            assert (refused.status_code, refused.json()["kind"]) == (413, "too-large")


def test_others_are_heard_while_a_large_body_is_parsed(dropout: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    read = api.read_upload

    def noted(*arguments: Any) -> Any:
        threads.append(threading.current_thread().name)
        return read(*arguments)

    monkeypatch.setattr(api, "read_upload", noted)
    with serving(dropout) as client:
        for size in (10, SMALL + 1):
            assert client.post("/api/predict", content=b"x" * size, headers=JSON).json()["kind"] == "bad-json"
    assert threads[1] != threads[0]
    assert threads[1].startswith("asyncio_")


def test_the_description_names_the_models_modalities(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    form = description["paths"]["/api/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert list(form["properties"]["features"]["properties"]) == ["rows", "edges", "fourier", "moments"]
    assert {"/api/recover", "/v2/models/{name}/infer", "/metrics"} <= description["paths"].keys()


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    files = set(re.findall(r'(?:src|href)="(static/[^"]+)"', page.text))
    scripts = "".join(client.get(f"/{name}").text for name in files)
    files |= {f"static/{name}" for name in re.findall(r'from "\./([^"]+)"', scripts)}
    assert files == {"static/page.css", "static/page.js", "static/charts.js", "static/report.js"}
    for name in files:
        assert client.get(f"/{name}").status_code == 200
    assert not re.search(r"https?://(?!www\.w3\.org)", page.text + scripts)


def test_a_report_is_shown_and_nothing_beside_it(dropout: Predictor, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "figures").mkdir()
    text = "**digits: accuracy (%)**\n\n| method | rows |\n| --- | ---: |\n| a \\| b | **1.5** |\n\n- a note\n"
    (tmp_path / "tables" / "digits-compare.md").write_text(text)
    for name in ("radar.svg", "radar.png", "other.png", "secret.txt"):
        (tmp_path / "figures" / name).write_bytes(b"<svg/>")
    (tmp_path / "secret.svg").write_bytes(b"secret")
    with serving(dropout, report=read_report(tmp_path)) as client:
        report = client.get("/api/report").json()
        assert report["figures"] == ["other.png", "radar.svg"]
        assert client.get("/api/report/figures/radar.svg").headers["content-type"].startswith("image/svg+xml")
        for name in ("secret.txt", "..%2fsecret.svg", "../secret.svg"):
            assert client.get(f"/api/report/figures/{name}").status_code == 404
    (table,) = report["tables"]
    assert (table["title"], table["columns"], table["numeric"]) == (
        "digits: accuracy (%)",
        ["method", "rows"],
        [False, True],
    )
    assert (table["rows"], table["notes"]) == ([["a | b", "**1.5**"]], ["a note"])


def test_json_has_null_for_what_is_no_number() -> None:
    assert json.loads(encode({"a": np.asarray([1.5, np.nan, np.inf]), 3: (np.int64(2), None)})) == {
        "a": [1.5, None, None],
        "3": [2, None],
    }
