"""Published numbers: every one is the paper's, which ``table1.txt`` and this file hold a second time."""

import re
from pathlib import Path

import pytest

from md2n.errors import UsageError
from md2n.evaluation.metrics import MEASURES
from md2n.report.published import BESIDE, published
from md2n.report.table import rounded

PAPER = Path(__file__).with_name("table1.txt")
METHODS = ("dcca", "dccae", "mctn", "transm", "icdn", "mmin", "gcnet", "dicmor", "imder", "md2n")


def test_table_1_is_whole() -> None:
    told = published()
    assert told.datasets() == ("mosi", "mosei")
    for dataset in told.datasets():
        rows = [r for r in told.table1 if r.dataset == dataset]
        assert tuple(r.model for r in rows) == METHODS
        assert all(len(r.scores) == 6 for r in rows)
        assert all(0 < v < 100 for r in rows for values in r.scores.values() for v in values.values())
    assert [r.model for r in told.table1 if r.retracted] == ["icdn", "icdn"]
    assert len({r.line for r in told.table1}) == 20


def printed() -> dict[tuple[int, str, str], list[list[float]]]:
    """Line, data set and title of every row of Table 1 in the paper's own text -> its six cells."""
    rows = [line.split(" | ") for line in PAPER.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {
        (int(line), dataset.removeprefix("CMU-").lower(), title): [[float(v) for v in c.split(" / ")] for c in cells]
        for line, dataset, title, *cells in rows
    }


def test_every_number_of_table_1_is_the_papers() -> None:
    columns = [{"text"}, {"audio"}, {"vision"}, {"text", "audio"}, {"text", "vision"}, {"audio", "vision"}]
    ours = {
        (r.line, r.dataset, r.title): [[r.scores[frozenset(c)][m] for m in ("acc2", "f1", "acc7")] for c in columns]
        for r in published().table1
    }
    assert ours == printed()


@pytest.mark.parametrize(
    "dataset, model, means",
    [
        ("mosi", "imder", (73.8, 73.6, 33.9)),
        ("mosi", "md2n", (78.1, 78.1, 36.8)),
        ("mosei", "imder", (74.5, 73.7, 47.6)),
        ("mosei", "md2n", (79.4, 79.2, 50.1)),
    ],
)
def test_six_pattern_means(dataset: str, model: str, means: tuple[float, ...]) -> None:
    told = [published().pattern_mean(dataset, model, m) for m in ("acc2", "f1", "acc7")]
    assert tuple(rounded(v or 0.0, 1) for v in told) == means


def test_the_mean_over_some_patterns_and_over_unpublished_ones() -> None:
    told = published()
    assert told.pattern_mean("mosi", "md2n", "acc2", [["text"], ["audio"]]) == pytest.approx((87.4 + 68.8) / 2)
    assert told.pattern_mean("mosi", "md2n", "acc2", [["text"], ["face"]]) is None
    assert told.pattern_mean("mosi", "zero_fill", "acc2") is None
    assert told.pattern_mean("mosi", "md2n", "acc2", []) is None


# Tables 2, 3 and 4, typed from the paper and not from published.toml.
ABLATIONS = {
    (2, "mosi"): {
        "base": (76.5, 73.4, 35.2),
        "vp_sde": (76.7, 76.6, 35.3),
        "multi_stage": (77.1, 77.1, 36.0),
        "full": (80.0, 80.0, 40.2),
    },
    (2, "mosei"): {
        "base": (79.0, 77.3, 49.3),
        "vp_sde": (79.4, 78.0, 49.5),
        "multi_stage": (79.9, 78.4, 49.8),
        "full": (82.6, 82.6, 50.3),
    },
    (3, "mosi"): {"mctn": (71.3, 71.2, 35.5), "mctn_md2n": (75.7, 75.6, 38.4)},
    (3, "mosei"): {"mctn_md2n": (79.0, 79.1, 48.5)},
    (4, "mosi"): {
        "both": (83.4, 83.4, 42.9),
        "no_encoders": (81.2, 81.2, 41.0),
        "no_decoders": (80.4, 80.2, 40.4),
        "neither": (78.5, 78.5, 37.3),
    },
    (4, "mosei"): {
        "both": (84.3, 84.4, 52.6),
        "no_encoders": (82.4, 82.2, 50.2),
        "no_decoders": (81.3, 81.1, 49.4),
        "neither": (79.4, 79.6, 47.3),
    },
}


def test_every_number_of_the_ablations_is_the_papers() -> None:
    told = published()
    wanted = {
        (table, dataset, row): dict(zip(("acc2", "f1", "acc7"), values))
        for (table, dataset), rows in ABLATIONS.items()
        for row, values in rows.items()
    }
    assert {(a.table, a.dataset, a.row): a.values for a in told.ablations} == wanted
    assert {place: told.ablation(*place) for place in wanted} == wanted
    with pytest.raises(UsageError, match="no number at: table 3, mosei, mctn"):
        told.ablation(3, "mosei", "mctn")  # not in the text that was read; not guessed


def test_sources_are_told() -> None:
    told = published()
    assert "ICCV 2025" in told.source
    assert all(line > 0 for line in told.claims.values())
    assert all(re.search(r"CyIN|MMSA", str(e["source"])) for e in told.elsewhere)
    assert set(BESIDE) <= set(MEASURES)
