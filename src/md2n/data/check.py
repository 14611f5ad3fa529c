"""Is a data set fit to train on, and are numbers from it worth publishing?

``check`` looks for what makes results wrong without an error message: leaks between splits, features that hold nothing,
labels that cannot be learned, gaps that give the label away.  Every rule is meant to stay silent on sound data.
"""

from typing import Any

import numpy as np

from md2n.data.finding import SEVERITIES, Finding
from md2n.data.gaps import gaps
from md2n.data.gather import release
from md2n.data.leaks import leaks
from md2n.data.samples import SPLITS, UNASSIGNED, Array, LabelColumn, Ragged, Samples
from md2n.data.schema import KNOWN, compare
from md2n.data.target import known_labels, outside_range
from md2n.data.target_findings import size_findings, unit_findings

CHUNK = 1 << 14  # frames looked at together
MANY_INVALID = 0.2
MANY_ZERO_FRAMES = 0.1
MANY_ZERO_VECTORS = 0.01
RARELY = 0.05
LEAK_NOTE = "LEAK"


def check(samples: Samples, *, label: str = "", seed: int = 0) -> list[Finding]:
    """Everything that can be said against a data set, and how its gaps lie; the worst first.

    Args:
        samples: the data.
        label: the label column asked about; the default one if not given.
        seed: of the permutation test of gaps against labels.

    Returns:
        Findings; an empty list only for a complete set without a word to say.  A real label always has one: its unit.

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
    column = samples.label(label) if label or samples.labels else None
    if column is not None:
        findings += _label(column, samples.split)
    else:
        findings.append(Finding("info", "no-labels", "there are no labels: data to predict on"))
    findings += leaks(samples)
    findings += gaps(samples, label, seed)
    known = str(samples.source.get("schema", ""))
    if known in KNOWN:
        findings += compare(samples, known)
    if not any(f.code == "known-leak" for f in findings):
        for note in samples.notes:
            if note.startswith(LEAK_NOTE):
                message, _, hint = note.rpartition("; ")
                findings.append(Finding("error", "known-leak", message or note, hint))
    return sorted(findings, key=lambda f: SEVERITIES.index(f.severity))


def _structure(samples: Samples) -> list[Finding]:
    findings = []
    if len(samples.names) < 2:
        findings.append(
            Finding("error", "one-modality", f"there is {len(samples.names)} modality", "training needs at least two")
        )
    present = samples.present
    for k, name in enumerate(samples.names):
        if not present[:, k].any():
            findings.append(Finding("error", "absent-modality", f"{name} is in no sample", f"leave {name} out"))
    alone = np.flatnonzero(~present.any(axis=1))
    if len(alone):
        some = ", ".join(map(str, samples.ids[alone[:3]])) + (", ..." if len(alone) > 3 else "")
        findings.append(
            Finding("error", "empty-sample", f"{len(alone)} samples have no modality at all ({some})", "leave them out")
        )
    return findings


def _splits(samples: Samples) -> list[Finding]:
    sizes = {s: int((samples.split == code).sum()) for code, s in enumerate(SPLITS)}
    free = int((samples.split == UNASSIGNED).sum())
    if free == len(samples):
        return [Finding("info", "no-split", "no sample belongs to a split: data to predict on")]
    findings = [
        Finding(
            "error" if s == "train" else "warning",
            "empty-split",
            f"the {s} split is empty",
            "training needs it" if s != "test" else "nothing can be reported without it",
        )
        for s, n in sizes.items()
        if n == 0
    ]
    if free:
        findings.append(
            Finding("info", "unassigned", f"{free} samples belong to no split and are not used for training")
        )
    return findings


def _frames(name: str, ragged: Ragged, split: Array) -> list[Finding]:
    lengths = ragged.lengths
    if not ragged.valid.any():
        return []
    findings = []
    dead = int(((lengths > 0) & ~ragged.present).sum())
    if dead:
        message = f"{name}: {dead} samples have frames of which none is valid; they count as absent"
        findings.append(Finding("warning", "no-valid-frame", message, "look at how these samples were extracted"))
    invalid = 1 - ragged.valid.mean()
    if invalid > 0:
        findings.append(
            Finding(
                "warning" if invalid > MANY_INVALID else "info",
                "invalid-frames",
                f"{name}: {int((~ragged.valid).sum())} of {len(ragged.valid)} frames ({invalid:.1%}) are invalid",
                "a detector that fails often, or padding that was kept" if invalid > MANY_INVALID else "",
            )
        )
    return findings + _cells(name, ragged) + _values(name, ragged, np.repeat(split == 0, lengths))


def _cells(name: str, ragged: Ragged) -> list[Finding]:
    """How many single numbers are unknown inside what is there, and which features are so most of the time."""
    if ragged.cells is None:
        return []
    frames, counts = int(ragged.valid.sum()), np.zeros(ragged.dim, np.int64)
    for start in range(0, len(ragged.values), CHUNK):
        counts += ragged.known(slice(start, start + CHUNK)).sum(axis=0)
    unknown = frames * ragged.dim - int(counts.sum())
    share = f"{name}: {unknown} of {frames * ragged.dim} numbers ({unknown / (frames * ragged.dim):.1%}) are unknown"
    findings = [Finding("info", "unknown-cells", f"{share} inside frames that hold others")]
    rare = np.flatnonzero(counts < RARELY * frames)
    if len(rare):
        some = ", ".join(map(str, rare[:8])) + (", ..." if len(rare) > 8 else "")
        message = f"{name}: {len(rare)} of {ragged.dim} columns are known in less than {RARELY:.0%} (column {some})"
        findings.append(Finding("warning", "rare-columns", message, "drop them: little can be learned of them"))
    return findings


def _values(name: str, ragged: Ragged, training: Array) -> list[Finding]:
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
    findings = []
    total = int(ragged.valid.sum())
    if broken:
        message = f"{name}: {broken} frames are called valid but hold a NaN or an infinity"
        findings.append(Finding("error", "nonfinite-frames", message, "the data are damaged; import again"))
    findings += _columns(name, low, high, bool(training.any()))
    vector = int(ragged.lengths.max(initial=0)) == 1
    if zeros > total * (MANY_ZERO_VECTORS if vector else MANY_ZERO_FRAMES):
        message = f"{name}: {zeros} of {total} {'samples' if vector else 'frames'} are zeros alone and count as data"
        hint = "if zeros stand for 'missing' or padding, mark them so (m_, t_, lengths, None or NaN)"
        findings.append(Finding("warning", "zero-frames", message, hint))
    return findings


def _columns(name: str, low: Array, high: Array, trained: bool) -> list[Finding]:
    dead = np.flatnonzero(~(high[0] > low[0]))
    dim = low.shape[1]
    if len(dead) == dim:
        return [Finding("error", "dead-modality", f"{name}: no feature ever changes", f"leave {name} out")]
    findings = []
    if len(dead):
        some = ", ".join(map(str, dead[:8])) + (", ..." if len(dead) > 8 else "")
        message = f"{name}: {len(dead)} of {dim} columns never change (column {some})"
        findings.append(
            Finding("warning", "dead-columns", message, "harmless to training, but nothing to recover; drop them")
        )
    unseen = np.flatnonzero(~(high[1] > low[1]) & (high[0] > low[0]))
    if trained and len(unseen):
        message = f"{name}: {len(unseen)} of {dim} columns change in other splits but not in training"
        findings.append(Finding("info", "columns-unseen", message))
    return findings


def _counted(samples: Samples) -> list[Finding]:
    """What the reader counted before it marked frames invalid or cut lengths."""
    findings = []
    for name, counts in _table(samples, "nonfinite").items():
        if name in samples.modalities and counts.get("frames"):
            message = (
                f"{name}: {counts.get('nan', 0)} NaN and {counts.get('infinite', 0)} infinite values in "
                f"{counts['frames']} frames, which are unknown"
            )
            findings.append(
                Finding("warning", "nonfinite", message, "nothing to do if that is few; else extract again")
            )
    for name, count in _table(samples, "cut_lengths").items():
        if name in samples.modalities:
            message = f"{name}: {count} samples claim more frames than there are; they were cut to those there are"
            findings.append(
                Finding("warning", "wrong-lengths", message, "the file was truncated when it was made: look")
            )
    return findings


def _table(samples: Samples, key: str) -> dict[str, Any]:
    table = samples.source.get(key, {})
    return table if isinstance(table, dict) else {}


def _label(column: LabelColumn, split: Array) -> list[Finding]:
    task, values = column.task, np.asarray(column.values)
    known = known_labels(task, values)
    name = task.label
    if not known.any():
        return [Finding("error", "no-known-label", f"label '{name}' is unknown for every sample", "give some labels")]
    findings = []
    if _maybe_unknown(task.classes):
        message = f"label '{name}' has a class '-1' ({int((values == task.classes.index('-1')).sum())} samples)"
        findings.append(
            Finding("info", "minus-one", message, "if -1 means 'not known', import again with --unknown -1")
        )
    if not known.all():
        parts = {s: int((~known & (split == code)).sum()) for code, s in enumerate(SPLITS)}
        per_split = ", ".join(f"{s} {n}" for s, n in parts.items() if n) or "in no split"
        findings.append(
            Finding("info", "unknown-labels", f"label '{name}' is unknown for {int((~known).sum())} ({per_split})")
        )
    trained = known & (split == 0)
    targets = values[trained] if trained.any() else values[known]
    if len(np.unique(targets)) == 1:
        shown = task.classes[int(targets[0])] if task.kind == "classification" else f"{targets[0]:g}"
        where = "training sample" if trained.any() else "sample"
        message = f"label '{name}' is '{shown}' for every {where}"
        findings.append(Finding("error", "constant-label", message, "nothing can be learned; choose another label"))
    elif task.kind == "classification" and trained.any():
        findings += _classes(column, known, split)
        findings += size_findings(task, targets)
    elif task.kind == "regression":
        findings += unit_findings(task, targets)
    if task.kind == "regression":
        outside = outside_range(task, values)
        if outside.any():
            message = (
                f"label '{name}': {int(outside.sum())} values lie outside [{task.low:g}, {task.high:g}], "
                f"from {values[outside].min():g} to {values[outside].max():g}"
            )
            findings.append(Finding("error", "label-range", message, "another label column, or another scale?"))
    else:
        wild = int((values >= len(task.classes)).sum() + (values < -1).sum())
        if wild:
            message = f"label '{name}': {wild} codes name none of the {len(task.classes)} classes"
            findings.append(Finding("error", "label-range", message, "codes run from 0; -1 is unknown"))
    return findings


def _maybe_unknown(classes: tuple[str, ...]) -> bool:
    """True where -1 stands beside codes 0, 1, 2 and on; -1, 0, 1 are the three signs."""
    codes = {c for c in classes if c.isdecimal()}
    return "-1" in classes and len(codes) == len(classes) - 1 and "0" in codes and len(codes) > 2


def _classes(column: LabelColumn, known: Array, split: Array) -> list[Finding]:
    values = np.asarray(column.values)
    learned = set(values[known & (split == 0)].tolist())
    new_codes = set(values[known & (split != 0) & (split != UNASSIGNED)].tolist()) - learned
    names = [column.task.classes[c] for c in sorted(new_codes) if c < len(column.task.classes)]
    if not names:
        return []
    message = f"label '{column.task.label}': no training sample is {', '.join(names)}, but other splits ask for it"
    return [Finding("warning", "class-unseen", message, "split the samples anew, by class")]
