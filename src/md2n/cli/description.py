"""Descriptions of a data set for ``md2n data``: tables for people, facts for machines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from md2n.brief import first_few

if TYPE_CHECKING:
    from md2n.data.finding import Finding
    from md2n.data.samples import LabelColumn, Samples
    from md2n.report.table import Table


def plain_table(name: str, title: str, columns: tuple[str, ...], rows: Sequence[Sequence[str]]) -> "Table":
    """A table of text."""
    from md2n.report.table import Cell, Table

    return Table(name, title, columns, tuple(tuple(Cell(text=str(c)) for c in row) for row in rows))


def findings_table(name: str, findings: "list[Finding]") -> "Table":
    """One row per finding, in the order given."""
    rows = [(f.severity, f.code, f.message, f.hint) for f in findings]
    return plain_table("findings", f"Findings on {name}", ("severity", "rule", "what", "next"), rows)


def modalities_table(samples: "Samples") -> "Table":
    """Sizes, lengths and counts of every modality."""
    import numpy as np

    present = samples.present
    rows = []
    for k, (name, ragged) in enumerate(samples.modalities.items()):
        lengths = ragged.lengths[present[:, k]]
        frames = "none"
        if len(lengths):
            vector = lengths.max() == 1
            frames = "1" if vector else f"{lengths.min()} to {lengths.max()}, median {np.median(lengths):g}"
        invalid = str(int((~ragged.valid).sum()))
        rows.append((name, str(ragged.dim), frames, invalid, str(ragged.values.dtype), str(int(present[:, k].sum()))))
    columns = ("modality", "features", "frames", "invalid frames", "stored as", "samples")
    return plain_table("modalities", f"Modalities of {samples.name}", columns, rows)


def labels_table(samples: "Samples") -> "Table":
    """Kind and values of every label column."""
    default = samples.label().task.label if samples.labels else ""
    rows = []
    for name, column in samples.labels.items():
        facts = label_facts(column)
        values = ", ".join(f"{c} {n}" for c, n in facts["counts"].items()) if "counts" in facts else _range(facts)
        rows.append((name, facts["kind"], values, str(facts["known"]), "yes" if column.task.label == default else ""))
    return plain_table("labels", "Labels", ("label", "kind", "values", "known", "default"), rows)


def patterns_table(samples: "Samples") -> "Table":
    """Number of samples of each split per set of present modalities."""
    from md2n.data.gaps import gap_counts

    patterns = gap_counts(samples)
    splits = [s for s in patterns[0][1] if any(counts[s] for _, counts in patterns)] if patterns else []
    rows = [(pattern, *(str(counts[s]) for s in splits)) for pattern, counts in patterns]
    return plain_table("patterns", "Samples by what they have", ("modalities", *splits), rows)


def facts_table(samples: "Samples") -> "Table":
    """Name, checksum, groups, notes and origin."""
    from md2n.data.store import checksum

    facts = [("name", samples.name), ("samples", str(len(samples))), ("checksum", checksum(samples))]
    facts += [(f"group {k}", f"{len(set(map(str, g)))} members") for k, g in samples.groups.items()]
    if samples.normalise_by:
        facts.append(("normalised by", samples.normalise_by))
    facts += [("note", note) for note in samples.notes]
    facts += [(f"source {k}", _joined(v)) for k, v in samples.source.items() if v not in ("", [], {})]
    return plain_table("facts", "Facts", ("what", "is"), facts)


def pattern_facts(samples: "Samples") -> list[dict[str, Any]]:
    """The facts of the table of patterns, for machines."""
    from md2n.data.gaps import gap_counts

    return [{"present": pattern, **splits} for pattern, splits in gap_counts(samples)]


def set_facts(samples: "Samples") -> dict[str, Any]:
    """The content of the tables, for machines."""
    from md2n.data.store import checksum

    present = samples.present
    return {
        "name": samples.name,
        "samples": len(samples),
        "checksum": checksum(samples),
        "modalities": {
            name: {
                "features": ragged.dim,
                "longest": int(ragged.lengths.max(initial=0)),
                "stored_as": str(ragged.values.dtype),
                "samples": int(present[:, k].sum()),
                "invalid_frames": int((~ragged.valid).sum()),
            }
            for k, (name, ragged) in enumerate(samples.modalities.items())
        },
        "labels": {name: label_facts(column) for name, column in samples.labels.items()},
        "default_label": samples.label().task.label if samples.labels else "",
        "groups": {k: len(set(map(str, g))) for k, g in samples.groups.items()},
        "normalise_by": samples.normalise_by,
        "patterns": pattern_facts(samples),
        "notes": list(samples.notes),
        "source": dict(samples.source),
    }


def label_facts(column: "LabelColumn") -> dict[str, Any]:
    """Kind, number of known labels, and counts of classes or the range of values."""
    import numpy as np

    values, task = np.asarray(column.values), column.task
    if task.kind == "classification":
        counts = {name: int((values == code).sum()) for code, name in enumerate(task.classes)}
        return {"kind": task.kind, "known": int((values >= 0).sum()), "counts": counts}
    known = values[np.isfinite(values)].astype(float)
    facts: dict[str, Any] = {"kind": task.kind, "known": len(known), "sentiment": task.sentiment}
    facts |= (
        {"low": task.low, "high": task.high}
        if np.isfinite([task.low, task.high]).all()
        else {"low": None, "high": None}
    )
    if len(known):
        facts |= {"least": float(known.min()), "greatest": float(known.max()), "mean": float(known.mean())}
    return facts


def label_lines(samples: "Samples") -> list[str]:
    """One line per label column with its inferred kind; for several columns also how to choose one."""
    default = samples.default_label or next(iter(samples.labels), "")
    lines = []
    for name, column in samples.labels.items():
        facts, task = label_facts(column), column.task
        if task.kind == "classification":
            meaning = f"{len(task.classes)} classes ({first_few(task.classes, 8)})"
        else:
            meaning = f"{'sentiment' if task.sentiment else 'real values'}, {_range(facts) or 'none known'}"
        lines.append(f"label '{name}': {meaning}; known of {facts['known']} of {len(samples)}")
    if len(lines) > 1:
        lines.append(f"{len(lines)} label columns; '{default}' is the default, --label NAME chooses another")
    return lines


def _range(facts: dict[str, Any]) -> str:
    if not facts["known"]:
        return ""
    declared = f", declared {facts['low']} to {facts['high']}" if facts["low"] is not None else ""
    return f"{facts['least']:g} to {facts['greatest']:g}, mean {facts['mean']:.3g}{declared}"


def _joined(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "; ".join(_joined(v) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
