"""Reading configurations: nothing unknown, nothing converted, every complaint with its path."""

import datetime
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Le
from hypothesis import given
from hypothesis import strategies as st

from md2n.config import apply_set, config_hash, from_mapping, load_json, load_toml, parse_value, to_mapping
from md2n.errors import ConfigError, DataError
from md2n.methods.md2n.config import MD2NConfig
from md2n.modality import Modality, Schema, Task
from md2n.training.config import TrainerConfig


@dataclass(frozen=True)
class Inner:
    size: Annotated[int, Ge(1)] = 1
    kind: Literal["linear", "constant"] = "linear"

    def __post_init__(self) -> None:
        if self.size == 13:
            raise ConfigError("13 is unlucky", "take 12")


@dataclass(frozen=True)
class Outer:
    name: str
    rate: Annotated[float, Ge(0), Le(1)] = 0.5
    inner: Inner = field(default_factory=Inner)
    limit: int | None = None
    rates: tuple[float, ...] = ()
    pair: tuple[int, str] = (1, "a")
    parts: tuple[Inner, ...] = ()
    where: Path | None = None
    table: dict[str, int] = field(default_factory=dict)
    special: Inner = field(default_factory=lambda: Inner(5, "constant"))


def test_everything_given_arrives_and_the_rest_is_default() -> None:
    given_ = {
        "name": "x",
        "rate": 1,
        "inner": {"size": 3},
        "limit": 4,
        "rates": [1, 0.5],
        "pair": [2, "b"],
        "parts": [{"size": 2}, {}],
        "where": "/tmp",
        "table": {"k": 1},
    }
    read = from_mapping(Outer, given_)
    assert read == Outer(
        "x", 1.0, Inner(3), 4, (1.0, 0.5), (2, "b"), (Inner(2), Inner()), Path("/tmp"), {"k": 1}
    )  # fmt: skip
    assert isinstance(read.rate, float)
    assert from_mapping(Outer, to_mapping(read)) == read


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"name": "x", "nmae": 1}, r"unknown key 'o.nmae'\n.*did you mean 'name'"),
        ({"name": "x", "inner": {"sise": 1}}, r"unknown key 'o.inner.sise'\n.*did you mean 'size'"),
        ({"name": "x", "zzz": "linear"}, r"unknown key 'o.zzz'\n.*next: known: inner, limit, name"),
        ({}, r"'o.name' is not given\n"),
        ({"name": 3}, r"o.name = 3: input should be a valid string\n.*quotes"),
        ({"name": "x", "rate": 1.5}, r"o.rate = 1.5: input should be less than or equal to 1"),
        ({"name": "x", "rate": "0.5"}, r"o.rate = '0.5': input should be a valid number"),
        ({"name": "x", "rate": math.nan}, r"o.rate = nan"),
        ({"name": "x", "inner": {"size": 0}}, r"o.inner.size = 0: input should be greater than or equal to 1"),
        ({"name": "x", "inner": {"size": True}}, r"o.inner.size = True: input should be a valid integer"),
        ({"name": "x", "inner": {"size": 2.0}}, r"o.inner.size = 2.0"),
        ({"name": "x", "inner": {"kind": "liner"}}, r"o.inner.kind = 'liner'.*\n.*did you mean 'linear'"),
        ({"name": "x", "inner": {"size": 13}}, r"o.inner: 13 is unlucky\n.*take 12"),
        ({"name": "x", "inner": 3}, r"o.inner = 3 is a value, not a table\n.*\[o.inner\]"),
        ({"name": "x", "parts": [{}, {"size": 0}]}, r"o.parts\[1\].size = 0"),
        ({"name": "x", "rates": 0.5}, r"o.rates = 0.5: input should be a valid"),
        ({"name": "x", "rates": [0.5, "a"]}, r"o.rates\[1\] = 'a'"),
        ({"name": "x", "limit": "all"}, r"o.limit = 'all': input should be a valid integer"),
        ({"name": "x", "pair": [1]}, r"o.pair = \[1\]"),
        ({"name": datetime.date(2024, 1, 1)}, r"o.name = .* is a date"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_path(given_: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(Outer, given_, "o")


def test_a_nested_table_leaves_the_rest_as_in_its_fields_own_default() -> None:
    assert from_mapping(Outer, {"name": "x", "special": {"size": 6}}).special == Inner(6, "constant")
    assert from_mapping(Outer, {"name": "x", "special": {}}).special == Inner(5, "constant")
    assert from_mapping(MD2NConfig, {"diffusion": {"network": {"layers": 1}}}).diffusion.network.dropout == (
        MD2NConfig().diffusion.network.dropout
    )


def test_stages_that_contradict_are_told_where() -> None:
    with pytest.raises(ConfigError, match=r"model.diffusion: t1 = 900, t2 = 800, steps = 1000 do not divide time"):
        from_mapping(MD2NConfig, {"diffusion": {"t1": 900}}, "model")


def test_every_error_class_keeps_its_kind() -> None:
    with pytest.raises(DataError, match=r"modalities\[0\]: modality 'a' has dim 0"):
        from_mapping(Schema, {"modalities": [{"name": "a", "dim": 0}, {"name": "b", "dim": 1}], "task": {}})


def test_infinities_go_through_json() -> None:
    schema = Schema((Modality("a", 3), Modality("b", 4, 5)), Task("regression", high=3))
    mapping = to_mapping(schema)
    assert mapping["task"]["low"] == "-inf"
    assert from_mapping(Schema, mapping) == schema


@given(
    st.builds(
        TrainerConfig,
        epochs=st.integers(1, 10**6),
        learning_rate=st.floats(1e-12, 1e3),
        average=st.floats(0, 1),
        device=st.sampled_from(["auto", "cpu", "cuda", "mps"]),
    )
)
def test_writing_and_reading_is_the_identity(config: TrainerConfig) -> None:
    assert from_mapping(TrainerConfig, to_mapping(config)) == config


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("-5.", -5.0),
        (".5e-3", 5e-4),
        (".", "."),
        ("./runs", "./runs"),
        ("true", True),
        ("'4'", "4"),
        ("[1, 2]", [1, 2]),
        ('["text", "audio"]', ["text", "audio"]),
        ("linear", "linear"),
        ("null", None),
        ("", ""),
        ("a=b", "a=b"),
        ("1\nx = 2", "1\nx = 2"),
        ("2024-01-01", "2024-01-01"),
        ("{a = 1}", {"a": 1}),
        ("/data/my set", "/data/my set"),
    ],
)
def test_values_are_tomls_and_bare_words_strings(text: str, value: object) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_setting_makes_a_new_mapping() -> None:
    before = {"a": {"b": 1}, "c": 2}
    assert apply_set(before, "a.b=3") == {"a": {"b": 3}, "c": 2}
    assert apply_set(before, " a . d = x ") == {"a": {"b": 1, "d": "x"}, "c": 2}
    assert apply_set(before, "x.y.z=1")["x"] == {"y": {"z": 1}}
    assert before == {"a": {"b": 1}, "c": 2}


def test_a_number_is_multiplied_and_keeps_its_type() -> None:
    before = {"a": {"whole": 3, "part": 0.5}}
    assert apply_set(before, "a.whole*=0.5") == {"a": {"whole": 2, "part": 0.5}}
    assert apply_set(before, "a.whole *= 0.1") == {"a": {"whole": 1, "part": 0.5}}
    assert apply_set(before, "a.part*=2") == {"a": {"whole": 3, "part": 1.0}}
    assert before == {"a": {"whole": 3, "part": 0.5}}


@pytest.mark.parametrize("assignment", ["a*=2", "word*=2", "yes*=2", "one*=x", "one*=", "one*=true"])
def test_what_is_no_number_is_not_multiplied(assignment: str) -> None:
    with pytest.raises(ConfigError, match=r"multiplies nothing: .* is no number"):
        apply_set({"one": 1, "word": "x", "yes": True}, assignment)


@pytest.mark.parametrize("factor", ["0", "-1", "inf", "nan"])
def test_a_factor_is_positive(factor: str) -> None:
    with pytest.raises(ConfigError, match="a factor is positive"):
        apply_set({"one": 1}, f"one*={factor}")


@pytest.mark.parametrize("assignment", ["epochs", "=4", "a..b=1", "", "*=4"])
def test_an_assignment_without_a_path_or_value_is_refused(assignment: str) -> None:
    with pytest.raises(ConfigError, match=r"sets nothing\n.*path=value"):
        apply_set({}, assignment)


def test_a_path_through_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'a.b' is a value, not a table"):
        apply_set({"a": {"b": 1}}, "a.b.c=1")


def test_the_hash_is_of_what_is_said_not_how() -> None:
    assert config_hash({"a": 1, "b": [1.5]}) == config_hash({"b": [1.5], "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})
    assert len(config_hash(TrainerConfig())) == 12
    assert config_hash(TrainerConfig()) == config_hash(to_mapping(TrainerConfig()))
    assert config_hash(from_mapping(TrainerConfig, {"weight_decay": 0})) == config_hash(TrainerConfig(weight_decay=0.0))


def test_files_that_are_absent_or_no_toml_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml' cannot be read: No such file"):
        load_toml(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[trainer]\nepochs = \n")
    with pytest.raises(ConfigError, match=r"broken.toml' is not TOML: .*line 2"):
        load_toml(broken)
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        load_toml(broken)
    listed = tmp_path / "list.json"
    listed.write_text("[1]")
    with pytest.raises(ConfigError, match="holds no JSON object"):
        load_json(listed)
    listed.write_text("{")
    with pytest.raises(ConfigError, match=r"is not JSON: .*line 1"):
        load_json(listed)
