"""Every test run checks every shape, and torch keeps to one thread."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")
if os.environ.get("MD2N_TEST_GPU") != "1":  # a card is for the tests that ask for one
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

from jaxtyping import install_import_hook

import tests.typecheck  # noqa: F401 - jaxtyping finds the checker through the imported package

# The import hook has to stand before md2n is imported.
install_import_hook("md2n", "tests.typecheck.checked")

import torch  # noqa: E402

torch.set_num_threads(1)

# What a script starts in the background has Ctrl-C ignored; tests of Ctrl-C need it as a terminal has it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
