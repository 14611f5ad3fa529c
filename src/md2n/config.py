"""Configurations: frozen dataclasses that stand beside what they configure, read strictly and written back.

People write TOML, machines write JSON, and both give nested mappings.  ``from_mapping`` turns a mapping into a
dataclass and refuses whatever it does not know; ``to_mapping`` is its inverse.  The walk over keys is done here, so
that an error names the dotted path and the nearest known key; single values are judged by pydantic in strict mode,
which reads types, ``Literal``, ``X | None`` and the ranges of ``annotated_types`` from the annotations.

A dataclass whose table is not simply its fields (a method's settings depend on its name) defines
``from_table(table, where)`` and ``to_table()`` and is asked instead.
"""

import copy
import dataclasses
import functools
import hashlib
import json
import math
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from md2n.errors import ConfigError, Md2nError, did_you_mean
from md2n.ranges import allowed
from md2n.reading import parse_json, read_text, reading

T = TypeVar("T")

LARGEST = 1 << 63  # beyond, neither JSON nor arrays hold an integer
LARGEST_BYTES = 1 << 24  # of a configuration's file
SHORT_NUMBER = re.compile(
    r"[+-]?(\d+\.|\.\d+)([eE][+-]?\d+)?", re.ASCII
)  # TOML wants digits on both sides of the point
SHORT = 12  # hexadecimal digits of a configuration's hash: 48 bits tell a million configurations apart


class UnknownKeyError(ConfigError):
    """A key that the dataclass at its place does not have.

    Args:
        message: names the path.
        hint: the nearest known key at that place.
        path: dotted, from the top of what was read.
    """

    def __init__(self, message: str, hint: str = "", path: str = "") -> None:
        super().__init__(message, hint)
        self.path = path


def from_mapping(cls: type[T], mapping: Mapping[str, Any], where: str = "") -> T:
    """A dataclass from nested tables, every key known and every value in its range.

    Args:
        cls: the dataclass; fields may be nested dataclasses, tuples of them, ``Literal``, ``X | None``.  What a nested
            table leaves out is as in that field's own default.
        mapping: as ``tomllib`` or ``json`` give it.  An int is accepted for a float and a list for a tuple; nothing
            else is converted.  The strings ``inf``, ``-inf`` and ``nan`` stand for floats JSON cannot write.
        where: dotted path of ``mapping`` inside the whole configuration, for messages.

    Raises:
        ConfigError: a missing key, a value of the wrong type or out of range, or values that contradict one another;
            the message names the path and the value.
        UnknownKeyError: a key that is not known.

    >>> from md2n.training.config import TrainerConfig
    >>> from_mapping(TrainerConfig, {"epochs": 4}, "trainer").epochs
    4
    """
    return _build(cls, mapping, where, None)


def _build(cls: type[T], mapping: Mapping[str, Any], where: str, base: Any) -> T:
    """``from_mapping``, where what is not given comes from ``base``, an instance of ``cls``, if there is one."""
    own_reader = getattr(cls, "from_table", None)
    if own_reader is not None:
        record: T = own_reader(mapping, where)
        return record
    known = _fields(cls)
    for key in mapping:
        if key not in known:
            path = _join(where, str(key))
            raise UnknownKeyError(f"unknown key '{path}'", did_you_mean(str(key), known), path)
    for name, field in known.items():
        if name not in mapping and base is None and _default(field) is dataclasses.MISSING:
            raise ConfigError(f"'{_join(where, name)}' is not given", f"add {name} = ... to [{where or 'the top'}]")
    hints = typing.get_type_hints(cls, include_extras=True)
    defaults = {name: _default(field) if base is None else getattr(base, name) for name, field in known.items()}
    read = {key: _read(hints[key], value, _join(where, key), defaults[key]) for key, value in mapping.items()}
    inherited = {} if base is None else {key: value for key, value in defaults.items() if key not in read}
    return construct(cls, inherited | read, where)


def construct(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """``cls(**values)``; an error of its own checks gets the path in front."""
    try:
        return cls(**values)
    except Md2nError as error:
        raise type(error)(f"{where}: {error.message}" if where else error.message, error.hint) from error


def to_mapping(obj: Any) -> dict[str, Any]:
    """Nested plain tables from a dataclass, in the order of its fields: what JSON and TOML can hold.

    Tuples become lists, paths strings, infinities the strings ``inf`` and ``-inf``.
    """
    own_writer = getattr(obj, "to_table", None)
    if own_writer is not None:
        table: dict[str, Any] = own_writer()
        return table
    return {name: _plain(getattr(obj, name)) for name in _fields(type(obj))}


def flat(mapping: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Every setting by its dotted path.

    >>> flat({"trainer": {"epochs": 4}})
    {'trainer.epochs': 4}
    """
    values: dict[str, Any] = {}
    for key, value in mapping.items():
        path = _join(where, key)
        values |= flat(value, path) if isinstance(value, Mapping) else {path: value}
    return values


def apply_set(mapping: Mapping[str, Any], assignment: str) -> dict[str, Any]:
    """The tables with one value changed by ``path=value``, as ``--set`` takes it; the original is not touched.

    Args:
        mapping: nested tables.
        assignment: a dotted path, ``=``, and a value in TOML's syntax or like ``.5``.  A bare word that is neither is a
            string, and ``null`` leaves an optional setting out.  With ``*=`` the number that is there is multiplied:
            several presets can be changed alike; a whole number stays one, and does not fall below 1.

    Raises:
        ConfigError: no ``=``, an empty path, or a path that goes through a value; ``*=`` where there is no number, or
            without a positive factor.

    >>> apply_set({"trainer": {"epochs": 60}}, "trainer.epochs=4")
    {'trainer': {'epochs': 4}}
    >>> apply_set({"trainer": {"epochs": 60}}, "trainer.epochs*=0.5")
    {'trainer': {'epochs': 30}}
    >>> apply_set({}, "trainer.device=cpu")
    {'trainer': {'device': 'cpu'}}
    """
    path, equals, text = assignment.partition("=")
    times, path = path.rstrip().endswith("*"), path.rstrip().removesuffix("*")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise ConfigError(f"'{assignment}' sets nothing", "write path=value, for instance trainer.epochs=4")
    result = copy.deepcopy(dict(mapping))
    table = result
    for depth, key in enumerate(keys[:-1], start=1):
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"'{'.'.join(keys[:depth])}' is a value, not a table", f"'{path.strip()}' cannot be set")
        table = inner
    value = parse_value(text)
    table[keys[-1]] = _multiplied(path.strip(), table.get(keys[-1]), value) if times else value
    return result


def _multiplied(path: str, number: Any, factor: Any) -> int | float:
    for n in (number, factor):
        if isinstance(n, bool) or not isinstance(n, int | float):
            raise ConfigError(f"'{path}*={factor}' multiplies nothing: {n!r} is no number", f"write {path}=value")
    if not 0 < factor < math.inf:
        raise ConfigError(f"'{path}*={factor}': a factor is positive", f"for instance {path}*=0.5")
    return max(1, round(number * factor)) if isinstance(number, int) else float(number * factor)


def parse_value(text: str) -> Any:
    """One value in TOML's syntax; a bare word is a string, ``null`` is None, and ``.5`` and ``5.`` are numbers, too.

    >>> parse_value("0.5"), parse_value("[1, 2]"), parse_value("linear"), parse_value("null"), parse_value("-.5e-1")
    (0.5, [1, 2], 'linear', None, -0.05)
    """
    text = text.strip()
    if text == "null":
        return None
    if SHORT_NUMBER.fullmatch(text):
        return float(text)
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # no TOML: a bare word
        return text
    value = table["value"]
    # Dates and values that smuggle in a second line are no settings of ours: taken as they were typed.
    return value if len(table) == 1 and isinstance(value, bool | int | float | str | list | dict) else text


def config_hash(obj: Any) -> str:
    """Twelve hexadecimal digits that name a configuration: sha256 of its canonical JSON.

    Args:
        obj: a dataclass, or the mapping made from one.
    """
    mapping = obj if isinstance(obj, Mapping) else to_mapping(obj)
    text = json.dumps(mapping, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


def load_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ConfigError: no such file, not TOML (the message gives the line), or nested too deeply.
    """
    text = _text(path)
    with reading(path, ConfigError, "mend that line", "is not TOML"):
        return tomllib.loads(text)


def load_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, for instance the ``config.json`` of a run.

    Raises:
        ConfigError: no such file, not JSON, or not an object.
    """
    text = _text(path)
    with reading(path, ConfigError, "mend that line", "is not JSON"):
        value = parse_json(text)
    if not isinstance(value, dict):
        raise ConfigError(f"{path} holds no JSON object", "a configuration is an object of tables")
    return value


def _text(path: Path) -> str:
    with reading(path, ConfigError, "give the path of a readable file"):
        return read_text(path, LARGEST_BYTES)


def _fields(cls: Any) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(cls) if field.init}


def _default(field: dataclasses.Field[Any]) -> Any:
    """The value a field has if it is not given; ``dataclasses.MISSING`` where it must be."""
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _read(annotation: Any, value: Any, path: str, default: Any = None) -> Any:
    """``value`` as ``annotation`` wants it: dataclasses are walked, everything else goes to pydantic.

    A table that gives some settings of a dataclass leaves the others as they are in the ``default`` of that very field.
    """
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{path} = {value!r} is a value, not a table", f"write [{path}] and its settings")
        return _build(annotation, value, path, default if isinstance(default, annotation) else None)
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType) and types.NoneType in inner:
        if value is None:
            return None
        rest = [kind for kind in inner if kind is not types.NoneType]
        one = rest[0] if len(rest) == 1 else typing.Union[tuple(rest)]  # noqa: UP007
        return _read(one, value, path, default)
    if origin is tuple and len(inner) == 2 and inner[1] is Ellipsis and isinstance(value, list | tuple):
        return tuple(_read(inner[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    bare = inner[0] if origin is Annotated else annotation
    if bare is float and value in ("inf", "-inf", "nan"):
        value = float(value)
    if isinstance(value, int) and not -LARGEST < value < LARGEST:
        raise ConfigError(f"{path} is an integer of {value.bit_length()} bits", "write a smaller number")
    if origin is Annotated and isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path} = {value}: no finite number", f"give {allowed(annotation)}")
    return _judge(annotation, value, path)


def _judge(annotation: Any, value: Any, path: str) -> Any:
    from pydantic import ValidationError

    try:
        # Strict mode refuses lists for tuples in Python objects but not in JSON, where there are no tuples.
        return _adapter(annotation).validate_json(json.dumps(value), strict=True)
    except TypeError as error:
        raise ConfigError(f"{path} = {value!r} is a {type(value).__name__}", "no setting takes one") from error
    except ValidationError as error:
        problem = error.errors()[0]
        message = str(problem["msg"])
        hint = "put quotes round it" if problem["type"] == "string_type" else f"give {allowed(annotation)}"
        if typing.get_origin(annotation) is typing.Literal and isinstance(value, str):
            hint = did_you_mean(value, map(str, typing.get_args(annotation)))
        raise ConfigError(f"{path} = {value!r}: {message[0].lower()}{message[1:]}", hint) from error


@functools.cache
def _adapter(annotation: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(annotation)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
