"""Predictions and recoveries for data of any size, in parts: each is one Parquet file of a folder, answered alone.

A part is there whole or not at all, so a run that was killed goes on with the parts that are not there.  The rows do
not depend on the size of the parts, nor on who answers them: draws follow from a sample's id or content, and parts are
cut between batches.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from dataclasses import replace as with_fields
from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.conversation import COLUMNS as CONVERSATIONS
from md2n.data.places import check_apart
from md2n.data.readers.table_file import arrow
from md2n.data.samples import Samples
from md2n.durable import make_directory, tidy, write_json, written
from md2n.errors import DataError, Md2nError, UsageError, did_you_mean
from md2n.reading import read_json
from md2n.serve.answers import Answer, Recovered
from md2n.serve.bulk_source import ParquetSource, Part, StoreSource, open_source
from md2n.serve.incoming import LOOKED_AT
from md2n.serve.predictor import Predictor, load
from md2n.serve.required import require_recovery
from md2n.serve.tables import STD, columns_in, require_std_names, without

FACTS = "_md2n.json"
"""What the parts of a folder are of.  Programs that read a folder of Parquet leave such a name alone."""
ROWS = 4096
"""Rows of a part, if not given."""
BATCH = 64
"""Rows that the model sees at a time, if not given."""
ENGINES = ("local", "ray")
IDENTITY = (
    *("schema.json", "normaliser.json", "normaliser.safetensors", "cells.json", "cells.safetensors"),
    *("certainty.json", "model.safetensors"),
)
"""Files of a run that its answers follow from."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Work:
    """What is to be answered, and how.

    Args:
        what: ``predict`` or ``recover``.
        run: a finished run folder.
        data: a store, a Parquet file, or a folder of Parquet files.
        out: the folder of parts.
        split: of a store.
        hide: modalities that the model does not get.
        draws: of the method; its own number if not given.
        steps: network calls per draw, of a recovery.
        check_units: refuse a part whose values lie far outside what the model was trained on.
        seed: of the draws.
        device: where to compute.
        rows: of a part, a multiple of ``batch``.
        batch: rows that the model sees at a time.
    """

    what: str
    run: str
    data: str
    out: str
    split: str = ""
    hide: tuple[str, ...] = ()
    draws: int | None = None
    steps: int | None = None
    check_units: bool = True
    seed: int = 0
    device: str = "cpu"
    rows: int = ROWS
    batch: int = BATCH

    def file(self, part: Part) -> Path:
        """Where a part goes."""
        return Path(self.out) / f"part-{part.number:05d}.parquet"


class Answerer:
    """A model and the data, opened once; answers one part after another.

    Args:
        work: to be done.

    Raises:
        RunError: no finished run.
        DataError: as ``open_source``; a part of a modality's columns, or none; or members of a group that lie in
            several parts.
        UsageError: a modality to hide that the model does not have, or a method that does not recover.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self.predictor = load(work.run, device=work.device, seed=work.seed)
        self.predictor.batch_size = work.batch
        self.source = open_source(Path(work.data), work.split)
        schema = self.predictor.schema
        for name in work.hide:
            if name not in schema.names:
                raise UsageError(f"there is no modality '{name}' to hide", did_you_mean(name, schema.names))
        if work.what == "recover":
            require_recovery(self.predictor.model)
            if isinstance(self.source, StoreSource):
                require_std_names(schema.names)
        group = self.predictor.normaliser.group
        if group and group in self.source.groups:
            raise DataError(
                f"the model normalises each {group} by all rows of it, which may lie in several parts",
                "leave --parts and --engine out: all rows are then answered at once",
            )
        conversation = next((c for c in CONVERSATIONS if c in self.source.groups), "")
        if self.predictor.model.conversational and conversation:
            raise DataError(
                f"the model reads each {conversation} as a whole, which may lie in several parts",
                "leave --parts and --engine out: all rows are then answered at once",
            )
        if isinstance(self.source, ParquetSource):
            columns = columns_in(self.source.schema.empty_table(), schema, self.predictor.columns)
            if work.what == "recover":
                own = {modality: set(names) for modality, names in columns.items()}
                hidden = set().union(*(own.get(modality, ()) for modality in work.hide))
                self.source.to_be_filled(set().union(*own.values()), hidden)

    def write(self, part: Part, progress: Progress = lambda done, total: None) -> tuple[str, ...]:
        """Answers a part and writes its file, which is there whole or not at all.

        Args:
            part: of the data.
            progress: receives how many rows of the part are done, of how many.

        Returns:
            Notes that a person should know.

        Raises:
            DataError: rows that cannot be answered; the message has the file and the number of the part's first row.
            DivergenceError: an answer that is not a finite number.
            UsageError: the batch does not fit into memory; the hint has the largest that was tried and does.
            StorageError: the file cannot be written.
        """
        data = self.source.read(part)
        try:
            # A short part says little of units; whether it is refused should not hang on where parts are cut.
            units = self.work.check_units and (part.start == 0 or part.rows >= LOOKED_AT)
            table, notes = self._answered(data, progress, units)
        except Md2nError as error:
            error.message = f"'{part.file}', rows from {part.start}: {error.message}"
            raise
        except (MemoryError, RuntimeError) as error:
            if not _lacks_memory(error):
                raise
            raise self._too_large(data) from error
        with written(self.work.file(part)) as stream:
            arrow().parquet.write_table(table, stream)
        return notes

    def _answered(self, data: Any, progress: Progress, units: bool) -> tuple[Any, tuple[str, ...]]:
        work, predictor = self.work, self.predictor
        options: dict[str, Any] = {"draws": work.draws, "check_units": units, "progress": progress}
        if isinstance(data, Samples):
            shown: Any = _of_model(data, predictor, work.hide)
        else:
            shown = without(data, work.hide, predictor.schema, predictor.columns)
        if work.what == "predict":
            answer = predictor.predict(shown, **options)
            return predictions(answer, data, predictor), answer.notes
        recovered = predictor.recover(shown, steps=work.steps, **options)
        return recoveries(recovered, shown, predictor), recovered.notes

    def _too_large(self, data: Any) -> UsageError:
        """Tries halves of the batch until one fits."""
        size = self.work.batch
        message = f"batches of {size} rows do not fit into memory"
        while size > 1:
            size //= 2
            self.predictor.batch_size = size
            few = data.select(np.arange(min(size, len(data)))) if isinstance(data, Samples) else data.slice(0, size)
            try:
                self._answered(few, lambda done, total: None, units=False)
            except (MemoryError, RuntimeError) as error:
                if not _lacks_memory(error):
                    raise
                continue
            return UsageError(message, f"--batch {size} does")
        return UsageError(message, "not even one row does: use a machine with more memory, or a smaller model")


def answer_in_parts(
    work: Work, engine: str = "local", progress: Progress = lambda done, total: None
) -> tuple[int, tuple[str, ...]]:
    """Answers every part that is not there yet.

    Args:
        work: to be done.
        engine: ``local`` in this process, one part after another; ``ray`` on the cluster that Ray finds, or in several
            processes here.
        progress: receives how many rows are done, of how many.

    Returns:
        How many rows the folder has, and notes that a person should know.

    Raises:
        UsageError: no such engine, Ray is not installed, sizes that are not positive, or parts of other work in the
            folder.
        DataError: as ``Answerer`` and its ``write``; or the folder holds other files.
        StorageError: it cannot be written; whole parts stay.
    """
    if engine not in ENGINES:
        raise UsageError(f"no engine is called '{engine}'", did_you_mean(engine, ENGINES))
    if work.rows < 1 or work.batch < 1:
        raise UsageError("parts and batches have at least one row", "give positive numbers")
    if engine == "ray":
        from md2n.serve.ray_engine import require_ray, through_ray

        require_ray()
    work = with_fields(work, rows=-(-work.rows // work.batch) * work.batch)
    check_apart(Path(work.out), work.data)
    answerer = Answerer(work)
    parts = answerer.source.parts(work.rows)
    _claim(work, answerer.source)
    total = sum(part.rows for part in parts)
    absent = [part for part in parts if not work.file(part).is_file()]
    done = total - sum(part.rows for part in absent)
    progress(done, total)
    notes: dict[str, None] = {}
    ended = through_ray(work, absent) if engine == "ray" else _here(answerer, absent, done, total, progress)
    for part, own in ended:
        notes.update(dict.fromkeys(own))
        done += part.rows
        progress(done, total)
    tidy(Path(work.out))
    return total, tuple(notes)


def _here(
    answerer: Answerer, parts: Sequence[Part], done: int, total: int, progress: Progress
) -> Iterator[tuple[Part, tuple[str, ...]]]:
    for part in parts:
        before = done
        # mypy infers no type of a lambda with a default
        yield part, answerer.write(part, lambda inside, _, before=before: progress(before + inside, total))  # type: ignore[misc]
        done += part.rows


def predictions(answer: Answer, data: Any, predictor: Predictor) -> Any:
    """A table of Arrow: ids of a store, or the columns of a table that no modality reads; and the answer.

    Raises:
        DataError: the table has a column of the answer's names.
    """
    library = arrow()
    columns = {
        name: np.asarray(values, np.float64) if values.dtype.kind == "f" else values.tolist()
        for name, values in answer.columns().items()
    }
    if isinstance(data, Samples):
        return library.table({"id": answer.ids.tolist(), **columns})
    own = {name for names in columns_in(data, predictor.schema, predictor.columns).values() for name in names}
    beside = data.drop_columns([name for name in data.column_names if name in own])
    for name, values in columns.items():
        if name in data.column_names:
            raise DataError(f"the table has a column '{name}' already", "drop it, or give it another name")
        beside = beside.append_column(name, library.array(values))
    return beside


def recoveries(recovered: Recovered, data: Any, predictor: Predictor) -> Any:
    """A table of Arrow: of a store id, modalities, ``NAME_std`` and what was available; or the filled table.

    Types of columns follow from the data's, not from which cells of a part are empty.
    """
    library = arrow()
    if not isinstance(data, Samples):
        filled = recovered.into(data)
        for i, field in enumerate(filled.schema):
            wanted = _type(field, data.schema)
            if wanted is not None and wanted != field.type:
                filled = filled.set_column(i, field.name, filled[field.name].cast(wanted))
        return filled
    columns: dict[str, Any] = {"id": data.ids.tolist()}
    for modality in predictor.schema.modalities:
        name = modality.name
        columns[name] = _lists(recovered.features[name], modality.is_vector)
        if recovered.std:
            columns[f"{name}{STD}"] = _lists(recovered.std[name], modality.is_vector)
    present = np.stack(list(recovered.was_given.values()), axis=1)
    names = list(recovered.was_given)
    columns["available"] = ["+".join(n for n, there in zip(names, row) if there) for row in present.tolist()]
    return library.table(columns)


def _type(field: Any, schema: Any) -> Any:
    """The type that a column of a filled table has in every part; None where it stays as it is."""
    types = arrow().types
    base = field.name if field.name in schema.names else field.name.removesuffix(STD)
    if base not in schema.names or types.is_null(schema.field(base).type):
        return None
    own = schema.field(base).type
    return own if field.name == base or types.is_nested(own) else arrow().float64()


def _lists(rows: Sequence[Any], vector: bool) -> Any:
    """``[T, d]`` arrays as a column of lists: of numbers for vectors, else of frames."""
    library = arrow()
    values = np.concatenate(rows)
    frames = library.ListArray.from_arrays(_offsets([values.shape[1]] * len(values)), values.ravel())
    return frames if vector else library.ListArray.from_arrays(_offsets([len(row) for row in rows]), frames)


def _offsets(lengths: Sequence[int]) -> Any:
    return arrow().array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))


def _of_model(samples: Samples, predictor: Predictor, hide: Sequence[str]) -> Samples:
    known = predictor.schema.names
    if set(known) <= set(samples.names):  # then others are not misspelled names
        samples = samples.only(known)
    return with_fields(
        samples, modalities={k: r.all_absent() if k in hide else r for k, r in samples.modalities.items()}
    )


def _lacks_memory(error: Exception) -> bool:
    """Whether it says so: of torch's own classes that for GPUs alone does by its name."""
    return isinstance(error, MemoryError) or any(
        words in f"{type(error).__name__} {error}" for words in ("OutOfMemoryError", "allocate memory", "out of memory")
    )


def _claim(work: Work, source: StoreSource | ParquetSource) -> None:
    """The folder belongs to this work from now on.

    Raises:
        UsageError: it belongs to other work.
        DataError: it holds files of something else.
    """
    out, digest = Path(work.out), hashlib.sha256()
    for file in (Path(work.run) / name for name in IDENTITY):
        digest.update(file.read_bytes() if file.is_file() else b"-")
    same = {k: v for k, v in asdict(work).items() if k not in ("run", "data", "out", "device")}
    facts = {**same, "hide": sorted(work.hide), "run": digest.hexdigest(), "data": source.facts()}
    if (out / FACTS).is_file():
        before = read_json(out / FACTS)
        names = {"rows": "rows in a part (--parts)", "batch": "rows in a batch (--batch)"}
        other = [k for k in facts if not isinstance(before, dict) or before.get(k) != facts[k]]
        if other:
            differing = ", ".join(names.get(k, k) for k in other)
            raise UsageError(
                f"'{out}' holds parts of other work; these differ: {differing}",
                "give the same command as before to go on, or choose another --out",
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"'{out}' exists and does not hold parts", "choose another --out, or move it away")
    make_directory(out)
    write_json(out / FACTS, facts)
