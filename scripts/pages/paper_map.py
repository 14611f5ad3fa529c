"""docs/paper-map.md: which code claims which equation, section, table or figure of the paper.

A claim is a line of its own in a docstring, ``Paper: Eq. 10, 11, Sec. 3.3.``: equations, tables, figures and sections
in this order, each kind once.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.pages import NOTICE, PROJECT, SOURCE
from scripts.pages.source import docstrings

KINDS = ("Eq.", "Table", "Fig.", "Sec.")
NUMBERS = r"{} (\d+(?:\.\d+)?[a-z]?(?:, \d+(?:\.\d+)?[a-z]?)*)"
CLAIM = re.compile(
    "Paper: " + "".join(f"(?:{NUMBERS.format(re.escape(kind))}(?:, (?=[TFS])|(?=\\.$)))?" for kind in KINDS) + r"\."
)
EQUATIONS = {
    1: "forward step",
    2: "forward SDE",
    3: "reverse SDE, by the score",
    4: "reverse step",
    5: "transition kernel: mean and variance at step t",
    6: "score matching, and its weight",
    7: "step of the stage (0, t1]",
    8: "step of the transfer (t1, t2], and its coefficient Phi",
    9: "step of the stage (t2, T]",
    10: "reverse step of (0, t1]",
    11: "reverse step of (t2, T]",
    12: "reverse transfer, from the available side",
    13: "reverse transfer, from the missing side",
    14: "both directions: L_score = L_a + L_m",
    15: "L_m and L_a",
    16: "decoding: L_dec",
    17: "everything: L_total = L_task + gamma L_rec",
}


@dataclass(frozen=True)
class Claim:
    """Code that says what of the paper it is.

    Args:
        owner: dotted name of the code.
        path: its file, from the project's root.
        line: as written.
        numbers: kind -> numbers, e.g. ``Eq.`` -> ``("7", "9")``.
    """

    owner: str
    path: str
    line: str
    numbers: dict[str, tuple[str, ...]]


def read_claim(line: str) -> dict[str, tuple[str, ...]] | None:
    """What a line claims, or ``None`` where it is not of the agreed form.

    >>> read_claim("Paper: Eq. 7, 9, Sec. 3.3.")
    {'Eq.': ('7', '9'), 'Sec.': ('3.3',)}
    """
    match = CLAIM.fullmatch(line)
    if match is None:
        return None
    numbers = {kind: tuple(text.split(", ")) for kind, text in zip(KINDS, match.groups()) if text}
    return numbers or None


def claims(root: Path = SOURCE) -> tuple[list[Claim], list[str]]:
    """All claims, and every line that begins like one but is none, with its place."""
    entries, strange = [], []
    for one in docstrings(root):
        for line in map(str.strip, one.text.splitlines()):
            if not line.startswith("Paper:"):
                continue
            numbers = read_claim(line)
            if numbers is None:
                strange.append(f"{one.owner}: {line}")
            else:
                path = one.path.relative_to(root.parents[1]).as_posix()
                entries.append(Claim(one.owner, path, line, numbers))
    return entries, strange


def claimed(kind: str, entries: Iterable[Claim]) -> dict[str, list[Claim]]:
    """Number -> those who claim it, numbers in order."""
    owners: dict[str, list[Claim]] = {}
    for claim in entries:
        for number in claim.numbers.get(kind, ()):
            owners.setdefault(number, []).append(claim)
    return dict(sorted(owners.items(), key=lambda item: [int(n) for n in re.findall(r"\d+", item[0])]))


def page() -> str:
    """The whole page."""
    entries, _ = claims()
    equations = claimed("Eq.", entries)
    lines = [
        "# Paper map",
        NOTICE,
        "Where each equation and section of the paper is in the code. Each equation has one place. The docstring there",
        "and the [decisions](decisions/README.md) say what differs. [The method](method.md) shows each equation beside",
        "its code.",
        "",
        "| Eq. | what it is | where |",
        "|---:|---|---|",
        *(
            f"| {number} | {what} | {', '.join(_link(c) for c in equations.get(str(number), [])) or 'not claimed'} |"
            for number, what in EQUATIONS.items()
        ),
        "",
        "| part | where |",
        "|---|---|",
    ]
    for kind in KINDS[1:]:
        for number, owners in claimed(kind, entries).items():
            lines.append(f"| {kind} {number} | {', '.join(_link(c) for c in owners)} |")
    return "\n".join(lines) + "\n"


def _link(claim: Claim) -> str:
    inside = Path(PROJECT, claim.path).relative_to(PROJECT).as_posix()
    return f"[`{claim.owner.removeprefix('md2n.')}`](../{inside})"
