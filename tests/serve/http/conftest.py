"""A server that the tests here share; what it needs is imported where it is first asked for."""

from collections.abc import Iterator
from typing import Any

import pytest

from md2n.data.samples import Samples
from md2n.serve.predictor import Predictor


@pytest.fixture(scope="session")
def test_digits(digits: Samples) -> Samples:
    return digits.select(digits.rows("test"))


@pytest.fixture(scope="session")
def client(recovering: Predictor, test_digits: Samples) -> Iterator[Any]:
    from tests.serve.http.asking import serving

    with serving(recovering, name="first", data="digits", samples=test_digits) as one:
        yield one
