"""The paper's tables as runs of the benchmark's engine: whose folders they are, who is refused, one from end to end."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from md2n.cli import main
from md2n.data.samples import Samples
from md2n.data.store import write_store
from md2n.errors import ConfigError, DataError, RunError, UsageError
from md2n.experiment import benchmark
from md2n.experiment.config import resolve
from md2n.experiment.plan import plan
from md2n.experiment.reproduce import FULL_T1, FULL_T2, STUDIES, check_data, jobs_of, measures_of, study_of
from md2n.modality import Task
from md2n.report.reproduced import from_json
from tests.experiment.made import made, store


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_runs_of_the_benchmarks_engine_and_no_two_rows_share_a_folder(name: str, tmp_path: Path) -> None:
    study = study_of(name)
    pairs = jobs_of(study, "digits", tmp_path)
    assert len(pairs) == 5 * len(study.rows)
    assert len({job.run for _, job in pairs}) == len(pairs)
    assert [job.seed for _, job in pairs] == sorted(job.seed for _, job in pairs)  # cut short, it has whole comparisons
    configs = {row.name: job.config.model for row, job in pairs if job.seed == 0}
    assert all(configs[a] != configs[b] for a in configs for b in configs if a < b)
    assert {name for pair in study.pairs for name in pair} <= configs.keys()
    own = {job.run for row, job in pairs if not row.variant}
    methods = [row.model for row in study.rows if not row.variant]
    assert own == {job.run for job in plan(["digits"], methods, 5, tmp_path)}


def test_the_full_method_is_one_run_in_every_table_that_shows_it(tmp_path: Path) -> None:
    runs = {}
    for study, row in (("table2", "full"), ("table4", "both"), ("fig4", f"{FULL_T1}-{FULL_T2}")):
        runs[study] = next(j for r, j in jobs_of(study_of(study), "digits", tmp_path, seeds=1) if r.name == row)
    assert runs["table2"] == runs["table4"] == runs["fig4"]
    assert runs["table2"].config.model == resolve("ablation_full").model
    assert runs["table2"].config.model.settings.diffusion.t1 == FULL_T1


def test_a_method_with_recovery_is_trained_as_it_is_alone_after_md2n(tmp_path: Path) -> None:
    for row, job in jobs_of(study_of("table3"), "digits", tmp_path, seeds=1):
        if row.model != "with_recovery":
            continue
        method = row.name.removesuffix("_md2n")
        alone, ours = resolve(method if method != "zero_fill" else None, model=method).trainer, job.config.trainer
        assert job.config.model.settings.method == method
        assert (ours.learning_rate, ours.weight_decay) == (alone.learning_rate, alone.weight_decay)
        share = job.config.model.settings.share
        assert ours.epochs * (1 - share) == pytest.approx(alone.epochs, abs=0.01)


def config_of(data: object):
    return resolve(data=str(data)).data


def test_a_set_with_too_few_modalities_or_without_the_label_is_refused(tmp_path: Path) -> None:
    two = config_of(store(tmp_path))
    for name in ("table1", "table2", "fig1", "fig3"):
        with pytest.raises(DataError, match=f"{name} needs 3 modalities, and 'made' has 2: video, pulse"):
            check_data(study_of(name), two)
    assert check_data(study_of("table4"), two)[1] == ("accuracy", "macro_f1")
    with pytest.raises(DataError, match="'acc7' needs a sentiment around 0"):
        check_data(study_of("table4"), two, ["acc7"])
    whole: Samples = made()
    labels = whole.labels["mood"].values.copy()
    labels[np.asarray(whole.split) == 2] = -1
    unknown = replace(whole, name="unknown", labels={"mood": replace(whole.labels["mood"], values=labels)})
    with pytest.raises(DataError, match="no label 'mood' of the test split of 'unknown' is known"):
        check_data(study_of("table4"), config_of(write_store(tmp_path / "unknown", unknown)))
    with pytest.raises(UsageError, match="there is no 'table9'"):
        study_of("table9")
    with pytest.raises(UsageError, match="table1 has no row 'foo'"):
        study_of("table1", ["foo"])


def test_a_sentiment_has_the_papers_measures() -> None:
    sentiment = Task("regression", "mood", low=-3, high=3, sentiment=True)
    assert measures_of(sentiment) == ("acc2_nonzero", "f1_weighted_nonzero", "acc7")
    assert measures_of(sentiment, ["mae"]) == ("mae",)
    assert measures_of(Task("regression", "age"))[0] == "mae"


TINY = ("trainer.steps=4", "trainer.validations=1", "trainer.calibrate_predictions=false")


@pytest.mark.parametrize("data", ["made", pytest.param("digits", marks=pytest.mark.slow)])
def test_table_3_from_the_command_to_its_report_and_not_twice(data, tmp_path, monkeypatch, capsys) -> None:
    calls: list[str] = []
    place = str(store(tmp_path)) if data == "made" else data
    out = tmp_path / "out"

    def inside(crew: object, command: list[str]) -> tuple[int, str]:
        calls.append(command[0])
        return main.dispatch(command), ""

    monkeypatch.setattr(benchmark._Crew, "call", inside)
    options = ["--data", place, "--out", str(out), "--seeds", "1", "--workers", "1", "--quiet"]
    command = ["reproduce", "table3", "--models", "mctn,mctn_md2n", *options]
    command += [part for s in TINY for part in ("--set", s)]
    assert main.dispatch([*command, "--plan"]) == 0
    with pytest.raises(RunError, match="no run of this study is done"):
        main.dispatch([*command, "--no-run"])
    assert not calls
    capsys.readouterr()
    assert main.dispatch(command) == 0
    assert calls == ["train", "evaluate"] * 2
    text = capsys.readouterr().out
    assert "mctn with MD²N's recovery" in text
    assert "Published: Table 3" in text
    assert "Mean difference" in text
    folder = out / "reports" / f"table3-{data}"
    one = from_json(json.loads((folder / "reproduced.json").read_text()))
    assert [len(one.first.seeds(label)) for label in one.first.models] == [1, 1]
    assert one.first.conditions == ("rate=0.3",)
    # One run has a margin over its test samples all the same.
    assert one.differences[0].margin
    assert one.cpu_s > 0
    assert main.dispatch(command) == 0
    shutil.rmtree(out / "variants" / "mctn_md2n")
    assert main.dispatch([*command, "--no-run"]) == 0
    assert calls == ["train", "evaluate"] * 2
    left = from_json(json.loads((folder / "reproduced.json").read_text()))
    assert (len(one.first.models), list(left.first.models)) == (2, ["mctn"])
    with pytest.raises(UsageError, match="was made with"):
        main.dispatch([*command, "--set", "trainer.steps=5"])


def test_a_setting_that_a_row_does_not_have_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'model.diffusion'"):
        jobs_of(study_of("table3"), "digits", tmp_path, sets=["model.diffusion.t1=100"])
