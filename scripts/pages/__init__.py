"""One module per generated page; each has a function ``page() -> str``."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT / "src" / "md2n"
NOTICE = "<!-- Made by `python -m scripts.generate`; a test says when it is out of date. -->\n"


def cell(text: str) -> str:
    """Text as it may stand in a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")
