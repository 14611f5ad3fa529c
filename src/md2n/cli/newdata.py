"""Opening data for ``predict`` and ``recover``: a ready name, store or feature file, some modalities hidden."""

from contextlib import suppress
from dataclasses import replace

from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError, did_you_mean


def open_new(data: str, known: tuple[str, ...], split: str, hide: tuple[str, ...]) -> Samples:
    """The samples of ``data`` (one split of them), with the modalities in ``hide`` emptied.

    Args:
        data: ready name, store or feature file.
        known: modality names of the model, for the message about a name to hide.
        split: train, valid, test, or "" for all rows.
        hide: modality names.

    Raises:
        UsageError: a modality to hide that the model does not have, or no such split.
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
        # Where the model finds all that it knows, the rest is no misspelling: it can do without.
        say(f"left out, for the model does not know it: {', '.join(extra)}")
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
    """The data with the model's modalities, which a ready set may not offer unless asked; else as they are."""
    from md2n.data.config import DataConfig
    from md2n.data.ready import READY, load

    if data in READY:
        with suppress(UsageError):  # it has not all of them: what it has is taken, the rest is missing
            return load(data, DataConfig(name=data, modalities=known))
    return load(data)
