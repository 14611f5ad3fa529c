"""The process, the samplers and every method still give the numbers that were kept."""

import json

import pytest

from tests.golden.made import CASES, KEPT, Numbers

AGAIN = "if the change is meant, run python -m tests.golden.made and say in the commit why the numbers moved"

# Inverse roots of covariances and inverted flows magnify rounding: the same code, told to use AVX2 (by
# ATEN_CPU_CAPABILITY) in place of AVX-512, gives DCCA and DCCAE that differ by 3e-6, DiCMoR by 2e-5 near zero.
MAGNIFYING = ("model dcca", "model dccae", "model dicmor")


@pytest.fixture(scope="module")
def kept() -> dict[str, Numbers]:
    told: dict[str, Numbers] = json.loads(KEPT.read_text(encoding="utf-8"))
    return told


def test_nothing_is_kept_of_what_is_no_more(kept: dict[str, Numbers]) -> None:
    assert kept.keys() <= CASES.keys(), AGAIN


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_are_those_that_were_kept(case: str, kept: dict[str, Numbers]) -> None:
    assert case in kept, AGAIN
    now = CASES[case]()
    assert now.keys() == kept[case].keys(), AGAIN
    for what, numbers in kept[case].items():
        # Another processor adds up in another order and differs in the last of sixteen digits.
        rel, absolute = (5e-5, 1e-7) if case in MAGNIFYING else (1e-6, 1e-8)
        assert now[what] == pytest.approx(numbers, rel=rel, abs=absolute), f"{case}, {what}: {AGAIN}"
