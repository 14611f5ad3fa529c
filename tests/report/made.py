"""Result rows whose means, deviations and order are known."""

from functools import cache

from md2n.evaluation.results import ResultRow, provenance

SETS = ("text", "audio", "vision", "text+audio", "text+vision", "audio+vision")
SHIFT = (-0.01, 0.0, 0.01)  # over three seeds: mean 0, sample deviation 0.01


@cache  # it asks git for the commit
def source(model: str, seed: int = 0, protocol: str = "fixed@1", **other: str):
    told = {
        "dataset": "mosi", "split": "test", "data_checksum": "d" * 64, "config_hash": f"{model:x<16}",
        "run": f"runs/{model}/{seed}", "created": "2025-01-01T00:00:00+00:00",
    }  # fmt: skip
    return provenance(model=model, seed=seed, protocol=protocol, **(told | other))


def fixed_rows(
    model: str, scores: dict[str, float], metric: str = "acc2_nonzero", shifts: tuple[float, ...] = SHIFT, **other: str
) -> list[ResultRow]:
    return [
        ResultRow.of(
            source(model, seed, **other), condition=c, rate_requested=None, rate_realised=0.5, n=100, metric=metric,
            value=v + shift,
        )
        for seed, shift in enumerate(shifts)
        for c, v in scores.items()
    ]  # fmt: skip


def random_rows(model: str, scores: list[float], metric: str = "acc2_nonzero") -> list[ResultRow]:
    return [
        ResultRow.of(
            source(model, seed, "random@1"), condition=f"rate={i / 10:g}", rate_requested=i / 10,
            rate_realised=min(i / 10, 2 / 3), n=100, metric=metric, value=v + shift,
        )
        for seed, shift in enumerate(SHIFT)
        for i, v in enumerate(scores)
    ]  # fmt: skip


def recovery_rows(model: str, target: str, r2: float) -> list[ResultRow]:
    return [
        ResultRow.of(
            source(model, seed), condition=c, rate_requested=None, rate_realised=0.5, n=100, metric=metric,
            value=v + shift, target=target,
        )
        for seed, shift in enumerate(SHIFT)
        for c in SETS
        if target not in c
        for metric, v in (("recovery_r2", r2), ("recovery_energy", 0.3 - r2), ("recovery_coverage90", 0.8))
    ]  # fmt: skip


def scores(text: float, rest: float, complete: float | None = None) -> dict[str, float]:
    told = {s: (text if "text" in s else rest) for s in SETS}
    return told if complete is None else told | {"complete": complete}
