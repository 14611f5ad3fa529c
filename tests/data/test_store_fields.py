"""Whatever a data set holds comes back out of a store: every field of its records, however the store is written.

The fields are read off the dataclasses, so that a new one is asked for here without a word more.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import MISSING, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from md2n.cli.main import run
from md2n.data.samples import SPLITS, LabelColumn, Ragged, Samples
from md2n.data.store import StoreWriter, open_store, write_store
from md2n.modality import Task
from tests.data.sets import layout, with_unknown_cells

# Measured on the training samples whenever a model is built, so that no store holds them.
MEASURED = {"centre", "scale", "counts"}
SAMPLES = with_unknown_cells()


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, text and array of a record by its place, to the bit; of an array its type and shape as well."""
    if is_dataclass(value):
        for f in fields(value):
            if not (isinstance(value, Task) and f.name in MEASURED):
                # Flags of cells at frames that hold nothing say nothing.
                meant = isinstance(value, Ragged) and f.name == "cells" and value.cells is not None
                yield from leaves(value.known() if meant else getattr(value, f.name), f"{place}.{f.name}")
    elif isinstance(value, Mapping):
        yield place, tuple(value)
        for key, entry in value.items():
            yield from leaves(entry, f"{place}[{key}]")
    elif isinstance(value, np.ndarray):
        whole = value.tolist() if value.dtype.kind == "U" else value.tobytes()
        yield place, ("U" if value.dtype.kind == "U" else value.dtype.str, value.shape, whole)
    else:
        yield place, value


def differences(one: Samples, two: Samples) -> list[str]:
    """Places at which two data sets differ."""
    a, b = dict(leaves(one)), dict(leaves(two))
    return sorted(k for k in a.keys() | b.keys() if k not in a or k not in b or a[k] != b[k])


def at_once(samples: Samples, path: Path) -> Path:
    return write_store(path, samples)


def in_chunks(samples: Samples, path: Path) -> Path:
    with StoreWriter(path, **layout(samples)) as writer:
        for start in range(0, len(samples), 7):
            writer.extend(samples.select(np.arange(start, min(start + 7, len(samples)))))
    return path


def one_by_one(samples: Samples, path: Path) -> Path:
    def frames(ragged: Ragged, i: int) -> Any:
        known = ragged.known(np.arange(ragged.offsets[i], ragged.offsets[i + 1]))
        return np.where(known, ragged.sample(i), np.nan).astype(ragged.values.dtype) if len(known) else None

    with StoreWriter(path, **layout(samples)) as writer:
        for i in range(len(samples)):
            writer.append(
                str(samples.ids[i]),
                {k: frames(r, i) for k, r in samples.modalities.items()},
                {k: c.values[i].item() for k, c in samples.labels.items()},
                split="" if samples.split[i] == 255 else SPLITS[samples.split[i]],
                groups={k: str(g[i]) for k, g in samples.groups.items()},
            )
    return path


def imported(samples: Samples, path: Path) -> Path:
    """Through `md2n data import` of a store, which takes everything as it is."""
    first = write_store(path.with_name("first"), samples)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), pytest.raises(SystemExit) as ended:
        run(["data", "import", str(first), "--out", str(path)])
    assert not ended.value.code
    return path


WAYS = [at_once, in_chunks, one_by_one, imported]


def test_every_field_of_the_data_set_of_these_tests_holds_something() -> None:
    """Else a store could lose that field and nobody saw it."""
    records: list[Any] = [SAMPLES, *SAMPLES.modalities.values(), *SAMPLES.labels.values()]
    records += [c.task for c in SAMPLES.labels.values()]
    for kind in (Samples, Ragged, LabelColumn, Task):
        for f in fields(kind):
            default = f.default if f.default_factory is MISSING else f.default_factory()
            values = [getattr(r, f.name) for r in records if isinstance(r, kind)]
            if not (kind is Task and f.name in MEASURED):
                differ = [v for v in values if not isinstance(v, type(default)) or v != default]
                assert differ, f"{kind.__name__}.{f.name} of tests.data.sets.with_unknown_cells is its default"


@pytest.mark.parametrize("way", WAYS)
def test_every_field_comes_back(way: Callable[[Samples, Path], Path], tmp_path: Path) -> None:
    assert differences(open_store(way(SAMPLES, tmp_path / "store")), SAMPLES) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("without", ["labels", "groups", "labels and groups"])
def test_what_is_not_there_stays_away(way: Callable[[Samples, Path], Path], without: str, tmp_path: Path) -> None:
    samples = SAMPLES
    if "labels" in without:
        samples = replace(samples, labels={}, default_label="")
    if "groups" in without:
        samples = replace(samples, groups={}, normalise_by="")
    assert differences(open_store(way(samples, tmp_path / "store")), samples) == []


@pytest.mark.parametrize("field", [f.name for f in fields(Samples)])
def test_a_store_of_which_a_field_is_lost_is_another(field: str, tmp_path: Path) -> None:
    """What is compared above can differ: an entry of the field is lost, or all of it."""
    value = getattr(SAMPLES, field)
    lost: list[Any] = (
        [{k: v for k, v in value.items() if k != name} for name in value] if isinstance(value, dict) else []
    )
    lost += [np.roll(value, 1)] if isinstance(value, np.ndarray) else [type(value)()]
    opened = open_store(write_store(tmp_path / "store", SAMPLES))
    for other in lost:
        changed = differences(replace(opened, **{field: other}), SAMPLES)
        assert changed and all(place.startswith(f".{field}") for place in changed)


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
json_values = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | words, lambda inner: st.lists(inner))


@given(
    name=words,
    notes=st.lists(words, max_size=3),
    source=st.dictionaries(words, json_values, max_size=3),
    ids=st.lists(words, min_size=30, max_size=30, unique=True),
    classes=st.lists(words, min_size=3, max_size=6, unique=True),
    columns=st.lists(words, min_size=3, max_size=3, unique=True),
    groups=st.dictionaries(words, st.lists(words, min_size=30, max_size=30), max_size=2),
    split=st.lists(st.sampled_from([0, 1, 2, 255]), min_size=30, max_size=30),
    bounds=st.tuples(st.floats(-9, 0), st.floats(0, 9)),
)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_words_and_codes_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    notes: list[str],
    source: dict[str, Any],
    ids: list[str],
    classes: list[str],
    columns: list[str],
    groups: dict[str, list[str]],
    split: list[int],
    bounds: tuple[float, float],
) -> None:
    mood, score, free = SAMPLES.labels.values()
    labels = {
        columns[0]: replace(mood, task=replace(mood.task, label=columns[0], classes=tuple(classes))),
        columns[1]: replace(score, task=replace(score.task, low=bounds[0], high=bounds[1], sentiment=split[0] == 0)),
        columns[2]: free,
    }
    samples = replace(
        SAMPLES,
        name=name,
        notes=tuple(notes),
        source=source,
        ids=np.asarray(ids, np.str_),
        labels=labels,
        groups={k: np.asarray(v, np.str_) for k, v in groups.items()},
        split=np.asarray(split, np.uint8),
        default_label=columns[1],
        normalise_by=next(iter(groups), ""),
    )
    folder = tmp_path_factory.mktemp("words")
    opened = open_store(write_store(folder / "store", samples))
    assert json.loads(json.dumps(opened.source)) == source
    assert differences(opened, samples) == []
