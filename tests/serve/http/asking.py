"""Servers in this process and what they are asked with; a module that imports this is skipped without the extra."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

for name in ("fastapi", "uvicorn", "prometheus_client", "httpx2"):
    pytest.importorskip(name, reason=f"{name} of the extras 'serve' and 'dev' is not installed")

from starlette.testclient import TestClient  # noqa: E402

from md2n.serve.http.app import create_app  # noqa: E402
from md2n.serve.http.encoding import encode  # noqa: E402
from md2n.serve.http.served import Served  # noqa: E402
from md2n.serve.predictor import Predictor  # noqa: E402

JSON = {"content-type": "application/json"}


@contextmanager
def serving(predictor: Predictor, **settings: Any) -> Iterator[TestClient]:
    """A client of a server in this process."""
    with TestClient(create_app(Served(predictor, **settings)), raise_server_exceptions=False) as client:
        yield client


def asked(client: TestClient, path: str, features: Any, **more: Any) -> Any:
    """The reply to a right request of the JSON API."""
    response = client.post(path, content=encode({"features": features, **more}), headers=JSON)
    assert response.status_code == 200, response.text
    return json.loads(response.content)
