"""Opening data for ``predict`` and ``recover``: a ready set, store or feature file, with some modalities hidden."""

from contextlib import suppress
from dataclasses import replace

from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError, did_you_mean


def open_new(data: str, known: tuple[str, ...], split: str, hide: tuple[str, ...]) -> Samples:
    """The samples of ``data`` or of one split, with the modalities in ``hide`` removed.

    Args:
        data: name of a ready set, or path of a store or feature file.
        known: modality names of the model.
        split: train, valid, test, or "" for all rows.
        hide: modality names.

    Raises:
        UsageError: the model does not have a modality in ``hide``, or the split does not exist.
        DataError: the data cannot be read, or the split is empty.
    """
    from md2n.cli.output import say
    from md2n.data.ready import reading_notes

    for name in hide:
        if name not in known:
            raise UsageError(f"there is no modality '{name}' to hide", did_you_mean(name, known))
    samples = _load(data, known)
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


def _load(data: str, known: tuple[str, ...]) -> Samples:
    """The data; for a ready set, with the modalities of the model instead of its default ones."""
    from md2n.data.config import DataConfig
    from md2n.data.ready import READY, load

    if data in READY:
        with suppress(UsageError):  # the set does not have all of them: its default modalities are used
            return load(data, DataConfig(name=data, modalities=known))
    return load(data)
