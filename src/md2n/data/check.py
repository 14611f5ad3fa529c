"""Is a data set fit to train on, and are numbers from it worth publishing?

``check`` looks for what makes results wrong without an error message: leaks between splits, features that hold nothing,
labels that cannot be learned, gaps that give the label away.  Every rule is meant to stay silent on sound data.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from md2n.brief import first_few
from md2n.data.finding import SEVERITIES, Finding
from md2n.data.gaps import gaps
from md2n.data.gather import release
from md2n.data.known_sets import KNOWN, compare
from md2n.data.leaks import leaks
from md2n.data.samples import SPLITS, UNASSIGNED, Array, LabelColumn, Ragged, Samples
from md2n.data.target import known_labels, outside_range
from md2n.data.target_findings import size_findings, unit_findings

CHUNK = 1 << 14  # frames looked at together
MANY_INVALID = 0.2
MANY_ZERO_FRAMES = 0.1
MANY_ZERO_VECTORS = 0.01
RARELY = 0.05
LEAK_NOTE = "LEAK"


def check(samples: Samples, *, label: str = "", seed: int = 0) -> list[Finding]:
    """All faults of a data set, and its natural gaps; the worst first.

    Args:
        samples: the data.
        label: the label column; the default one if not given.
        seed: of the permutation test of gaps against labels.

    Raises:
        UsageError: no such label column.

    Example:
        >>> import numpy as np
        >>> from md2n.data.readers.arrays import from_arrays
        >>> x = np.arange(12.0).reshape(6, 2)
        >>> findings = check(from_arrays({"a": x, "b": x * 0}, [0, 1] * 3, splits=[0, 0, 1, 1, 2, 2]))
        >>> [(f.severity, f.code) for f in findings]
        [('error', 'dead-modality'), ('warning', 'zero-frames')]
    """
    findings = [*_structure(samples), *_splits(samples)]
    for name, ragged in samples.modalities.items():
        findings += _frames(name, ragged, samples.split)
    findings += _counted(samples)
    if label or samples.labels:
        findings += _label(samples.label(label), samples.split)
    else:
        findings.append(Finding("info", "no-labels", "there are no labels: data to predict on"))
    findings += [*leaks(samples), *gaps(samples, label, seed)]
    known = str(samples.source.get("schema", ""))
    if known in KNOWN:
        findings += compare(samples, known)
    if not any(f.code == "known-leak" for f in findings):
        for note in samples.notes:
            if note.startswith(LEAK_NOTE):
                message, _, hint = note.rpartition("; ")
                findings.append(Finding("error", "known-leak", message or note, hint))
    return sorted(findings, key=lambda f: SEVERITIES.index(f.severity))


def _structure(samples: Samples) -> Iterator[Finding]:
    if len(samples.names) < 2:
        yield Finding("error", "one-modality", f"there is {len(samples.names)} modality", "training needs at least two")
    present = samples.present
    for k, name in enumerate(samples.names):
        if not present[:, k].any():
            yield Finding("error", "absent-modality", f"{name} is in no sample", f"leave {name} out")
    alone = samples.ids[~present.any(axis=1)]
    if len(alone):
        message = f"{len(alone)} samples have no modality at all ({first_few(alone)})"
        yield Finding("error", "empty-sample", message, "leave them out")


def _splits(samples: Samples) -> Iterator[Finding]:
    free = int((samples.split == UNASSIGNED).sum())
    if free == len(samples):
        yield Finding("info", "no-split", "no sample belongs to a split: data to predict on")
        return
    for split in SPLITS:
        if not len(samples.rows(split)):
            hint = "training needs it" if split != "test" else "nothing can be reported without it"
            yield Finding(
                "error" if split == "train" else "warning", "empty-split", f"the {split} split is empty", hint
            )
    if free:
        yield Finding("info", "unassigned", f"{free} samples belong to no split and are not used for training")


def _frames(name: str, ragged: Ragged, split: Array) -> Iterator[Finding]:
    if not ragged.valid.any():
        return
    dead = int(((ragged.lengths > 0) & ~ragged.present).sum())
    if dead:
        message = f"{name}: {dead} samples have frames of which none is valid; they count as absent"
        yield Finding("warning", "no-valid-frame", message, "look at how these samples were extracted")
    invalid = 1 - ragged.valid.mean()
    if invalid > 0:
        message = f"{name}: {int((~ragged.valid).sum())} of {len(ragged.valid)} frames ({invalid:.1%}) are invalid"
        many, hint = invalid > MANY_INVALID, "a detector that fails often, or padding that was kept"
        yield Finding("warning" if many else "info", "invalid-frames", message, hint if many else "")
    if ragged.cells is not None:
        yield from _cells(name, ragged)
    yield from _values(name, ragged, np.repeat(split == 0, ragged.lengths))


def _cells(name: str, ragged: Ragged) -> Iterator[Finding]:
    """How many single numbers are unknown inside valid frames, and which features are so most of the time."""
    frames, counts = int(ragged.valid.sum()), np.zeros(ragged.dim, np.int64)
    for start in range(0, len(ragged.values), CHUNK):
        counts += ragged.known(slice(start, start + CHUNK)).sum(axis=0)
    unknown = frames * ragged.dim - int(counts.sum())
    share = f"{name}: {unknown} of {frames * ragged.dim} numbers ({unknown / (frames * ragged.dim):.1%}) are unknown"
    yield Finding("info", "unknown-cells", f"{share} inside frames that hold others")
    rare = np.flatnonzero(counts < RARELY * frames)
    if len(rare):
        columns = (
            f"{len(rare)} of {ragged.dim} columns are known in less than {RARELY:.0%} (column {first_few(rare, 8)})"
        )
        yield Finding("warning", "rare-columns", f"{name}: {columns}", "drop them: little can be learned of them")


def _values(name: str, ragged: Ragged, training: Array) -> Iterator[Finding]:
    low = np.full((2, ragged.dim), np.inf)  # rows: all frames, training frames
    high = np.full((2, ragged.dim), -np.inf)
    zeros = broken = 0
    for start in range(0, len(ragged.values), CHUNK):
        valid = ragged.valid[start : start + CHUNK]
        part = np.asarray(ragged.values[start : start + CHUNK])[valid].astype(np.float32)
        known = ragged.known(slice(start, start + CHUNK))[valid]
        finite = (np.isfinite(part) | ~known).all(axis=1)
        broken += int((~finite).sum())
        part, known = part[finite], known[finite]
        zeros += int((~(part.any(axis=1) | ~known.all(axis=1))).sum())
        chosen = training[start : start + CHUNK][valid][finite]
        for row, (frames, held) in enumerate(((part, known), (part[chosen], known[chosen]))):
            low[row] = np.minimum(low[row], frames.min(axis=0, initial=np.inf, where=held))
            high[row] = np.maximum(high[row], frames.max(axis=0, initial=-np.inf, where=held))
        release(ragged.values)
    total = int(ragged.valid.sum())
    if broken:
        message = f"{name}: {broken} frames are called valid but hold a NaN or an infinity"
        yield Finding("error", "nonfinite-frames", message, "the data are damaged; import again")
    yield from _columns(name, high > low, bool(training.any()))
    vector = int(ragged.lengths.max(initial=0)) == 1
    if zeros > total * (MANY_ZERO_VECTORS if vector else MANY_ZERO_FRAMES):
        message = f"{name}: {zeros} of {total} {'samples' if vector else 'frames'} are zeros alone and count as data"
        hint = "if zeros mean 'missing' or padding, mark them so (m_, t_, lengths, None or NaN)"
        yield Finding("warning", "zero-frames", message, hint)


def _columns(name: str, varies: Array, trained: bool) -> Iterator[Finding]:
    """``varies [2, d]``: whether a feature changes in all frames, and in those of training."""
    dead, dim = np.flatnonzero(~varies[0]), varies.shape[1]
    if len(dead) == dim:
        yield Finding("error", "dead-modality", f"{name}: no feature ever changes", f"leave {name} out")
        return
    if len(dead):
        message = f"{name}: {len(dead)} of {dim} columns never change (column {first_few(dead, 8)})"
        yield Finding("warning", "dead-columns", message, "harmless to training, but nothing to recover; drop them")
    unseen = int((varies[0] & ~varies[1]).sum())
    if trained and unseen:
        message = f"{name}: {unseen} of {dim} columns change in other splits but not in training"
        yield Finding("info", "columns-unseen", message)


def _counted(samples: Samples) -> Iterator[Finding]:
    """What the reader counted before it marked frames invalid or cut lengths."""
    for name, counts in _table(samples, "nonfinite").items():
        if name in samples.modalities and counts.get("frames"):
            numbers = f"{counts.get('nan', 0)} NaN and {counts.get('infinite', 0)} infinite values"
            message = f"{name}: {numbers} in {counts['frames']} frames, which are unknown"
            yield Finding("warning", "nonfinite", message, "nothing to do if that is few; else extract again")
    for name, count in _table(samples, "cut_lengths").items():
        if name in samples.modalities:
            message = f"{name}: {count} samples claim more frames than there are; they were cut to those there are"
            yield Finding("warning", "wrong-lengths", message, "the file was truncated when it was made: look")


def _table(samples: Samples, key: str) -> Mapping[str, Any]:
    table = samples.source.get(key, {})
    return table if isinstance(table, dict) else {}


def _label(column: LabelColumn, split: Array) -> Iterator[Finding]:
    task, values, name = column.task, np.asarray(column.values), column.task.label
    known = known_labels(task, values)
    if not known.any():
        yield Finding("error", "no-known-label", f"label '{name}' is unknown for every sample", "give some labels")
        return
    if _maybe_unknown(task.classes):
        message = f"label '{name}' has a class '-1' ({int((values == task.classes.index('-1')).sum())} samples)"
        yield Finding("info", "minus-one", message, "if -1 means 'not known', import again with --unknown -1")
    if not known.all():
        parts = {s: int((~known & (split == code)).sum()) for code, s in enumerate(SPLITS)}
        per_split = ", ".join(f"{s} {n}" for s, n in parts.items() if n) or "in no split"
        message = f"label '{name}' is unknown for {int((~known).sum())} ({per_split})"
        yield Finding("info", "unknown-labels", message)
    trained = known & (split == 0)
    targets = values[trained] if trained.any() else values[known]
    if len(np.unique(targets)) == 1:
        shown = task.classes[int(targets[0])] if task.kind == "classification" else f"{targets[0]:g}"
        message = f"label '{name}' is '{shown}' for every {'training sample' if trained.any() else 'sample'}"
        yield Finding("error", "constant-label", message, "nothing can be learned; choose another label")
    elif task.kind == "regression":
        yield from unit_findings(task, targets)
    elif trained.any():
        yield from _classes(column, known, split)
        yield from size_findings(task, targets)
    wrong = values[outside_range(task, values)]
    if len(wrong) and task.kind == "regression":
        ends = f"[{task.low:g}, {task.high:g}], from {wrong.min():g} to {wrong.max():g}"
        message = f"label '{name}': {len(wrong)} values lie outside {ends}"
        yield Finding("error", "label-range", message, "another label column, or another scale?")
    elif len(wrong):
        message = f"label '{name}': {len(wrong)} codes name none of the {len(task.classes)} classes"
        yield Finding("error", "label-range", message, "codes run from 0; -1 is unknown")


def _maybe_unknown(classes: tuple[str, ...]) -> bool:
    """True where -1 is beside codes 0, 1, 2 and on; -1, 0, 1 are the three signs."""
    codes = {c for c in classes if c.isdecimal()}
    return "-1" in classes and len(codes) == len(classes) - 1 and "0" in codes and len(codes) > 2


def _classes(column: LabelColumn, known: Array, split: Array) -> Iterator[Finding]:
    values, task = np.asarray(column.values), column.task
    learned = set(values[known & (split == 0)].tolist())
    new_codes = set(values[known & (split != 0) & (split != UNASSIGNED)].tolist()) - learned
    names = [task.classes[c] for c in sorted(new_codes) if c < len(task.classes)]
    if names:
        message = f"label '{task.label}': no training sample is {', '.join(names)}, but other splits ask for it"
        yield Finding("warning", "class-unseen", message, "split the samples anew, by class")
