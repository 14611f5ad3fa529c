"""docs/reference/settings.md: every setting, from the dataclasses, their docstrings and the presets' comments."""

import dataclasses
import inspect
import re
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal

from scripts.pages import NOTICE, cell

TYPES = {int: "whole number", float: "number", bool: "true or false", str: "text", Any: "any setting"}
INTRODUCTION = """
Every setting, by the path that `--set path=value` and a TOML file take:
`md2n train --set trainer.epochs=20`. [Choose settings](../choose-settings.md) says which are worth changing.

- **range**: what is accepted. Another value is refused before training begins, and the message gives this range.
- **default**: the value of the preset `default`, and of every preset that does not set it.
- **source**: where the value comes from, as the preset says it: a section or an equation of the method's paper, its
  public code, or *ours* with a reason. "Custom" is a customary value that was not searched for.
  Where the method's own preset differs from the default, its value is given first.
"""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting.

    Args:
        path: as ``--set`` takes it.
        annotation: its type and range.
        default: of the dataclass.
        meaning: from the docstring.
    """

    path: str
    annotation: Any
    default: Any
    meaning: str


def page() -> str:
    """The whole page."""
    from md2n.data.config import DataConfig
    from md2n.evaluation.config import EvaluationConfig
    from md2n.experiment.config import ExperimentConfig
    from md2n.training.config import TrainerConfig

    parts = ["# Settings", NOTICE, INTRODUCTION.strip("\n"), ""]
    seed = [s for s in settings(ExperimentConfig, "") if s.path == "seed"]
    parts += _section("Run", "", seed, "default")
    for title, cls in (("data", DataConfig), ("trainer", TrainerConfig), ("evaluation", EvaluationConfig)):
        parts += _section(f"`{title}`", first_line(cls), list(settings(cls, title)), "default")
    for title, names, cls in methods():
        listed = list(settings(cls, "model"))
        shared = [s for s in listed if s.path.startswith("model.fusion.")] if names != ["md2n"] else []
        note = "`model.fusion.*` as for `md2n`." if shared else ""
        parts += _section(title, note, [s for s in listed if s not in shared], names[0])
    return "\n".join(parts)


def methods() -> Iterator[tuple[str, list[str], type[Any]]]:
    """Heading, names and configuration of every method; those of one configuration together."""
    from md2n.methods.catalogue import MODELS, config_class

    by_class: dict[type[Any], list[str]] = {}
    for name in MODELS.names():
        by_class.setdefault(config_class(name), []).append(name)
    for cls, names in by_class.items():
        yield f"Method {', '.join(f'`{name}`' for name in names)}", names, cls


def settings(cls: type[Any], where: str, default: Any = None) -> Iterator[Setting]:
    """Every setting below a dataclass, in the order of its fields."""
    hints = typing.get_type_hints(cls, include_extras=True)
    default = cls() if default is None else default
    for field in dataclasses.fields(cls):
        path, hint, value = f"{where}.{field.name}".lstrip("."), hints[field.name], getattr(default, field.name)
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            if not hasattr(hint, "from_table"):
                yield from settings(hint, path, value)
        else:
            yield Setting(path, hint, value, meaning(cls, field.name))


def meaning(cls: type[Any], name: str) -> str:
    """What the docstrings say of a field: the base class's first, then what the class adds."""
    texts = [text for owner in reversed(cls.__mro__) if (text := _arguments(owner).get(name))]
    return "; ".join(_resolved(text, name).rstrip(".") for text in texts)


def _resolved(text: str, name: str) -> str:
    """``as in ``FusionConfig```` replaced by what that class says of the field."""
    from md2n.methods.md2n.config import MD2NConfig
    from md2n.methods.parts.config import FusionConfig

    pointer = re.search(r"(?:[^;.]*, )?as in ``(\w+)``", text)
    if pointer is None:
        return text
    owner = next(cls for cls in (FusionConfig, MD2NConfig) if cls.__name__ == pointer[1])
    return text.replace(pointer[0], _arguments(owner)[name].rstrip("."))


@cache
def _arguments(cls: type[Any]) -> dict[str, str]:
    text = inspect.cleandoc(cls.__doc__ or "").partition("Args:\n")[2]
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip() or not line.startswith("    "):
            break
        if start := re.match(r" {4}(\w+): (.*)", line):
            name = start[1]
            found[name] = start[2]
        else:
            found[name] += f" {line.strip()}"
    return found


def first_line(cls: type[Any]) -> str:
    """The first line of a docstring."""
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]


@cache
def sources(preset: str) -> Mapping[str, tuple[Any, str]]:
    """Path -> value and comment of every line of a preset."""
    text = (resources.files("md2n.experiment") / "presets" / f"{preset}.toml").read_text(encoding="utf-8")
    table, path, comments = "", "", {}
    for line in text.splitlines():
        if header := re.match(r"\[(.+)\]", line):
            table = header[1]
        elif setting := re.match(r"(\w+) = .*?#\s*(.+)", line):
            path = f"{table}.{setting[1]}".lstrip(".")
            comments[path] = setting[2]
        elif path and (more := re.match(r"\s+#\s*(.+)", line)):
            comments[path] += f" {more[1]}"
    values: dict[str, Any] = tomllib.loads(text)
    return {path: (_at(values, path), comment) for path, comment in comments.items()}


def _at(values: Mapping[str, Any], path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def source(setting: Setting, method: str) -> str:
    """Where the value comes from: the line of the method's own preset, else that of the default."""
    from md2n.experiment.plan import own_preset

    preset = own_preset(method) if method != "default" else "default"
    if setting.path in sources(preset):
        value, comment = sources(preset)[setting.path]
        return comment if value == _plain(setting.default) else f"{written(value)} in the preset `{preset}`: {comment}"
    # Encoders, fusion and head are MD2N's own, one level deeper there.
    shared = setting.path.replace("model.", "model.fusion.", 1)
    return sources("default")[shared][1] if shared in sources("default") else "ours"


def kind_and_range(annotation: Any) -> tuple[str, str]:
    """Type and range in words: ``("whole number", "above 0")``."""
    from md2n.ranges import allowed

    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return TYPES[inner[0]], allowed(annotation).removeprefix(allowed(inner[0])).replace(" of at ", " at ").strip()
    if origin is Literal:
        return "choice", ", ".join(f"`{choice}`" for choice in inner)
    if origin is tuple:
        kind, limits = kind_and_range(inner[0])
        return f"list: {kind}", limits
    if origin is Mapping:
        kind, limits = kind_and_range(inner[1])
        return f"table: {kind}", limits
    if origin in (typing.Union, types.UnionType) and types.NoneType in inner:
        kind, limits = kind_and_range(inner[0])
        return kind, f"{limits}, or `null`"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(kind_and_range(one)[0] for one in inner), ""
    return TYPES[annotation], "any"


def written(value: Any) -> str:
    """A value in TOML's syntax, as code."""
    if value is None:
        return "`null`"
    text = str(value).lower() if isinstance(value, bool) else repr(_plain(value)).replace("'", '"')
    return f"`{text}`"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _section(title: str, note: str, listed: list[Setting], method: str) -> list[str]:
    lines = [f"## {title}", "", *([note, ""] if note else [])]
    if not listed:
        return [*lines, "No settings.", ""]
    lines += ["| setting | type | range | default | source | meaning |", "|---|---|---|---|---|---|"]
    for one in listed:
        kind, limits = kind_and_range(one.annotation)
        said = one.meaning.replace("``", "`")
        cells = (f"`{one.path}`", kind, limits, written(one.default), source(one, method), said)
        lines.append(f"| {' | '.join(cell(c) for c in cells)} |")
    return [*lines, ""]
