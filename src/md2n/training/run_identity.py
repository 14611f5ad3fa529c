"""Whether two configurations are the same experiment, and where they differ."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from md2n.config import config_hash, flat
from md2n.errors import RunError

# Settings that do not make it another experiment: a run may go on under other values of them.
INCIDENTAL = (
    "evaluation",
    "data.root",
    "trainer.calibrate_predictions",  # changes neither the weights nor what a method answers with them
    "trainer.checkpoint_s",
    "trainer.device",
    "trainer.threads",
)
# Of these, the ones that may change rounding.
ROUNDING = ("trainer.device", "trainer.threads")
# Later settings, with what they were before there were they.
ADDED = {"trainer.steps": 0, "trainer.validations": 20, "data.cases": "all"}
REPEATED = ("seed", "data.fold")  # runs that differ in these alone repeat one experiment


def identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what does not make it another experiment, and without later settings at rest."""
    items = flat(config).items()
    absent = {path for path, value in items if value is None or value == ADDED.get(path)}
    return {path: value for path, value in items if path not in absent and not _listed(path, INCIDENTAL)}


def identity_hash(config: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that name the experiment, the same for all seeds and folds: tables take their mean."""
    return config_hash({path: value for path, value in identity(config).items() if path not in REPEATED})


def differences(before: Mapping[str, Any], now: Mapping[str, Any], only: tuple[str, ...] = ()) -> list[str]:
    """Where two configurations differ, a sentence each, in the order of the keys.

    Args:
        before: that of the folder.
        now: the present one.
        only: compare these settings alone; by default all that are not incidental.
    """
    old, new = flat(before), flat(now)
    sentences = []
    for path in sorted(old.keys() | new.keys()):
        compared = _listed(path, only) if only else not _listed(path, INCIDENTAL)
        if compared and old.get(path, ADDED.get(path)) != new.get(path, ADDED.get(path)):
            sentences.append(f"{path} is {_shown(old, path)} in the folder and {_shown(new, path)} now")
    return sentences


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses to go on with a run under another configuration.

    Raises:
        RunError: they differ in more than incidental settings.
    """
    sentences = differences(before, now)
    if sentences:
        raise RunError(
            f"{path} holds a run of another configuration: {'; '.join(sentences)}",
            "give another folder to --out, or the settings the run was begun with (they are in its config.json)",
        )


def check_same_data(path: Path, data: Any, now: Mapping[str, Any]) -> None:
    """Refuses to go on with a run on other numbers.

    Args:
        path: of the run folder.
        data: ``data`` in its ``run.json``.
        now: ``name`` and ``checksum`` of the data now.

    Raises:
        RunError: the checksums differ.
    """
    before = data.get("checksum") if isinstance(data, Mapping) else None
    if before != now.get("checksum"):
        raise RunError(
            f"the data '{now.get('name')}' have changed since {path} was begun "
            f"(checksum {before} then, {now.get('checksum')} now)",
            "train into another folder, or bring the old data back",
        )


def _listed(path: str, listed: tuple[str, ...]) -> bool:
    return any(path == entry or path.startswith(entry + ".") for entry in listed)


def _shown(settings: Mapping[str, Any], path: str) -> str:
    return json.dumps(settings[path]) if path in settings else "absent"
