"""Servers in this process, and what they are asked with."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'serve' is not installed")
pytest.importorskip("prometheus_client", reason="the extra 'serve' is not installed")
pytest.importorskip("httpx2", reason="httpx2 is not installed")

from starlette.testclient import TestClient

from md2n.data.samples import Samples
from md2n.serve.http.app import create_app
from md2n.serve.http.encoding import encode
from md2n.serve.http.served import Served
from md2n.serve.predictor import Predictor


@contextmanager
def serving(predictor: Predictor, **settings: Any) -> Iterator[TestClient]:
    """A client of a server in this process."""
    with TestClient(create_app(Served(predictor, **settings)), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def test_digits(digits: Samples) -> Samples:
    return digits.select(digits.rows("test"))


@pytest.fixture(scope="session")
def client(recovering: Predictor, test_digits: Samples) -> Iterator[TestClient]:
    with serving(recovering, name="first", data="digits", samples=test_digits) as one:
        yield one


def asked(client: TestClient, path: str, features: Any, **more: Any) -> Any:
    """The reply to a right request of the JSON API."""
    response = client.post(path, content=encode({"features": features, **more}), headers=JSON)
    assert response.status_code == 200, response.text
    return json.loads(response.content)


JSON = {"content-type": "application/json"}
