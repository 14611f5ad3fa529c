"""Natural gaps, and whether they alone predict the label.

If voice was recorded in speaking tasks only, "voice is there" is half the answer, and a model that reads presence looks
good for nothing.  A permutation test of patterns against labels answers this: an effect size with expectation zero
where there is no relation, and a p-value that is exact for any number of patterns and classes.

Samples of one person are not independent.  So where a column says who a sample is of, labels are exchanged within
people, and people are exchanged as a whole; the smaller p-value counts, doubled.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from md2n.data.finding import Finding, Severity
from md2n.data.leaks import identity_columns
from md2n.data.samples import SPLITS, UNASSIGNED, Array, Samples
from md2n.data.target import unit_of
from md2n.modality import set_name

PERMUTATIONS = 999
SIGNIFICANT = 0.01
FEWEST = 20  # labelled samples below which nothing is tested
FEWEST_MEMBERS = 6  # people below which they cannot be exchanged as a whole


@dataclass(frozen=True)
class Association:
    """How strongly the pattern of present modalities is related to the label.

    Args:
        measure: ``V`` (Cramer's, bias-corrected; classes) or ``eta2`` (correlation ratio squared, adjusted; real).
        effect: from 0 (none) to 1.
        p: probability of an association as strong without any relation.
        strongest: the modality whose presence says most.
        alone: the effect of the presence of this one by itself.
    """

    measure: str
    effect: float
    p: float
    strongest: str
    alone: float


def gap_counts(samples: Samples) -> list[tuple[str, dict[str, int]]]:
    """Name and samples of each split for every pattern of present modalities, the commonest first."""
    present = samples.present
    words = (*SPLITS, "unassigned")
    codes = np.where(samples.split == UNASSIGNED, len(SPLITS), samples.split)
    counts = []
    for pattern in np.unique(present, axis=0):
        same = (present == pattern).all(axis=1)
        name = set_name([n for n, here in zip(samples.names, pattern) if here]) or "(none)"
        counts.append((name, {w: int((same & (codes == i)).sum()) for i, w in enumerate(words)}))
    return sorted(counts, key=lambda c: -sum(c[1].values()))


def gaps(samples: Samples, label: str = "", seed: int = 0) -> Iterator[Finding]:
    """Findings about natural gaps: how many, in which splits, and whether they give the label away."""
    present = samples.present
    for code, split in enumerate(SPLITS):
        rows = samples.split == code
        for k, name in enumerate(samples.names):
            if rows.any() and not present[rows, k].any() and present[:, k].any():
                message = f"{name} is in no sample of the {split} split, but in {int(present[:, k].sum())} others"
                severity: Severity = "error" if split == "train" else "warning"
                yield Finding(severity, "absent-in-split", message, f"leave {name} out, or split the samples anew")
    complete = set_name(samples.names)
    incomplete = {name: counts for name, counts in gap_counts(samples) if name != complete}
    if not incomplete:
        return
    total = sum(sum(c.values()) for c in incomplete.values())
    parts = []
    for name, counts in incomplete.items():
        splits = ", ".join(f"{split} {n}" for split, n in counts.items() if n)
        parts.append(f"{name} {sum(counts.values())} ({splits})")
    share = f"{total} of {len(samples)} samples ({total / len(samples):.0%})"
    yield Finding("info", "natural-gaps", f"{share} miss a modality; they have: {'; '.join(parts)}")
    association = availability_association(samples, label, seed) if samples.labels else None
    if association is not None:
        yield _verdict(association, samples.label(label).task.label)


def _verdict(association: Association, column: str) -> Finding:
    effect, strongest = max(association.effect, association.alone), association.strongest
    numbers = f"{association.measure} = {effect:.2f}, p = {association.p:.3f}"
    weak, strong = (0.1, 0.5) if association.measure == "V" else (0.01, 0.25)
    if association.p > SIGNIFICANT or effect < weak:
        return Finding("info", "gaps-and-label", f"which modalities are present says little of '{column}' ({numbers})")
    return Finding(
        "error" if effect >= strong else "warning",
        "gaps-give-label-away",
        f"which modalities are present predicts '{column}' ({numbers}; {strongest} most)",
        f"leave {strongest} out, keep only rows where it could have been recorded, or compare with a model that sees "
        "presence alone",
    )


def availability_association(
    samples: Samples, label: str = "", seed: int = 0, permutations: int = PERMUTATIONS
) -> Association | None:
    """Association of the pattern of present modalities with a label column; None where there is nothing to test.

    Args:
        samples: the data.
        label: the label column; the default one if not given.
        seed: of the permutations.
        permutations: how many; the p-value is at least one in so many.

    Raises:
        UsageError: no such label column.
    """
    column = samples.label(label)
    values = np.asarray(column.values)
    classes = column.task.kind == "classification"
    known = values >= 0 if classes else np.isfinite(values)
    present = samples.present[known]
    values = values[known]
    _, pattern = np.unique(present, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    if len(values) < FEWEST or pattern.max(initial=0) == 0 or len(np.unique(values)) < 2:
        return None
    if classes:
        values = np.unique(values, return_inverse=True)[1]
    else:
        # So that what counts as equal up to rounding does not depend on the label's unit.
        unit = unit_of(values)
        values = (values.astype(np.float64) - unit.centre) / unit.scale
    effect = _cramer if classes else _eta_squared
    column_of = identity_columns(samples)
    members = np.unique(samples.groups[column_of[0]][known], return_inverse=True)[1] if column_of else None
    p = _p_value(pattern, values, classes, members, np.random.default_rng(seed), permutations)
    each = [effect(present[:, k].astype(np.int64), values) for k in range(present.shape[1])]
    best = int(np.argmax(each))
    return Association("V" if classes else "eta2", effect(pattern, values), p, samples.names[best], each[best])


def _p_value(
    pattern: Array, values: Array, classes: bool, members: Array | None, rng: np.random.Generator, permutations: int
) -> float:
    statistic = _chi_squared if classes else _between
    if members is None:
        return _exceeding(lambda: statistic(pattern, rng.permutation(values)), statistic(pattern, values), permutations)
    order = np.argsort(members, kind="stable")
    pattern, values, members = pattern[order], values[order], members[order]
    within = _exceeding(
        lambda: statistic(pattern, values[np.argsort(members + rng.random(len(members)))]),
        statistic(pattern, values),
        permutations,
    )
    count = int(members.max()) + 1
    if count < FEWEST_MEMBERS:
        return within
    patterns = _shares(members, np.eye(int(pattern.max()) + 1)[pattern], count)
    labels = _shares(members, np.eye(int(values.max()) + 1)[values] if classes else values[:, None], count)

    def together(rows: Array) -> float:
        return float(np.sum((patterns.T @ labels[rows]) ** 2))

    between = _exceeding(lambda: together(rng.permutation(count)), together(np.arange(count)), permutations)
    return min(1.0, 2 * min(within, between))


def _exceeding(draw: Callable[[], float], observed: float, permutations: int) -> float:
    """Share of permutations, the observed order among them, at least as extreme; equal up to rounding counts."""
    least = observed - 1e-9 * max(1.0, abs(observed))
    return (1 + sum(draw() >= least for _ in range(permutations))) / (permutations + 1)


def _shares(members: Array, values: Array, count: int) -> Array:
    """``[members, columns]``: means over each member's samples, centred over members."""
    sums = np.stack([np.bincount(members, weights=v, minlength=count) for v in values.T], axis=1)
    means = sums / np.bincount(members, minlength=count)[:, None]
    return np.asarray(means - means.mean(axis=0))


def _table(pattern: Array, values: Array) -> Array:
    width = int(values.max()) + 1
    counts = np.bincount(pattern * width + values, minlength=(int(pattern.max()) + 1) * width)
    return counts.reshape(-1, width).astype(np.float64)


def _chi_squared(pattern: Array, values: Array) -> float:
    table = _table(pattern, values)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    return float(np.sum(np.divide((table - expected) ** 2, expected, out=np.zeros_like(table), where=expected > 0)))


def _cramer(pattern: Array, values: Array) -> float:
    """Cramer's V, corrected for its bias as by Bergsma (2013): zero in expectation without a relation."""
    total = len(values)
    rows, columns = len(np.unique(pattern)), len(np.unique(values))
    if min(rows, columns) < 2:
        return 0.0
    excess = max(0.0, _chi_squared(pattern, values) / total - (rows - 1) * (columns - 1) / (total - 1))
    rows_left = rows - (rows - 1) ** 2 / (total - 1)
    columns_left = columns - (columns - 1) ** 2 / (total - 1)
    return float(min(1.0, np.sqrt(excess / (min(rows_left, columns_left) - 1))))


def _between(pattern: Array, values: Array) -> float:
    """Sum of squares between patterns."""
    counts = np.bincount(pattern)
    means = np.divide(np.bincount(pattern, weights=values), counts, out=np.zeros(len(counts)), where=counts > 0)
    return float(np.sum(counts * (means - values.mean()) ** 2))


def _eta_squared(pattern: Array, values: Array) -> float:
    """Correlation ratio squared, adjusted for the number of patterns (epsilon squared)."""
    total, groups = len(values), len(np.unique(pattern))
    whole = float(np.sum((values - values.mean()) ** 2))
    if groups < 2 or total <= groups or whole == 0:
        return 0.0
    inside = (whole - _between(pattern, values)) / (total - groups)
    return float(np.clip(1 - inside / (whole / (total - 1)), 0, 1))
