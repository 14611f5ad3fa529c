"""Does the training split know the test split?  Same ids, same rows, same people.

Rows are compared by a hash of their valid frames, so only exact copies are found; copies that were re-encoded, cropped
or normalised apart are not.  A learned feature extractor that saw test labels leaves no trace that a check of the
features alone could prove, so such leaks are listed where they are known (``md2n.data.schema``, notes), not guessed.
"""

import hashlib
from collections import Counter, defaultdict

import numpy as np

from md2n.data.finding import Finding
from md2n.data.gather import release
from md2n.data.samples import SPLITS, UNASSIGNED, Ragged, Samples

IDENTITIES = frozenset(
    {
        *("speaker", "actor", "subject", "person", "participant", "patient", "user", "author", "singer"),
        *("video", "video_id", "session", "dialogue", "dialog"),
    }
)
REPEATING = 0.2  # fewer distinct rows than this share of all: the modality repeats by nature (a count, a code)
WORTH_A_WARNING = 0.01  # share of a split's rows with a twin in another split
WORTH_AN_ERROR = 0.02  # share of a split's samples that are copies as a whole: accuracy gains as much
SAME_LABELS = 0.9  # twins that are copies share their labels; twins by nature (two short words) often do not
FEW = 3  # examples named in a message
PIECE = 256  # samples read between giving pages of a memory map back


def leaks(samples: Samples) -> list[Finding]:
    """Findings about ids, rows and groups that stand in more than one split."""
    return [*_ids(samples), *_rows(samples), *_groups(samples)]


def identity_columns(samples: Samples) -> list[str]:
    """Group columns that say who or where a sample comes from, the one for normalisation first."""
    named = [g for g in samples.groups if g.lower() in IDENTITIES or g == samples.normalise_by]
    return sorted(named, key=lambda g: g != samples.normalise_by)


def _word(code: int) -> str:
    return "unassigned" if code == UNASSIGNED else SPLITS[code]


def _some(names: list[str]) -> str:
    return ", ".join(names[:FEW]) + (", ..." if len(names) > FEW else "")


def _ids(samples: Samples) -> list[Finding]:
    where: dict[str, list[int]] = defaultdict(list)
    for one, code in zip(samples.ids, samples.split):
        where[str(one)].append(int(code))
    twice = {i: codes for i, codes in where.items() if len(codes) > 1}
    across = sorted(i for i, codes in twice.items() if len(set(codes)) > 1)
    within = sorted(i for i in twice if i not in set(across))
    findings = []
    if across:
        findings.append(
            Finding(
                "error",
                "same-id",
                f"{len(across)} ids stand in more than one split ({_some(across)})",
                "keep each sample in one split",
            )
        )
    if within:
        findings.append(
            Finding(
                "warning",
                "repeated-id",
                f"{len(within)} ids stand more than once in their split ({_some(within)})",
                "give every sample its own id; predictions are told apart by it",
            )
        )
    return findings


def _digests(ragged: Ragged) -> list[bytes]:
    """One hash per sample; empty where the modality is absent or holds one value only, which proves nothing."""
    hashes = []
    for row in range(len(ragged)):
        span = slice(int(ragged.offsets[row]), int(ragged.offsets[row + 1]))
        frames = np.asarray(ragged.values[span])[ragged.valid[span]]  # zeros at unknown cells
        if not frames.size or (frames == frames.flat[0]).all():
            hashes.append(b"")
        else:
            hashes.append(hashlib.blake2b(np.ascontiguousarray(frames).tobytes(), digest_size=12).digest())
        if row % PIECE == 0:
            release(ragged.values)
    return hashes


def _rows(samples: Samples) -> list[Finding]:
    digests = {name: _digests(ragged) for name, ragged in samples.modalities.items()}
    present = samples.present
    whole = []
    for row, parts in enumerate(zip(*digests.values())):
        nonempty = [p for p in parts if p]
        # Two modalities at least, and none of them without a say: else it is the finding of one modality.
        whole.append(b"|".join(parts) if len(nonempty) > 1 and len(nonempty) == present[row].sum() else b"")
    findings = []
    copies = _twins(whole, samples)
    if copies:
        amounts, share = _shares(list(copies), samples)
        findings.append(
            Finding(
                "error" if share >= WORTH_AN_ERROR else "warning",
                "identical-samples",
                f"{amounts} are exact copies, in every modality, of a sample of another split "
                f"({_some([str(samples.ids[r]) for r in copies])})",
                "remove the copies, or put each and its copy into the same split",
            )
        )
    for name, hashes in digests.items():
        twins = {row: same for row, same in _twins(hashes, samples).items() if row not in copies}
        distinct = len(set(filter(None, hashes)))
        if not twins or distinct < REPEATING * sum(1 for h in hashes if h):
            continue
        amounts, share = _shares(list(twins), samples)
        agreeing = sum(twins.values()) / len(twins)
        findings.append(
            Finding(
                "warning" if share >= WORTH_A_WARNING and agreeing >= SAME_LABELS else "info",
                "identical-rows",
                f"{name}: {amounts} equal a row of another split in this modality, {agreeing:.0%} of them with its "
                f"label ({_some([str(samples.ids[r]) for r in twins])})",
                "short utterances repeat; anything else is a copy: look at the samples named",
            )
        )
    return findings


def _twins(hashes: list[bytes], samples: Samples) -> dict[int, bool]:
    """Rows of the valid and test splits with an equal row in another split: do they share the label of one?"""
    labels = samples.label().values if samples.labels else np.zeros(len(samples))
    places: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(hashes):
        if digest:
            places[digest].append(row)
    twins = {}
    for rows in places.values():
        for row in rows:
            others = [r for r in rows if samples.split[r] != samples.split[row]]
            if others and samples.split[row] not in (0, UNASSIGNED):
                twins[row] = any(labels[r] == labels[row] for r in others)
    return dict(sorted(twins.items()))


def _shares(rows: list[int], samples: Samples) -> tuple[str, float]:
    """``3 of 200 valid samples, 1 of 400 test samples``, and the largest of these shares."""
    counts = Counter(int(samples.split[r]) for r in rows)
    sizes = {code: int((samples.split == code).sum()) for code in counts}
    amounts = ", ".join(f"{n} of {sizes[code]} {_word(code)} samples" for code, n in sorted(counts.items()))
    return amounts, max(n / sizes[code] for code, n in counts.items())


def _groups(samples: Samples) -> list[Finding]:
    findings = []
    identities = identity_columns(samples)
    assigned = samples.split != UNASSIGNED
    for name, members in samples.groups.items():
        splits: dict[str, set[int]] = defaultdict(set)
        for member, code in zip(members[assigned], samples.split[assigned]):
            splits[str(member)].add(int(code))
        crossing = sorted(m for m, codes in splits.items() if len(codes) > 1)
        if not crossing:
            continue
        message = f"{len(crossing)} of {len(splits)} members of '{name}' stand in more than one split"
        if name in identities:
            hint = f"results will not hold for new ones: split by '{name}', or say that you do not"
            findings.append(Finding("warning", "group-in-two-splits", f"{message} ({_some(crossing)})", hint))
        elif len(splits) >= 10 and len(crossing) <= len(splits) / 2:
            # Most members keep to one split, as people and videos do and tasks and intensities do not.
            findings.append(Finding("info", "group-in-two-splits", f"{message} ({_some(crossing)})"))
    return findings
