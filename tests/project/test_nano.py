"""The method in one file: the same process as the package's, no look at what is missing, and it learns."""

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import md2n
from md2n.diffusion.process import make_process

FILE = Path(__file__).parents[2] / "examples" / "nano_md2n.py"


@pytest.fixture(scope="module")
def nano() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nano_md2n", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_it_stays_one_short_file() -> None:
    text = FILE.read_text()
    assert len(text.splitlines()) <= 400
    assert "md2n" not in {
        line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import", "from"))
    }


def test_its_process_is_the_packages(nano: ModuleType) -> None:
    process, package = nano.Process(), make_process(nano.STEPS, nano.T1, nano.T2)
    torch.testing.assert_close(process.own, package.own.float())
    torch.testing.assert_close(process.moved, package.moved.float())
    torch.testing.assert_close(process.std, package.std_table.float())


def test_what_is_missing_is_never_read_and_what_is_known_never_changed(nano: ModuleType) -> None:
    torch.manual_seed(0)
    model = nano.NanoMD2N([16, 16, 16], 10).eval()
    x = [torch.randn(7, 16) for _ in range(3)]
    available = torch.tensor(list(itertools.product([False, True], repeat=3))[1:])
    poisoned = [torch.where(available[:, k, None], v, torch.nan) for k, v in enumerate(x)]
    torch.testing.assert_close(model.predict(poisoned, available), model.predict(x, available), rtol=0, atol=0)
    for k, recovered in enumerate(model.recover(poisoned, available, calls=2)):
        assert torch.equal(recovered[available[:, k]], x[k][available[:, k]])
        assert bool(recovered.isfinite().all())


def test_every_part_of_the_loss_moves_its_networks(nano: ModuleType) -> None:
    torch.manual_seed(0)
    model = nano.NanoMD2N([16, 16], 10)
    available = torch.tensor([[True, False], [False, True], [True, True], [True, False]])
    model.loss([torch.randn(4, 16), torch.randn(4, 16)], torch.arange(4), available).backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not bool(p.grad.abs().sum() > 0)]
    assert not still


def test_it_learns(nano: ModuleType) -> None:
    views, digits = nano.quarters()
    x = [torch.tensor((v - v.mean()) / v.std()) for v in views]
    labels = torch.tensor(digits)
    # After two epochs it is at .39, after four at .60; they would take half a minute.
    model = nano.train([v[:400] for v in x], labels[:400], epochs=2, batch=32)
    accuracy = nano.evaluate(model, [v[600:800] for v in x], labels[600:800])
    assert np.mean(list(accuracy.values())) > 0.25  # a constant answer has about .1
    assert accuracy[True, True, True, False] > accuracy[True, False, False, False]


@pytest.mark.slow
def test_it_is_within_a_point_of_the_package(nano: ModuleType) -> None:
    views, digits = nano.quarters()
    order = np.random.default_rng(0).permutation(len(digits))
    train, test = order[:1200], order[1350:]
    x = [torch.tensor((v - v[train].mean()) / v[train].std()) for v in views]
    labels = torch.tensor(digits)
    ours = nano.evaluate(nano.train([v[train] for v in x], labels[train]), [v[test] for v in x], labels[test])

    splits = np.full(len(digits), "test", dtype=object)
    splits[train], splits[order[1200:1350]] = "train", "valid"
    package = md2n.fit({f"q{k}": v for k, v in enumerate(views)}, digits, splits=list(splits), progress=False)
    theirs = []
    for pattern in ours:
        data = {
            f"q{k}": v[test] if there else np.full_like(v[test], np.nan)
            for k, (v, there) in enumerate(zip(views, pattern))
        }
        answers = np.asarray(package.predict(data, draws=1).labels).astype(int)
        theirs.append((answers == digits[test]).mean())
    assert np.mean(list(ours.values())) > np.mean(theirs) - 0.01
