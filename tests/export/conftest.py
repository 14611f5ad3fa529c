"""Tiny runs, trained once for all tests here."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from md2n.experiment.loading import LoadedRun, load_run
from tests.serve.trained import people, sixty_digits, trained


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoadedRun]:
    """MD2N on sequences with gaps, a real label and people; methods without recovery on digits."""
    folder = tmp_path_factory.mktemp("exported")
    made = {"people": trained(folder, "md2n", people())}
    made |= {name: trained(folder, name, sixty_digits()) for name in ("modality_dropout", "zero_fill")}
    return {name: load_run(Path(path)) for name, path in made.items()}
