"""Ranges of settings in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt

from md2n.config import from_mapping
from md2n.errors import ConfigError
from md2n.experiment.config import ExperimentConfig
from md2n.ranges import allowed


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[int, Gt(0)], "a whole number above 0"),
        (Annotated[float, Ge(0), Le(0.9)], "a number from 0 to 0.9"),
        (Annotated[float, Gt(0), Le(1)], "a number above 0 and of at most 1"),
        (Annotated[float, Gt(0), Lt(1)], "a number above 0 and below 1"),
        (float, "a number"),
        (bool, "true or false"),
        (str, "text in quotes"),
        (Path, "a path in quotes"),
        (Literal["auto", "cpu"], "one of 'auto', 'cpu'"),
        (int | None, "a whole number or null"),
        (tuple[str, ...], "a list, each of it text in quotes"),
        (tuple[int, str], "a list of 2: a whole number, text in quotes"),
        (Mapping[str, Annotated[float, Ge(0), Le(1)]], "a table, each of its values a number from 0 to 1"),
        (Annotated[int | None, Ge(1)], "a whole number or null of at least 1"),
    ],
)
def test_what_is_allowed_is_said_in_words(annotation: Any, words: str) -> None:
    assert allowed(annotation) == words


@pytest.mark.parametrize(
    ("section", "setting", "value", "words"),
    [
        ("trainer", "epochs", 0, "a whole number above 0"),
        ("trainer", "warmup", 1.5, "a number from 0 to 1"),
        ("trainer", "threads", "many", "a whole number above 0 and of at most 256"),
        ("trainer", "device", 3, "one of 'auto', 'cpu', 'cuda', 'mps'"),
        ("evaluation", "draws", -1, "a whole number of at least 0"),
        ("evaluation", "protocols", "fixed", "a list, each of it one of 'fixed', 'random', 'inside'"),
    ],
)
def test_an_error_of_a_setting_prints_its_range(section: str, setting: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        from_mapping(ExperimentConfig, {section: {setting: value}})
    assert refusal.value.hint == f"give {words}"
