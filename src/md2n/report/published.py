"""Published numbers, loaded from ``published.toml``: facts with their sources, never measured by md2n."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from md2n.errors import UsageError, did_you_mean

# The paper prints ACC2/F1/ACC7 and does not say whether zero labels count; ours of the usual convention stand beside.
BESIDE: dict[str, str] = {"acc2_nonzero": "acc2", "f1_weighted_nonzero": "f1", "acc7": "acc7"}

Values = Mapping[str, float]  # acc2, f1, acc7 -> percent


@dataclass(frozen=True)
class PatternScores:
    """One row of Table 1.

    Args:
        dataset: ``mosi`` or ``mosei``.
        model: md2n's name of the method.
        title: the paper's name of it.
        line: of the paper's extracted text.
        retracted: the method's article was retracted.
        scores: set of available modalities -> values in percent.
    """

    dataset: str
    model: str
    title: str
    line: int
    retracted: bool
    scores: Mapping[frozenset[str], Values]


@dataclass(frozen=True)
class AblationScores:
    """One row of Table 2, 3 or 4.

    Args:
        table: its number.
        dataset: ``mosi`` or ``mosei``.
        row: short name.
        title: in words.
        rates: which missing rates the values are of.
        line: of the paper's extracted text.
        values: in percent.
    """

    table: int
    dataset: str
    row: str
    title: str
    rates: str
    line: int
    values: Values


@dataclass(frozen=True)
class Published:
    """Everything in ``published.toml``.

    Args:
        source: authors, venue and title, for captions.
        table1: rows of Table 1, in its order.
        ablations: rows of Tables 2, 3 and 4.
        claims: what the prose says in numbers -> line.
        elsewhere: numbers of other papers; each with ``dataset``, ``title``, ``source`` and values in percent.
    """

    source: str
    table1: tuple[PatternScores, ...]
    ablations: tuple[AblationScores, ...]
    claims: Mapping[str, int]
    elsewhere: tuple[Mapping[str, str | float], ...]

    def datasets(self) -> tuple[str, ...]:
        """Data sets of Table 1."""
        return tuple(dict.fromkeys(row.dataset for row in self.table1))

    def row(self, dataset: str, model: str) -> PatternScores | None:
        """The row of Table 1, or None where the paper has none."""
        return next((r for r in self.table1 if (r.dataset, r.model) == (dataset, model)), None)

    def ablation(self, table: int, dataset: str, row: str) -> Values:
        """Values of one row of Table 2, 3 or 4.

        Raises:
            UsageError: the paper has no such number.
        """
        known = {f"table {a.table}, {a.dataset}, {a.row}": a.values for a in self.ablations}
        wanted = f"table {table}, {dataset}, {row}"
        if wanted not in known:
            raise UsageError(f"the paper prints no number at: {wanted}", did_you_mean(wanted, known))
        return known[wanted]

    def pattern_mean(
        self, dataset: str, model: str, measure: str, patterns: Iterable[Iterable[str]] | None = None
    ) -> float | None:
        """Mean in percent over patterns of Table 1; None where a number is not published.

        Args:
            dataset: ``mosi`` or ``mosei``.
            model: md2n's name of the method.
            measure: ``acc2``, ``f1`` or ``acc7``.
            patterns: sets of available modalities; all six where not given.
        """
        row = self.row(dataset, model)
        if row is None:
            return None
        wanted = list(row.scores) if patterns is None else [frozenset(p) for p in patterns]
        if not wanted or any(p not in row.scores for p in wanted):
            return None
        return sum(row.scores[p][measure] for p in wanted) / len(wanted)


@cache
def published() -> Published:
    """The published numbers."""
    text = resources.files("md2n.report").joinpath("published.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text)
    paper, patterns = entries["paper"], {k: frozenset(v) for k, v in entries["patterns"].items()}

    def values(numbers: list[float]) -> Values:
        return dict(zip(paper["measures"], map(float, numbers), strict=True))

    return Published(
        source=f"{paper['authors']}: {paper['title']}, {paper['venue']}",
        table1=tuple(
            PatternScores(
                dataset=r["dataset"],
                model=r["model"],
                title=r["title"],
                line=r["line"],
                retracted=r.get("retracted", False),
                scores={names: values(r[key]) for key, names in patterns.items()},
            )
            for r in entries["table1"]
        ),
        ablations=tuple(
            AblationScores(
                table=number,
                dataset=block["dataset"],
                row=row,
                title=entries["variants"][row],
                rates=entries["asked"][f"table{number}"],
                line=block["line"],
                values=values(numbers),
            )
            for number in (2, 3, 4)
            for block in entries[f"table{number}"]
            for row, numbers in block["rows"].items()
        ),
        claims={c["text"]: c["line"] for c in entries["claims"]},
        elsewhere=tuple(entries["elsewhere"]),
    )
