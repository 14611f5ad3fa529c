"""Shapes are checked where functions are tested, and torch keeps to one thread."""

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
if os.environ.get("MD2N_TEST_GPU") != "1":  # a card is for the tests that ask for one
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest
from jaxtyping import install_import_hook

import tests.typecheck

# The import hook has to stand before md2n is imported.
install_import_hook("md2n", "tests.typecheck.checked")

import torch  # noqa: E402

torch.set_num_threads(1)

# What a script starts in the background has Ctrl-C ignored, and under nohup the end of its terminal; tests of signals
# need them as a terminal has them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Whole commands run the functions again that other folders test with every shape checked.
COMMANDS = {
    "cli",
    "end_to_end",
    "estimators",
    "experiment",
    "export",
    "golden",
    "parallel",
    "project",
    "report",
    "serve",
}


@pytest.fixture(scope="module", autouse=True)
def shapes(request: pytest.FixtureRequest) -> Iterator[None]:
    folder = request.path.relative_to(Path(__file__).parent).parts[0]
    with tests.typecheck.unchecked() if folder in COMMANDS else nullcontext():
        yield
