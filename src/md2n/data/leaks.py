"""Leaks between splits: the same ids, the same rows, the same people.

Rows are compared by a hash of their valid frames, so only exact copies are found, not those that were encoded again,
cropped or normalised apart.  Features alone cannot show that their extractor was trained with test labels; such leaks
are listed where they are known (``md2n.data.known_sets``, notes).
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from statistics import fmean

import numpy as np

from md2n.brief import first_few
from md2n.data.finding import Finding
from md2n.data.gather import release
from md2n.data.samples import SPLITS, UNASSIGNED, Ragged, Samples

# Columns that say who or where a sample comes from: people first.
IDENTITIES = (
    *("speaker", "actor", "subject", "person", "participant", "patient", "user", "author", "singer"),
    *("video", "video_id", "conversation", "session", "dialogue", "dialog"),
    "block",
)
REPEATING = 0.2  # fewer distinct rows than this share of all: the modality repeats by nature (a count, a code)
WORTH_A_WARNING = 0.01  # share of a split's rows with a twin in another split
WORTH_AN_ERROR = 0.02  # share of a split's samples that are copies as a whole: accuracy gains as much
SAME_LABELS = 0.9  # twins that are copies share their labels; twins by nature (two short words) often do not
PIECE = 256  # samples read between giving pages of a memory map back


def leaks(samples: Samples) -> list[Finding]:
    """Findings about ids, rows and groups that are in more than one split."""
    return [*_ids(samples), *_rows(samples), *_groups(samples)]


def identity_columns(samples: Samples) -> list[str]:
    """Group columns that say who or where a sample comes from: the one for normalisation first, then people."""
    named = [g for g in samples.groups if g.lower() in IDENTITIES or g == samples.normalise_by]
    return sorted(named, key=lambda g: -1 if g == samples.normalise_by else IDENTITIES.index(g.lower()))


def _word(code: int) -> str:
    return "unassigned" if code == UNASSIGNED else SPLITS[code]


def _ids(samples: Samples) -> Iterator[Finding]:
    splits: dict[str, list[int]] = defaultdict(list)
    for one, code in zip(samples.ids, samples.split):
        splits[str(one)].append(int(code))
    twice = {i: len(set(codes)) for i, codes in sorted(splits.items()) if len(codes) > 1}
    across, within = [i for i, n in twice.items() if n > 1], [i for i, n in twice.items() if n == 1]
    if across:
        message = f"{len(across)} ids are in more than one split ({first_few(across)})"
        yield Finding("error", "same-id", message, "keep each sample in one split")
    if within:
        message = f"{len(within)} ids are more than once in their split ({first_few(within)})"
        yield Finding("warning", "repeated-id", message, "give every sample its own id: predictions are named by it")


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


def _rows(samples: Samples) -> Iterator[Finding]:
    digests = {name: _digests(ragged) for name, ragged in samples.modalities.items()}
    present = samples.present
    whole = []
    for row, parts in enumerate(zip(*digests.values())):
        nonempty = [p for p in parts if p]
        # Two modalities at least, and none of them without a say: else it is the finding of one modality.
        whole.append(b"|".join(parts) if len(nonempty) > 1 and len(nonempty) == present[row].sum() else b"")
    copies = _twins(whole, samples)
    if copies:
        amounts, share = _shares(list(copies), samples)
        some = first_few(samples.ids[list(copies)])
        yield Finding(
            "error" if share >= WORTH_AN_ERROR else "warning",
            "identical-samples",
            f"{amounts} are exact copies, in every modality, of a sample of another split ({some})",
            "remove the copies, or put each and its copy into the same split",
        )
    for name, hashes in digests.items():
        twins = {row: same for row, same in _twins(hashes, samples).items() if row not in copies}
        distinct = len(set(filter(None, hashes)))
        if not twins or distinct < REPEATING * sum(1 for h in hashes if h):
            continue
        amounts, share = _shares(list(twins), samples)
        agreeing, some = fmean(twins.values()), first_few(samples.ids[list(twins)])
        yield Finding(
            "warning" if share >= WORTH_A_WARNING and agreeing >= SAME_LABELS else "info",
            "identical-rows",
            f"{name}: {amounts} equal a row of another split in this modality, {agreeing:.0%} of these pairs share a "
            f"label ({some})",
            "short utterances repeat; anything else is a copy: look at the samples named",
        )


def _twins(hashes: list[bytes], samples: Samples) -> dict[int, float]:
    """Rows of the valid and test splits with equal rows in another split: the share of these with the same label."""
    labels = np.asarray(samples.label().values if samples.labels else np.zeros(len(samples))).tolist()
    codes = samples.split.tolist()
    places: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(hashes):
        if digest:
            places[digest].append(row)
    twins = {}
    for rows in places.values():
        if len(rows) == 1:
            continue
        # Counts, not pairs: one value may be that of thousands of rows.
        of_split, of_label = Counter(codes[r] for r in rows), Counter(labels[r] for r in rows)
        of_both = Counter((codes[r], labels[r]) for r in rows)
        for row in rows:
            code, label = codes[row], labels[row]
            others = len(rows) - of_split[code]
            if others and code not in (0, UNASSIGNED):
                twins[row] = (of_label[label] - of_both[code, label]) / others
    return dict(sorted(twins.items()))


def _shares(rows: list[int], samples: Samples) -> tuple[str, float]:
    """``3 of 200 valid samples, 1 of 400 test samples``, and the largest of these shares."""
    counts = Counter(int(samples.split[r]) for r in rows)
    sizes = {code: int((samples.split == code).sum()) for code in counts}
    amounts = ", ".join(f"{n} of {sizes[code]} {_word(code)} samples" for code, n in sorted(counts.items()))
    return amounts, max(n / sizes[code] for code, n in counts.items())


def _groups(samples: Samples) -> Iterator[Finding]:
    identities = identity_columns(samples)
    assigned = samples.split != UNASSIGNED
    for name, members in samples.groups.items():
        splits: dict[str, set[int]] = defaultdict(set)
        for member, code in zip(members[assigned], samples.split[assigned]):
            splits[str(member)].add(int(code))
        crossing = sorted(m for m, codes in splits.items() if len(codes) > 1)
        message = f"{len(crossing)} of {len(splits)} members of '{name}' are in more than one split"
        if crossing and name in identities:
            hint = f"results will not hold for new ones: split by '{name}', or say that you do not"
            yield Finding("warning", "group-in-two-splits", f"{message} ({first_few(crossing)})", hint)
        elif crossing and len(splits) >= 10 and len(crossing) <= len(splits) / 2:
            # Most members keep to one split, as people and videos do and tasks and intensities do not.
            yield Finding("info", "group-in-two-splits", f"{message} ({first_few(crossing)})")
