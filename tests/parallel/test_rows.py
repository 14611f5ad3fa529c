"""A training in two processes is that of one, up to rounding."""

from pathlib import Path

import pytest
import torch

from md2n.methods.catalogue import MODELS
from md2n.training.config import TrainerConfig
from tests.parallel.pair import VARIANTS, digits, in_two, methods
from tests.worlds import WORLDS


def check_same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor], what: str, rel: float) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=rel, atol=rel, msg=lambda m: f"{what}, {name}: {m}")  # noqa: B023


# Inverse roots of covariances and inverted flows magnify rounding.
ROUGH = {"dcca": 1e-5, "dccae": 1e-5, "dicmor": 1e-6}


def check_methods(folder: Path, world: str, names: tuple[str, ...]) -> None:
    one, two = methods(folder / "one", world, names), in_two(folder / "pair", methods, folder / "two", world, names)
    for name in names:
        check_same(one[name], two[name], name, ROUGH.get(name, 1e-8))


def test_methods_with_phases_fits_and_correlations(tmp_path: Path) -> None:
    """The weight average, validation and the choice of a checkpoint included; 7 rows a step, in parts of 3 and 4."""
    check_methods(tmp_path, "cells", ("dcca", "mctn", "mmin", "modality_dropout"))


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_every_method(tmp_path: Path, world: str) -> None:
    check_methods(tmp_path, world, (*MODELS.names(), *VARIANTS))


def test_digits_for_twenty_steps(tmp_path: Path) -> None:
    config = TrainerConfig(steps=20, validations=1, batch_size=10, device="cpu")
    one, two = (
        digits(tmp_path / "one", config),
        in_two(tmp_path / "p", digits, tmp_path / "two", config),
    )
    check_same(one, two, "md2n", 1e-6)
