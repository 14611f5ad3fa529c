"""Published numbers: complete, and the same as the paper's at places checked by hand."""

import re

import pytest

from md2n.errors import UsageError
from md2n.evaluation.metrics import MEASURES
from md2n.report.published import BESIDE, published
from md2n.report.table import rounded

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


@pytest.mark.parametrize(
    "dataset, model, available, acc2, f1, acc7",
    [
        ("mosi", "dcca", {"text"}, 73.6, 73.8, 30.2),
        ("mosi", "mmin", {"audio", "vision"}, 60.4, 58.5, 19.5),
        ("mosi", "md2n", {"vision"}, 67.1, 67.0, 27.2),
        ("mosei", "gcnet", {"audio", "vision"}, 64.1, 57.2, 42.0),
        ("mosei", "dicmor", {"text", "audio"}, 85.0, 84.9, 52.7),
        ("mosei", "md2n", {"text", "vision"}, 88.3, 88.4, 56.1),
    ],
)
def test_spot_checks(dataset: str, model: str, available: set[str], acc2: float, f1: float, acc7: float) -> None:
    row = published().row(dataset, model)
    assert row is not None
    assert row.scores[frozenset(available)] == {"acc2": acc2, "f1": f1, "acc7": acc7}


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


def test_ablations() -> None:
    told = published()
    assert told.ablation(2, "mosei", "multi_stage") == {"acc2": 79.9, "f1": 78.4, "acc7": 49.8}
    assert told.ablation(3, "mosi", "mctn")["acc2"] == 71.3
    assert told.ablation(4, "mosi", "no_decoders") == {"acc2": 80.4, "f1": 80.2, "acc7": 40.4}
    assert len([a for a in told.ablations if a.table == 2]) == 8
    assert len([a for a in told.ablations if a.table == 4]) == 8
    with pytest.raises(UsageError, match="no number at: table 3, mosei, mctn"):
        told.ablation(3, "mosei", "mctn")  # not in the text that was read; not guessed


def test_sources_are_told() -> None:
    told = published()
    assert "ICCV 2025" in told.source
    assert all(line > 0 for line in told.claims.values())
    assert all(re.search(r"CyIN|MMSA", str(e["source"])) for e in told.elsewhere)
    assert set(BESIDE) <= set(MEASURES)
