"""Writes the pages that are made from the code.

python -m scripts.generate            write them
python -m scripts.generate --check    write nothing; exit 1 and name the pages that are out of date
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial

from scripts.pages import (
    PROJECT,
    benchmark,
    command_line,
    method,
    method_figure,
    methods,
    paper_map,
    performance,
    recovery,
    settings,
    studies,
)

PAGES: dict[str, Callable[[], str]] = {
    "docs/benchmark.md": benchmark.page,
    "docs/recovery.md": recovery.page,
    "docs/performance.md": performance.page,
    "docs/method.md": method.page,
    "docs/pictures/method.svg": method_figure.page,
    "docs/paper-map.md": paper_map.page,
    "docs/reference/cli.md": command_line.page,
    "docs/reference/methods.md": methods.page,
    "docs/reference/settings.md": settings.page,
    **{f"docs/studies/{study}.md": partial(studies.page, study) for study in studies.WHAT},
}


def outdated() -> list[str]:
    """Pages that are not what the code would make now."""
    old = []
    for name, page in PAGES.items():
        path = PROJECT / name
        if not path.is_file() or path.read_text(encoding="utf-8") != page():
            old.append(name)
    return old


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes the pages that are made from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is out of date")
    if parser.parse_args().check:
        old = outdated()
        for name in old:
            sys.stderr.write(f"{name} is out of date; run python -m scripts.generate\n")
        return bool(old)
    write()
    return 0


def write() -> None:
    """Writes the pages that are out of date."""
    for name, page in PAGES.items():
        path = PROJECT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = page()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stderr.write(f"{name} written\n")


if __name__ == "__main__":
    sys.exit(main())
