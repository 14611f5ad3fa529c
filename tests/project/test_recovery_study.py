"""The study of recovery: its measures, its demands, and a page that says where they are not met."""

from pathlib import Path

import numpy as np
import pytest
from scripts.pages.recovery import demands, page_of
from scripts.recovery import CLOSED, PARTS, Trained, merged, save, saved, study
from scripts.recovery_tally import by_frame, energy_score, margin, variogram_score

from md2n.evaluation.recovery import crps
from md2n.experiment.source import training_code

RNG = np.random.default_rng(0)


def test_crps_by_frame_has_the_mean_that_crps_gives() -> None:
    truth, draws = RNG.normal(size=(30, 4)), RNG.normal(size=(20, 30, 4))
    assert by_frame(truth, draws).mean() == pytest.approx(crps(truth, draws), abs=1e-12)


def test_energy_score_of_one_number_is_crps() -> None:
    truth, draws = RNG.normal(size=(30, 1)), RNG.normal(size=(21, 30, 1))  # of an odd number each pair counts once
    assert energy_score(truth, draws) == pytest.approx(crps(truth, draws), abs=1e-12)


def test_draws_whose_numbers_go_together_have_the_lower_variogram_score() -> None:
    shared = RNG.normal(size=(400, 1)).repeat(2, axis=1)
    together = RNG.normal(size=(20, 400, 1)).repeat(2, axis=2)
    apart = RNG.normal(size=(20, 400, 2))
    assert variogram_score(shared, together) == 0 < variogram_score(shared, apart)
    assert crps(shared, together) == pytest.approx(crps(shared, apart), rel=0.02)


def test_frames_of_one_group_count_as_one() -> None:
    gap = RNG.normal(size=100)
    alone, twice = margin(gap, np.arange(100)), margin(gap.repeat(2), np.arange(100).repeat(2))
    assert alone == pytest.approx(1.96 * gap.std(ddof=1) / 10)
    assert twice == pytest.approx(alone)
    assert margin(gap.repeat(2), np.arange(200)) < alone


def made(r2: float, crps: float, in90: float, ridge: float = 0.5) -> dict:
    """A run of one modality whose opponents are as good as the ridge."""

    def of(r2: float, crps: float, in90: float) -> dict:
        measures = {"r2": r2, "crps": crps, "energy": crps, "variogram": 0.1, "n": 200}
        return {"eye": measures | {"in50": 0.5, "in80": 0.8, "in90": in90}}

    others = dict.fromkeys((*CLOSED, *PARTS), of(ridge, 0.4, 0.9))
    return {
        "data": "digits", "seed": 0, "duplex": True, "score": 0.5, "cpu_s": 36.0,
        "measures": others | {"md2n": of(r2, crps, in90)},
        "cost_ms": {name: {"1": 0.1, "20": 0.5} for name in (*others, "md2n")},
        "against": {name: {"eye": [-0.1, 0.05]} for name in others},
        "weights": {"md2n": {"eye": {"weights": [0.2, 0.8, 0, 0]}}},
        "upper_bound": {"eye": 0.9},
    }  # fmt: skip


def lines(run: dict) -> list[str]:
    place = {("digits", "eye"): {method: of["eye"] for method, of in run["measures"].items()}}
    return demands(place, [run])


def test_a_demand_that_is_not_met_is_named_with_its_numbers() -> None:
    good, bad = lines(made(0.55, 0.3, 0.9)), lines(made(0.45, 0.5, 0.8))
    assert not any("not on" in line for line in good)
    assert "on 0 of 1 modalities; not on digits eye (0.450, ridge 0.500)" in bad[0]
    assert "on 1 of the 1" in good[1] and "on 0 of the 1" in bad[1]
    assert "not on digits eye (80.0)" in bad[2]
    assert "not on digits eye (0.500 against 0.400)" in bad[4]
    assert "not on digits eye (0.500 against 0.400)" in bad[5]


def test_nothing_to_recover_is_compared_with_the_marginal() -> None:
    worse = lines(made(0.0, 0.41, 0.9, ridge=0.0))
    assert "on 0 of 1; not on digits eye (0.410 against 0.400)" in worse[6]


def test_the_page_has_every_table_of_one_run() -> None:
    page = page_of([made(0.55, 0.3, 0.9)])
    assert "Still to be made: `ravdess_av-duplex-0`" in page and "`digits-duplex-0`" not in page
    assert "| eye | md2n | **0.550** | **0.300**" in page
    assert "surely lower on 1 of 1 modalities (eye)" in page
    assert not any(f"{{{name}}}" in page for name in ("tables", "parts", "network", "directions", "latents"))


def test_runs_of_older_code_are_named_and_a_run_made_again_replaces_its_numbers() -> None:
    old, new = made(0.55, 0.3, 0.9), made(0.6, 0.3, 0.9) | {"code": "abc"}
    assert "matched values ([log](log.md), 2026-11-29): `digits` (1). On" in page_of([old])
    assert "2026-11-29" not in page_of([new]).split("R²: 0")[0].split("```")[-1]
    other = old | {"seed": 1}
    assert merged([old, other], [new]) == [new, other]


def test_every_training_of_the_study_can_be_configured_and_has_a_folder_of_its_own() -> None:
    runs = study()
    assert len({run.name for run in runs}) == len(runs)
    assert all(run.config.seed == run.seed and run.config.data.name == run.data for run in runs)
    assert Trained("digits", 0, duplex=False).config.model.settings.diffusion.duplex is False


def test_a_run_is_done_where_the_file_has_it_by_the_installed_code(tmp_path: Path) -> None:
    save(
        [made(0.5, 0.4, 0.9) | {"code": training_code("md2n")}, made(0.5, 0.4, 0.9) | {"seed": 1}], tmp_path / "r.json"
    )
    assert saved(tmp_path / "r.json") == {"digits-duplex-0"}
    assert saved(tmp_path / "none.json") == set()


def test_a_single_number_has_no_variogram_score() -> None:
    run = made(0.5, 0.4, 0.9)
    assert "0.100" in page_of([run])
    for measures in run["measures"].values():
        measures["eye"]["variogram"] = 0.0
    page = page_of([run])
    assert "0.000" not in page
    assert "| – |" in page
