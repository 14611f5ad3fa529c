"""Opening data for ``predict`` and ``recover``: a ready set, store or feature file, with some modalities hidden."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from md2n.experiment.loading import LoadedRun
    from md2n.serve.predictor import Predictor


def open_new(data: str, model: "Predictor", split: str, hide: tuple[str, ...]) -> Samples:
    """The samples of ``data`` or of one split, with the modalities in ``hide`` removed.

    Args:
        data: name of a ready set, or path of a store or feature file.  A table has the columns that the model was
            trained on.
        model: that reads them.
        split: train, valid, test, or "" for all rows.
        hide: modality names.

    Raises:
        UsageError: the model does not have a modality in ``hide``, or the split does not exist.
        DataError: the data cannot be read, or the split is empty.
    """
    from md2n.cli.output import say
    from md2n.data.ready import reading_notes

    known = model.schema.names
    for name in hide:
        if name not in known:
            raise UsageError(f"there is no modality '{name}' to hide", did_you_mean(name, known))
    samples = _load(data, model)
    for note in reading_notes(data, samples):
        say(f"note: {note}")
    extra = [name for name in samples.names if name not in known]
    if extra and set(known) <= set(samples.names):
        # If the data have all modalities of the model, other modalities are not misspelled names.
        say(f"left out, because the model does not read it: {', '.join(extra)}")
        samples = samples.only(known)
    if split:
        rows = samples.rows(split)
        if not len(rows):
            raise DataError(
                f"'{samples.name}' has no rows in the split '{split}'", "leave --split out to take all rows"
            )
        samples = samples.select(rows)
    modalities = {k: r.all_absent() if k in hide else r for k, r in samples.modalities.items()}
    return replace(samples, modalities=modalities)


def _load(data: str, model: "Predictor") -> Samples:
    """The data; a ready set and a table with the modalities of the model, whatever theirs would be by default."""
    from md2n.data.config import DataConfig
    from md2n.data.conversation import COLUMNS
    from md2n.data.readers.detect import read
    from md2n.data.readers.table_file import TableFile, is_table_file
    from md2n.data.ready import READY, load
    from md2n.serve.tables import columns_among

    if data in READY:
        with suppress(UsageError):  # the set does not have all of them: its default modalities are used
            return load(data, DataConfig(name=data, modalities=model.schema.names))
    if data not in READY and is_table_file(Path(data)):
        names = TableFile(Path(data)).names
        wanted = (model.normaliser.group, *(COLUMNS if model.model.conversational else ()))
        members = tuple(g for g in wanted if g in names)
        return read(data, columns=columns_among(names, model.schema, model.columns), groups=members)
    return load(data)


def require_same_columns(data: str, run: "LoadedRun") -> None:
    """Refuses other data whose columns are not where the run learned them.

    A table file is measured with modalities that are guessed, and without groups.

    Args:
        data: name of a ready set, or path of a store or feature file; "" for the data of the run.
        run: that is to be measured.

    Raises:
        DataError: a column has another place than in training, or the file has the group that the run normalises by.
    """
    from shlex import quote

    from md2n.data.readers.table_file import TableFile, is_table_file
    from md2n.data.ready import READY, load
    from md2n.serve.tables import columns_in_training, require_columns

    if not data or data in READY:
        return
    require_columns(load(data).source, columns_in_training(run.facts))
    group = run.normaliser.group
    if is_table_file(Path(data)) and group in TableFile(Path(data)).names:
        raise DataError(
            f"the run normalises each '{group}' apart, and groups of the file '{data}' are not read here",
            f"import it first: md2n data import {quote(data)} --group {quote(group)} --out STORE",
        )
