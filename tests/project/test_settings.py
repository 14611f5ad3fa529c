"""Settings: each has a meaning and a source on its page, and an error of range prints the range."""

import math
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from scripts.pages.settings import Setting, methods, settings, source

from md2n.data.config import DataConfig
from md2n.errors import ConfigError
from md2n.evaluation.config import EvaluationConfig
from md2n.experiment.config import resolve
from md2n.ranges import allowed
from md2n.training.config import TrainerConfig

SECTIONS = {"data": DataConfig, "trainer": TrainerConfig, "evaluation": EvaluationConfig}


def everything() -> Iterator[tuple[str, Setting]]:
    """(method, setting) of every setting that the page lists."""
    for where, cls in SECTIONS.items():
        yield from (("md2n", one) for one in settings(cls, where))
    for _, names, cls in methods():
        yield from ((names[0], one) for one in settings(cls, "model"))


ALL = list(everything())
NUMERIC = [(method, one) for method, one in ALL if typing.get_origin(one.annotation) is Annotated]


def outside(annotation: Any) -> list[float]:
    """Numbers beyond each bound of an annotation."""
    numbers: list[float] = []
    for bound in typing.get_args(annotation)[1:]:
        numbers += [getattr(bound, kind) for kind in ("gt", "lt") if hasattr(bound, kind)]
        numbers += [getattr(bound, kind) + way for kind, way in (("ge", -1), ("le", 1)) if hasattr(bound, kind)]
    return numbers


def test_there_are_many_settings() -> None:
    assert len(ALL) > 120
    assert len(NUMERIC) > 80


@pytest.mark.parametrize(("method", "one"), ALL, ids=[f"{method}-{one.path}" for method, one in ALL])
def test_a_setting_has_a_meaning_and_a_source(method: str, one: Setting) -> None:
    assert one.meaning
    assert source(one, method if one.path.startswith("model.") else "default")


@pytest.mark.parametrize(("method", "one"), NUMERIC, ids=[f"{method}-{one.path}" for method, one in NUMERIC])
def test_a_number_out_of_its_range_is_refused_with_the_range(method: str, one: Setting) -> None:
    numbers = outside(one.annotation)
    assert numbers, "a number has bounds"
    for number in [*numbers, math.inf]:
        with pytest.raises(ConfigError) as refusal:
            resolve(sets=[f"{one.path}={number}"], model=method)
        assert f"{one.path} = {number}" in refusal.value.message
        assert refusal.value.hint == f"give {allowed(one.annotation)}"


def test_a_number_without_bounds_is_no_setting() -> None:
    assert [one.path for _, one in ALL if one.annotation in (int, float)] == []


def test_a_rate_out_of_its_range_is_refused_with_the_range() -> None:
    with pytest.raises(ConfigError) as refusal:
        resolve(sets=["data.hide.rows=2"])
    assert "a number from 0 to 1" in refusal.value.hint
