"""One experiment in one configuration: data, method, training, evaluation, seed.

    seed = 0
    [data]          md2n.data.config.DataConfig
    [model]         name = "md2n", and that method's own settings
    [trainer]       md2n.training.config.TrainerConfig
    [evaluation]    md2n.evaluation.config.EvaluationConfig

A file gives what differs from the defaults; ``extends = "paper"`` at its top starts from a preset (or another file)
instead.  Presets are the TOML files beside this module; each line says where its value comes from.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge

from md2n.config import UnknownKeyError, apply_set, flat, from_mapping, load_json, load_toml, to_mapping
from md2n.data.config import DataConfig
from md2n.errors import ConfigError, UsageError, did_you_mean
from md2n.evaluation.config import EvaluationConfig
from md2n.methods.catalogue import config_class
from md2n.methods.md2n.config import MD2NConfig
from md2n.methods.parts.config import FusionConfig
from md2n.methods.size import check_sizes
from md2n.reading import reading
from md2n.training.config import TrainerConfig

DEFAULT = "default"
EXTENDS = "extends"


@dataclass(frozen=True)
class ModelChoice:
    """Which method, and its settings.

    Args:
        name: a name in ``md2n.methods.catalogue.MODELS``.
        settings: an instance of ``config_class(name)``.
    """

    name: str = "md2n"
    settings: Any = field(default_factory=MD2NConfig)

    @staticmethod
    def from_table(table: Mapping[str, Any], where: str) -> "ModelChoice":
        """From ``[model]``: its ``name``, and the settings of the method of that name.

        Raises:
            ConfigError: an unknown method, or settings that it does not have.
        """
        name = table.get("name", ModelChoice.name)
        try:
            cls = config_class(str(name))
        except UsageError as error:
            raise ConfigError(f"{where}.name = {name!r}: {error.message}", error.hint) from error
        own = {key: value for key, value in table.items() if key != "name"}
        settings = from_mapping(cls, own, where)
        check_sizes(settings, where)
        return ModelChoice(str(name), settings)

    def to_table(self) -> dict[str, Any]:
        """The ``[model]`` table."""
        return {"name": self.name, **to_mapping(self.settings)}


@dataclass(frozen=True)
class ExperimentConfig:
    """Everything a run depends on.

    Args:
        seed: of everything random in training.
        data: which data, and how they are normalised.
        model: which method, and its settings.
        trainer: of the loop.
        evaluation: how the run is measured where the command does not say.
    """

    seed: Annotated[int, Ge(0)] = 0
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelChoice = field(default_factory=ModelChoice)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


def presets() -> tuple[str, ...]:
    """Names of the presets."""
    return tuple(sorted(p.name.removesuffix(".toml") for p in _folder().iterdir() if p.name.endswith(".toml")))


def first_comment(preset: str) -> str:
    """The first sentence that a preset's file says of itself."""
    lines = (_folder() / f"{preset}.toml").read_text(encoding="utf-8").splitlines()
    head = " ".join(line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), lines))
    return re.split(r"(?<=\.)\s", head)[0].rstrip(".")


def resolve(
    source: str | None = None,
    sets: Sequence[str] = (),
    *,
    data: str | None = None,
    model: str | None = None,
    seed: int | None = None,
) -> ExperimentConfig:
    """The whole configuration from what a command gives.

    Args:
        source: a preset's name, or a TOML file, or the ``config.json`` of a run; ``default`` if absent.
        sets: ``path=value`` overrides, applied last and in order.
        data: a ready name, or the path of a store or feature file.
        model: another method than the source's; encoders, fusion and head settings carry over, so that methods are
            compared on equal terms, and everything else is that method's own default.
        seed: of the run.

    Raises:
        ConfigError: unknown keys, values out of range or of the wrong type, values that contradict one another.
        UsageError: no such preset, file or method.
    """
    with reading(source or DEFAULT, ConfigError, "mend the configuration"):
        tables = _load(source or DEFAULT, ())
        if data is not None:
            tables["data"] = {**_table(tables, "data"), "name": data}
        # A method named by --set changes what the other overrides mean, so it goes first.
        named = [s for s in sets if s.partition("=")[0].strip() == "model.name"]
        chosen = str(_table(apply_set({}, named[-1]), "model")["name"]) if named else model
        if chosen is not None:
            tables["model"] = another_method(_table(tables, "model"), chosen)
        if seed is not None:
            tables["seed"] = seed
        for assignment in sets:
            tables = apply_set(tables, assignment)
        try:
            return from_mapping(ExperimentConfig, tables)
        except UnknownKeyError as error:
            raise ConfigError(error.message, _elsewhere(error.path, _table(tables, "model")) or error.hint) from error


def _elsewhere(unknown: str, model: Mapping[str, Any]) -> str:
    """The hint that lists every setting or table with the last name of an unknown path; empty where there is none."""
    chosen = ModelChoice.from_table({"name": model.get("name", ModelChoice.name)}, "model")
    name = unknown.rpartition(".")[2]
    known = [path.split(".") for path in flat(to_mapping(ExperimentConfig(model=chosen)))]
    matches = dict.fromkeys(".".join(keys[: keys.index(name) + 1]) for keys in known if name in keys)
    return f"did you mean {' or '.join(map(repr, matches))}?" if matches else ""


def another_method(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The ``[model]`` table for another method: what both have of encoders, fusion and head carries over.

    Raises:
        UsageError: no such method.
    """
    before = str(table.get("name", ModelChoice.name))
    if name == before:
        return dict(table)
    shared = _fusion_part(config_class(before))
    place = _fusion_part(config_class(name))
    if shared is None or place is None:
        return {"name": name}
    settings = {key: value for key, value in table.items() if key != "name"}
    fusion = settings.get(shared, {}) if shared else settings
    return {"name": name, **({place: fusion} if place else fusion)}


def _fusion_part(cls: type[Any]) -> str | None:
    """The field that holds a method's fusion settings; empty where they are all it has, None where it has none."""
    if issubclass(cls, FusionConfig):
        return ""
    return "fusion" if any(f.name == "fusion" for f in dataclasses.fields(cls)) else None


def _load(source: str, chain: tuple[str, ...]) -> dict[str, Any]:
    """The tables of a preset or file, over those it extends."""
    if source in chain:
        raise ConfigError(f"{' extends '.join((*chain, source))}: a circle", "let one of them extend nothing")
    path = Path(source)
    if source in presets():
        with resources.as_file(_folder() / f"{source}.toml") as file:
            tables = load_toml(file)
    elif path.suffix in (".toml", ".json") or path.is_file():
        tables = load_json(path) if path.suffix == ".json" else load_toml(path)
    else:
        raise UsageError(f"'{source}' is neither a preset nor a file", did_you_mean(source, presets()))
    base = tables.pop(EXTENDS, None)
    if base is None:
        return tables
    if not isinstance(base, str):
        raise ConfigError(f"extends = {base!r} in {source}", "give a preset's name or the path of a file")
    beside = path.parent / base
    parent = str(beside) if base not in presets() and beside.is_file() else base
    below = _load(parent, (*chain, source))
    name = _table(tables, "model").get("name")
    if name is not None:
        below["model"] = another_method(_table(below, "model"), str(name))
    return _over(below, tables)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with those of ``above`` laid over them, key by key."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _over(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return merged


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{name} = {table!r} is a value, not a table", f"write [{name}] and its settings")
    return dict(table)


def _folder() -> Any:
    return resources.files("md2n.experiment") / "presets"
