"""Damaged files of every kind end in data or in a named error: nothing else, soon, and in little memory.

Two hundred mutations of each run with all other tests; ``pytest -m fuzz`` runs these alone, and
``python -m tests.fuzz N`` any number.
"""

from pathlib import Path

import pytest

from tests.fuzz.campaign import NAMES, attack
from tests.fuzz.targets import Target, targets

MUTATIONS = 200


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return targets(tmp_path_factory.mktemp("fuzz"))


def test_every_target_is_valid_and_known(made):
    assert sorted(made) == sorted(NAMES)
    for target in made.values():
        target.read()


@pytest.mark.fuzz
@pytest.mark.parametrize("name", NAMES)
def test_mutations_end_in_data_or_a_named_error(made, name):
    assert attack(name, made[name], range(MUTATIONS)) == []


def test_what_is_neither_is_found(tmp_path: Path):
    file = tmp_path / "a"
    file.write_bytes(b"abc")
    assert attack("x", Target(file, lambda: 1 // 0), range(2)) == [
        "x, seed 0: ZeroDivisionError: integer division or modulo by zero",
        "x, seed 1: ZeroDivisionError: integer division or modulo by zero",
    ]
    assert file.read_bytes() == b"abc"
