"""Runs trained once for all tests here; flushing to the disk guards against power cuts only, and is slow."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import md2n
from md2n.data.samples import Samples
from md2n.serve.predictor import Predictor
from tests.serve.trained import people, sixty_digits, trained


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def digits() -> Samples:
    return sixty_digits()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="session")
def dropout(folder: Path, digits: Samples) -> Predictor:
    return md2n.load(trained(folder, "modality_dropout", digits))


@pytest.fixture(scope="session")
def recovering(folder: Path, digits: Samples) -> Predictor:
    return md2n.load(trained(folder, "md2n", digits))


@pytest.fixture(scope="session")
def grouped(folder: Path) -> Predictor:
    return md2n.load(trained(folder, "md2n", people()))
