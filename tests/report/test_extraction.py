"""The page on an extraction holds everything, and nothing that a file name could smuggle in."""

import csv
import json
import re
from pathlib import Path

from md2n.extraction.cache import ABSENT, EXTRACTED, FAILED, Outcome
from md2n.extraction.pipeline import Summary
from md2n.extraction.summary import counts, write_summary
from md2n.report.extraction import write_page

SUMMARY = Summary(
    (
        Outcome("one", "text", EXTRACTED, frames=2, valid=2, notes=("pronunciation of 'qq' was guessed",)),
        Outcome("one", "audio", FAILED, "one.mp4 is empty"),
        Outcome("<b>ü", "text", ABSENT, "it has no transcript"),
        Outcome("<b>ü", "audio", EXTRACTED, frames=300, valid=290, anew=False),
    ),
    ("one", "<b>ü"),
    {"line 4": "it has neither id nor file"},
    ("splits were made",),
)


def test_the_page_tells_what_was_extracted_what_was_not_and_why(tmp_path: Path) -> None:
    path = write_page(
        tmp_path / "page", SUMMARY, name="my set", front_ends={"text": "bert:x"}, pictures={"one": b"\x89PNG"}
    )
    page = path.read_text(encoding="utf-8")
    for told in (
        "md2n: extraction of my set",
        "2 clips in the store; 1 left out; 3 parts made anew",
        "290 of 300",
        "failed: one.mp4 is empty",
        "absent: it has no transcript",
        "pronunciation of &#39;qq&#39; was guessed",
        "it has neither id nor file",
        "splits were made",
        "data:image/png;base64,iVBORw==",
    ):
        assert told in page, told
    assert "<b>ü" not in page and "&lt;b&gt;ü" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # needs no network


def test_a_page_without_pictures_has_no_place_for_them(tmp_path: Path) -> None:
    page = write_page(tmp_path, SUMMARY, name="x", front_ends={}).read_text(encoding="utf-8")
    assert "To judge by eye" not in page


def test_the_summary_is_there_for_machines(tmp_path: Path) -> None:
    folder = write_summary(tmp_path / "beside", SUMMARY, {"name": "my set"})
    told = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert told["name"] == "my set" and told["clips_in_store"] == 2
    assert told["counts"] == counts(SUMMARY)
    assert told["counts"]["audio"] == {"extracted": 1, "absent": 0, "failed": 1}
    assert told["outcomes"][1] == {
        "clip": "one",
        "modality": "audio",
        "state": "failed",
        "reason": "one.mp4 is empty",
        "frames": 0,
        "valid": 0,
        "notes": [],
        "anew": True,
    }
    with (folder / "summary.csv").open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert [(r["clip"], r["modality"], r["state"]) for r in lines] == [
        ("one", "text", "extracted"),
        ("one", "audio", "failed"),
        ("<b>ü", "text", "absent"),
        ("<b>ü", "audio", "extracted"),
        ("line 4", "", "left out"),
        *(("", "", "note") for _ in SUMMARY.notes),
    ]
    assert [r["reason"] for r in lines[5:]] == list(SUMMARY.notes) != []
