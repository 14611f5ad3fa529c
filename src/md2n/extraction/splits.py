"""Splits for clips that come without: 70 % train, 15 % valid, 15 % test, whole groups on one side.

The order of groups (of clips, where there are no groups) is that of SHA-256 of the seed and the name, so it is the same
everywhere and owes nothing to the order of the table.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence

HELD_OUT = {"test": 0.15, "valid": 0.15}


def assign_splits(
    ids: Sequence[str], group: tuple[str, Sequence[str]] | None = None, seed: int = 0
) -> tuple[tuple[str, ...], str]:
    """A split per clip, and the rule in words.

    Valid and test get one group at least, as soon as there are three; fewer than three groups cannot be kept apart, and
    clips are divided instead.

    Args:
        ids: of the clips.
        group: name of the group column and a member per clip.
        seed: another one gives another division.

    >>> assign_splits(["a", "b", "c"])[0]
    ('test', 'valid', 'train')
    """
    name, members = group if group is not None and len(set(group[1])) > len(HELD_OUT) else ("", ids)
    sizes = Counter(members)
    order = sorted(sizes, key=lambda one: hashlib.sha256(f"{seed}/{one}".encode()).digest())
    side: dict[str, str] = {}
    if len(order) > len(HELD_OUT):
        for part, share in HELD_OUT.items():
            wanted, held = share * len(ids), 0
            # At least one, then as long as the part comes nearer to its size; one is left for training.
            while len(order) > 1 and (not held or abs(held + sizes[order[-1]] - wanted) < abs(held - wanted)):
                held += sizes[order[-1]]
                side[order.pop()] = part
    side |= dict.fromkeys(order, "train")
    grouping = f"; whole groups of '{name}' on one side" if name else ""
    if group is not None and not name:
        grouping = f"; '{group[0]}' has too few members to be kept apart"
    rule = (
        f"no column 'split': made 70/15/15 % train/valid/test in the order of SHA-256 of seed {seed} and name{grouping}"
    )
    return tuple(side[m] for m in members), rule
