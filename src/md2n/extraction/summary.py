"""The results of an extraction for later inspection: JSON and CSV beside the store."""

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from md2n.durable import make_directory, tidy, write_bytes, write_json
from md2n.escape import csv_cell
from md2n.extraction.cache import ABSENT, EXTRACTED, FAILED
from md2n.extraction.pipeline import Summary

COLUMNS = ("clip", "modality", "state", "reason", "frames", "valid", "notes", "anew")


def counts(summary: Summary) -> dict[str, dict[str, int]]:
    """Modality (and ``words``) -> state -> how many clips, in the order of the store."""
    totals: dict[str, dict[str, int]] = {}
    for outcome in summary.outcomes:
        of = totals.setdefault(outcome.modality, dict.fromkeys((EXTRACTED, ABSENT, FAILED), 0))
        of[outcome.state] += 1
    return totals


def facts(summary: Summary) -> dict[str, Any]:
    """Everything, for machines."""
    return {
        "clips_in_store": len(summary.clips),
        "left_out": dict(summary.left_out),
        "counts": counts(summary),
        "notes": list(summary.notes),
        "outcomes": [asdict(o) for o in summary.outcomes],
    }


def write_summary(folder: Path, summary: Summary, more: Mapping[str, Any] | None = None) -> Path:
    """Writes ``summary.json`` and ``summary.csv`` (one line per clip and modality, per line left out, and
    per note).

    Text of the table that a spreadsheet would take for a formula is behind an apostrophe (``md2n.escape.csv_cell``).

    Args:
        folder: made if absent.
        summary: of an extraction.
        more: further facts for the JSON.

    Returns:
        ``folder``.

    Raises:
        StorageError: they cannot be written.
    """
    make_directory(folder)
    tidy(folder)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for o in summary.outcomes:
        cells = (csv_cell(o.clip), o.modality, o.state, csv_cell(o.reason))
        writer.writerow((*cells, o.frames, o.valid, csv_cell("; ".join(o.notes)), o.anew))
    for clip, reason in summary.left_out.items():
        writer.writerow((csv_cell(clip), "", "left out", csv_cell(reason), 0, 0, "", ""))
    for note in summary.notes:
        writer.writerow(("", "", "note", csv_cell(note), 0, 0, "", ""))
    write_bytes(folder / "summary.csv", out.getvalue().encode())
    write_json(folder / "summary.json", {**(more or {}), **facts(summary)})
    return folder
