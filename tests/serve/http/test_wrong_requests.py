"""Two hundred wrong requests are refused by name, and the server answers the next right one."""

import itertools
import random
from collections import Counter

from scripts.wrong_requests import complaint, right_features, wrong_requests

from tests.serve.http.asking import TestClient, asked

COUNT = 200


def test_wrong_requests_are_refused_and_the_server_lives(client: TestClient) -> None:
    facts = client.get("/api/model").json()
    complaints, kinds = [], Counter[str]()
    for wrong in itertools.islice(wrong_requests(facts, random.Random(1)), COUNT):
        response = client.request(wrong.method, wrong.path, content=wrong.body, headers=dict(wrong.headers))
        complaints.append(complaint(wrong, response.status_code, response.content))
        kinds[response.json().get("kind", "")] += 1
    assert list(filter(None, complaints)) == []
    expected = {"bad-json", "bad-request", "data", "not-found", "method", "media-type", "too-large", "too-many-rows"}
    assert kinds.keys() >= expected | {"too-many-frames"}
    assert len(asked(client, "/api/predict", right_features(facts), check_units=False)["labels"]) == 1
