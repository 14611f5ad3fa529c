"""A store of sixty digits and two tiny runs on it, made once; flushing to the disk guards against power cuts only."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from md2n.data.store import write_store
from tests.serve.trained import sixty_digits, trained


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="session")
def sixty(made: Path) -> Path:
    return write_store(made / "store-digits", sixty_digits())


@pytest.fixture(scope="session")
def dropout(made: Path, sixty: Path) -> Path:
    return trained(made, "modality_dropout", sixty_digits())


@pytest.fixture(scope="session")
def md2n_run(made: Path, sixty: Path) -> Path:
    return trained(made, "md2n", sixty_digits())
