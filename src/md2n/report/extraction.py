"""One page on an extraction: what was extracted, what was not and why, and pictures of some clips; needs no network."""

import base64
from collections.abc import Mapping
from pathlib import Path

from md2n.extraction.cache import ABSENT, EXTRACTED, FAILED, Outcome
from md2n.extraction.pipeline import Summary
from md2n.extraction.summary import counts
from md2n.report.files import write_whole
from md2n.report.page import filled

PAGE = "extraction.html"


def write_page(
    folder: Path,
    summary: Summary,
    *,
    name: str,
    front_ends: Mapping[str, str],
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes ``extraction.html``.

    Args:
        folder: made if absent.
        summary: of the extraction.
        name: of the data set.
        front_ends: modality -> name of its front end.
        pictures: clip -> PNG.

    Returns:
        Path of the page.

    Raises:
        StorageError: it cannot be written.
    """
    clips: dict[str, dict[str, Outcome]] = {}
    for outcome in summary.outcomes:
        clips.setdefault(outcome.clip, {})[outcome.modality] = outcome
    anew = sum(o.anew for o in summary.outcomes)
    lines = [f"{len(summary.clips)} clips in the store", f"{len(summary.left_out)} left out", f"{anew} parts made anew"]
    page = filled(
        PAGE,
        title=f"md2n: extraction of {name}",
        lines=lines,
        states=(EXTRACTED, ABSENT, FAILED),
        counts=counts(summary),
        front_ends=front_ends,
        notes=summary.notes,
        left_out=summary.left_out,
        pictures=[{"clip": k, "data": base64.b64encode(v).decode()} for k, v in (pictures or {}).items()],
        clips=clips,
    )
    return write_whole(folder / PAGE, page)
