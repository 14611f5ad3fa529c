"""``md2n evaluate``, ``predict``, ``recover``, ``report``: data on stdout, files whole, what does not fit refused."""

import csv
import html
import io
import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from md2n.data.samples import LabelColumn, Ragged
from md2n.data.store import checksum, open_store, verify_store, write_store
from md2n.errors import install_hint
from md2n.escape import from_csv_cell
from md2n.missing import incomplete_patterns
from md2n.modality import Task, set_name
from tests.cli.commands import ask, refused
from tests.serve.trained import people, settings, sixty_digits, trained

NAMES = ("rows", "edges", "fourier", "moments")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_pickle_of_one_clip_is_predicted_and_its_notes_are_told(capsys, aligned_pickle: Path, tmp_path: Path):
    run = tmp_path / "run"
    sets = [f"--set={one}" for one in settings("modality_dropout")]
    train = ask(capsys, "train", "--data", aligned_pickle, "--model", "modality_dropout", "--out", run, *sets)
    assert train.code == 0
    assert "note: train/audio: 1 samples are zeros alone and count as absent" in train.err
    clip = {"text": np.ones((4, 3)), "audio": np.ones((7, 4)), "config": {}}
    clip["audio"][:3] = 0
    one = tmp_path / "one.pkl"
    one.write_bytes(pickle.dumps(clip))
    found = ask(capsys, "predict", run, "--data", one, "--any-units")
    assert found.code == 0
    assert [row["available"] for row in table(found.out)] == ["text+audio"]
    assert "note: read as one clip: the file has neither splits nor ids" in found.err
    np.savez(tmp_path / "new.npz", x_text=clip["text"][None], x_audio=clip["audio"][None])
    same = ask(capsys, "predict", run, "--data", tmp_path / "new.npz", "--any-units")
    assert table(same.out)[0]["prediction"] == table(found.out)[0]["prediction"]
    taken = (
        "'audio': 3 frames of zeros alone at the start or end of 1 samples were taken for padding, as in the training"
    )
    assert f"note: {taken} data" in same.err
    assert taken not in found.err


@pytest.fixture
def aligned_pickle(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    content = {}
    for split, count in (("train", 12), ("valid", 4), ("test", 4)):
        part = {"text": rng.normal(1, 1, (count, 4, 3)), "audio": rng.normal(1, 1, (count, 8, 4))}
        part["audio"][:, :3] = part["audio"][0] = 0
        content[split] = {**part, "regression_labels": rng.uniform(-1, 1, count)}
    file = tmp_path / "aligned.pkl"
    file.write_bytes(pickle.dumps(content))
    return file


# --- evaluate --------------------------------------------------------------------------------------------------------


def test_the_fixed_protocol_prints_every_pattern_once_and_writes_a_report(capsys, dropout: Path):
    said = ask(capsys, "evaluate", dropout)
    assert said.code == 0
    for pattern in incomplete_patterns(NAMES):
        assert f"| {set_name(pattern)} |" in said.out
    assert f"report: {dropout / 'report' / 'index.html'}" in said.err
    assert "error" not in said.err
    count = len((dropout / "results.jsonl").read_text().splitlines())
    again = ask(capsys, "evaluate", dropout)
    assert again.out == said.out
    assert len((dropout / "results.jsonl").read_text().splitlines()) == count
    assert (dropout / "report" / "tables").is_dir()


def test_the_verdict_comes_first_then_patterns_as_rows(capsys, dropout: Path):
    said = ask(capsys, "evaluate", dropout, "--quiet").out.splitlines()
    assert said[0].startswith("modality dropout: accuracy ") and " over 14 incomplete patterns, worst " in said[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in said if line.startswith("| ")]
    assert rows[:4] == ["available", "---", "mean of incomplete", "worst"]
    worst = next(line for line in said if line.startswith("| worst |")).split(" | ")[1].split(" ")[0]
    assert f"worst {worst} %" in said[0]


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_without_matplotlib_figures_are_left_out_with_a_line(
    capsys, md2n_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
):
    assert ask(capsys, "evaluate", md2n_run).code == 0  # recoveries to draw are there
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # importing it fails, as where it is not installed
    folder = md2n_run / "report" if command == "evaluate" else tmp_path / "report"
    said = ask(capsys, command, md2n_run, *(["--out", folder] if command == "report" else []))
    assert said.code == 0, said.err
    assert [line for line in said.err.splitlines() if "matplotlib" in line] == [
        f"figures are left out, for matplotlib is not installed: {install_hint('plot')}"
    ]
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert install_hint("plot") in html.unescape(text) and "<svg" not in text
    assert len(list((folder / "tables").glob("*patterns-accuracy.*"))) == 3


def test_the_random_protocol_shares_masks(capsys, dropout: Path, md2n_run: Path, tmp_path: Path):
    masks = tmp_path / "masks.npz"
    one = ask(capsys, "evaluate", dropout, "--protocol", "random", "--masks", masks)
    before = masks.read_bytes()
    two = ask(capsys, "evaluate", md2n_run, "--protocol", "random", "--masks", masks, "--no-recovery", "--draws", 1)
    assert (one.code, two.code) == (0, 0)
    assert masks.read_bytes() == before
    page = dropout / "report" / "index.html"
    assert "rate=0.7" in page.read_text(encoding="utf-8")
    assert ask(capsys, "evaluate", dropout, "--protocol", "fixed").code == 0
    assert "rate=0.7" in page.read_text(encoding="utf-8")  # what was measured before is still told
    settings = []
    for run in (dropout, md2n_run):
        rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
        settings.append({r["settings"]["masks"] for r in rows if r["protocol"] == "random@1"})
        assert {r["condition"] for r in rows if r["protocol"] == "random@1"} >= {"rate=0", "rate=0.7"}
    assert settings[0] == settings[1]
    assert len(settings[0]) == 1


def test_single_modalities_are_hidden_at_rates(capsys, dropout: Path):
    said = ask(capsys, "evaluate", dropout, "--hide", "edges=0.5", "--hide", "rows=0.25")
    assert said.code == 0
    assert "| method | rows=0.25,edges=0.5 | seeds |" in said.out
    assert "'edges' is hidden from" in said.err
    assert "hidden@1" in (dropout / "report" / "index.html").read_text()
    for wrong, message in (("edges", "is not MODALITY=RATE"), ("edges=2", "rate lies in"), ("edgs=0.1", "to hide")):
        refused(capsys, 2, message, "evaluate", dropout, "--hide", wrong)


def test_recovery_is_measured_and_drawn(capsys, md2n_run: Path):
    said = ask(capsys, "evaluate", md2n_run, "--split", "valid")
    assert said.code == 0
    assert "recover" in said.out.lower()
    rows = [json.loads(line) for line in (md2n_run / "results.jsonl").read_text().splitlines()]
    assert {r["target"] for r in rows if r["split"] == "valid"} == {"", *NAMES}


def test_evaluate_refuses_by_name(capsys, dropout: Path, tmp_path: Path):
    refused(capsys, 5, "there is no run folder", "evaluate", tmp_path / "nowhere")
    assert "did you mean 'fixed'" in refused(
        capsys, 2, "no protocol is called 'fixd'", "evaluate", dropout, "--protocol", "fixd"
    )
    assert "did you mean 'test'" in refused(
        capsys, 2, "no split is called 'tst'", "evaluate", dropout, "--split", "tst"
    )
    other = write_store(tmp_path / "people", people())
    refused(capsys, 2, "has no modality 'rows'", "evaluate", dropout, "--data", other)


# --- predict ---------------------------------------------------------------------------------------------------------


def test_predictions_go_to_stdout_or_to_a_file_and_are_the_same(capsys, md2n_run: Path, sixty: Path, tmp_path: Path):
    said = ask(capsys, "predict", md2n_run, "--data", sixty, "--quiet")
    assert (said.code, said.err) == (0, "")
    told = ask(capsys, "predict", md2n_run, "--data", sixty)
    assert told.out == said.out
    assert told.err.splitlines() == [f"predicting with {md2n_run} ...", f"predicting with {md2n_run}: [60/60] samples"]
    rows = table(said.out)
    samples = open_store(sixty)
    assert [r["id"] for r in rows] == samples.ids.tolist()
    assert list(rows[0]) == ["id", "prediction", "std", *(f"p_{c}" for c in range(10)), "available"]
    for row in rows:
        p = [float(row[f"p_{c}"]) for c in range(10)]
        assert sum(p) == pytest.approx(1, abs=1e-4)
        assert row["prediction"] == str(int(np.argmax(p)))
        assert row["available"] == "rows+edges+fourier+moments"
    out = tmp_path / "predictions.csv"
    filed = ask(capsys, "predict", md2n_run, "--data", sixty, "--out", out)
    assert (filed.code, filed.out) == (0, "")
    assert out.read_text() == said.out


def test_hidden_views_a_split_and_draws(capsys, md2n_run: Path):
    arguments = ["predict", md2n_run, "--data", "digits", "--split", "test", "--hide", "rows", "--hide", "edges"]
    said = ask(capsys, *arguments, "--draws", 3)
    rows = table(said.out)
    assert said.code == 0
    assert len(rows) > 300
    assert {r["available"] for r in rows} == {"fourier+moments"}
    assert all(float(r["std"]) > 0 for r in rows)
    assert ask(capsys, *arguments, "--draws", 3).out == said.out
    unasked = ask(capsys, *arguments)
    assert all(float(r["std"]) > 0 for r in table(unasked.out))
    assert unasked.out == ask(capsys, *arguments, "--draws", 8).out
    single = ask(capsys, *arguments, "--draws", 1)
    assert "note: no standard deviation: a single draw has none" in single.err
    drop = [{k: v for k, v in r.items() if k != "std"} for r in table(unasked.out)]
    assert table(single.out) == drop
    assert ask(capsys, *arguments, "--draws", 3, "--seed", 1).out != said.out


def test_real_labels_and_unlabelled_data_of_strangers(capsys, made: Path, tmp_path: Path):
    run = trained(made, "modality_dropout", people())
    new = replace(people(seed=4), labels={}, default_label="", groups={})
    store = write_store(tmp_path / "new", new)
    said = ask(capsys, "predict", run, "--data", store)
    assert said.code == 0
    assert "note: the model normalises each subject apart" in said.err
    rows = table(said.out)
    ends = [f"{end}_{level}" for level in (50, 80, 90) for end in ("low", "high")]
    assert list(rows[0]) == ["id", "prediction", *ends, "available"]
    for row in rows:
        nested = ("low_90", "low_80", "low_50", "prediction", "high_50", "high_80", "high_90")
        assert [float(row[name]) for name in nested] == sorted(float(row[name]) for name in nested)
    assert "note: no standard deviation: the method draws nothing" in said.err
    assert np.isfinite([float(r["prediction"]) for r in rows]).all()
    assert {r["available"] for r in rows} == {"audio+video+pulse", "audio+pulse"}


def test_what_the_model_does_not_know_is_left_out_or_refused(capsys, dropout: Path, tmp_path: Path):
    digits = sixty_digits()
    more = replace(digits, modalities={**digits.modalities, "colour": Ragged.from_padded(np.ones((60, 3)))})
    store = write_store(tmp_path / "more", more)
    said = ask(capsys, "predict", dropout, "--data", store)
    assert said.code == 0
    assert "left out, because the model does not read it: colour" in said.err
    renamed = {("row" if k == "rows" else k): r for k, r in digits.modalities.items()}
    store = write_store(tmp_path / "renamed", replace(digits, modalities=renamed))
    assert "did you mean 'rows'" in refused(
        capsys, 3, "the model knows no modality 'row'", "predict", dropout, "--data", store
    )
    labelled = {"age": LabelColumn(np.zeros(60, np.float32), Task("regression", "age"))}
    store = write_store(tmp_path / "age", replace(digits, labels=labelled, default_label="age"))
    assert ask(capsys, "predict", dropout, "--data", store).code == 0


def test_foreign_units_are_refused_or_taken(capsys, dropout: Path, tmp_path: Path):
    digits = sixty_digits()
    edges = digits.modalities["edges"]
    foreign = replace(digits, modalities={**digits.modalities, "edges": replace(edges, values=edges.values * 1000)})
    store = write_store(tmp_path / "foreign", foreign)
    assert "--any-units" in refused(capsys, 3, "lie far outside", "predict", dropout, "--data", store)
    assert ask(capsys, "predict", dropout, "--data", store, "--any-units").code == 0


def test_predict_refuses_by_name(capsys, dropout: Path, sixty: Path, tmp_path: Path):
    base = ["predict", dropout, "--data", sixty]
    assert "did you mean 'rows'" in refused(capsys, 2, "there is no modality 'row' to hide", *base, "--hide", "row")
    everything = [part for name in NAMES for part in ("--hide", name)]
    refused(capsys, 3, "60 of 60 samples hold no modality at all", *base, *everything)
    assert "did you mean 'test'" in refused(capsys, 2, "no split is called 'tests'", *base, "--split", "tests")
    refused(capsys, 3, "is neither a ready set nor a file", "predict", dropout, "--data", "digts")
    refused(capsys, 5, "there is no run folder", "predict", tmp_path / "nowhere", "--data", sixty)
    refused(capsys, 7, "cannot write", *base, "--out", tmp_path / "no" / "predictions.csv")
    refused(capsys, 2, "device 'cuda' is not available", *base, "--device", "cuda")
    (damaged := tmp_path / "damaged").mkdir()
    for name in ("config.json", "schema.json", "run.json", "normaliser.json", "normaliser.safetensors"):
        (damaged / name).write_bytes((dropout / name).read_bytes())
    (damaged / "model.safetensors").write_bytes((dropout / "model.safetensors").read_bytes()[:-9])
    refused(capsys, 5, "is not what training wrote", "predict", damaged, "--data", sixty)


# --- recover ---------------------------------------------------------------------------------------------------------


def test_a_recovered_store_is_whole_keeps_what_was_there_and_can_be_used(capsys, md2n_run: Path, sixty: Path, tmp_path):
    out = tmp_path / "filled"
    arguments = ["recover", md2n_run, "--data", sixty, "--hide", "rows", "--out", out, "--draws", 2, "--steps", 2]
    said = ask(capsys, *arguments)
    assert (said.code, said.out) == (0, f"{out}\n")
    assert "rows: 60 of 60 recovered" in said.err
    assert "edges: 0 of 60 recovered" in said.err
    assert verify_store(out) == []
    filled, given = open_store(out), open_store(sixty)
    assert filled.names == (*NAMES, *(f"{n}_std" for n in NAMES))
    assert filled.present.all()
    for name in NAMES[1:]:
        assert np.array_equal(filled.modalities[name].values, given.modalities[name].values)
        assert not filled.modalities[f"{name}_std"].values.any()
    assert np.array_equal(filled.modalities["rows"].offsets, given.modalities["rows"].offsets)
    std = filled.modalities["rows_std"].values
    assert (std >= 0).all()
    assert (std > 0).mean() > 0.6  # zero where matched training samples agree, as on the dark border of an image
    assert filled.ids.tolist() == given.ids.tolist()
    assert filled.label().values.tolist() == given.label().values.tolist()
    used = ask(capsys, "predict", md2n_run, "--data", out)
    assert used.code == 0
    assert "left out, because the model does not read it: rows_std" in used.err
    assert ask(capsys, *arguments).code == 0  # an older store makes way


def test_a_method_that_draws_nothing_recovers_without_spreads(capsys, made: Path, sixty: Path, tmp_path: Path):
    run, out = trained(made, "mctn", sixty_digits()), tmp_path / "filled"
    said = ask(capsys, "recover", run, "--data", sixty, "--hide", "rows", "--out", out)
    assert said.code == 0
    assert "note: no standard deviation: the method draws nothing" in said.err
    assert open_store(out).names == NAMES
    assert open_store(out).present.all()


def test_recover_refuses_before_the_work(capsys, dropout: Path, md2n_run: Path, sixty: Path, tmp_path: Path):
    refused(capsys, 2, "does not recover modalities", "recover", dropout, "--data", sixty, "--out", tmp_path / "x")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    refused(capsys, 3, "exists and is not a store", "recover", md2n_run, "--data", sixty, "--out", mine)
    assert [p.name for p in mine.iterdir()] == ["thesis.txt"]
    assert not (tmp_path / "x").exists()


# --- report ----------------------------------------------------------------------------------------------------------


def test_a_report_of_many_runs(capsys, dropout: Path, md2n_run: Path, tmp_path: Path):
    for run in (dropout, md2n_run):
        assert ask(capsys, "evaluate", run, "--no-recovery").code == 0
    out = tmp_path / "report"
    said = ask(capsys, "report", dropout, md2n_run / "results.jsonl", "--out", out)
    assert (said.code, said.out) == (0, f"{out / 'index.html'}\n")
    page = (out / "index.html").read_text()
    assert "modality_dropout" in page
    assert "md2n" in page
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert ask(capsys, "report", dropout, md2n_run, "--out", out).code == 0
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_report_refuses_by_name(capsys, tmp_path: Path):
    out = tmp_path / "report"
    refused(capsys, 5, "there is no run folder or results file", "report", tmp_path / "nowhere", "--out", out)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "md2n evaluate" in refused(capsys, 5, "holds no results", "report", empty, "--out", out)
    results = empty / "results.jsonl"
    results.write_text('{"a": 1}\n')
    refused(capsys, 5, "holds no results", "report", empty, "--out", out)  # a file alone is no run
    refused(capsys, 3, "is not a result row", "report", results, "--out", out)
    results.write_text("")
    refused(capsys, 3, "there are no results to report", "report", results, "--out", out)
    assert not out.exists()


# --- other people's words, and places --------------------------------------------------------------------------------


def test_ids_that_a_spreadsheet_or_a_terminal_would_obey_are_escaped_and_come_back(capsys, dropout, tmp_path):
    odd = ["=1+1", "+1", "-1", "@x", "a\x1b[31mred", "b\nc", "'q", "plain"]
    samples = sixty_digits().select(np.arange(len(odd)))
    data = write_store(tmp_path / "store", replace(samples, ids=np.asarray(odd)))
    said = ask(capsys, "predict", dropout, "--data", data)
    assert said.code == 0
    assert "\x1b" not in said.out
    assert [from_csv_cell(row["id"]) for row in table(said.out)] == odd
    assert [row["id"][0] for row in table(said.out)] == [*"'" * 7, "p"]
    lost = replace(samples, ids=np.asarray(odd), modalities={k: r.all_absent() for k, r in samples.modalities.items()})
    told = refused(capsys, 3, "hold no modality at all", "predict", dropout, "--data", write_store(data, lost))
    assert "a\\x1b[31mred" in told
    assert "\x1b" not in told


def test_nothing_is_written_over_the_data(capsys, dropout, md2n_run, sixty, tmp_path, monkeypatch):
    monkeypatch.chdir(sixty.parent)
    link = tmp_path / "link"
    link.symlink_to(sixty)
    for out in (sixty, link, "./store-digits"):
        refused(capsys, 2, "would replace the data", "recover", md2n_run, "--data", "store-digits", "--out", out)
        refused(capsys, 2, "would replace the data", "predict", dropout, "--data", sixty, "--out", out)
    refused(capsys, 2, "would replace the data", "predict", dropout, "--data", sixty, "--out", sixty / "ids.json")
    source = tmp_path / "data.npz"
    np.savez(source, x_a=np.ones((3, 2)), x_b=np.ones((3, 2)))
    refused(capsys, 2, "would replace the data", "data", "import", source, "--out", tmp_path)
    before = open_store(sixty)
    same = ask(capsys, "data", "import", "store-digits", "--out", sixty)  # a store written anew loses nothing
    assert same.code == 0
    assert checksum(before) == checksum(open_store(sixty))
    assert verify_store(sixty) == []


@pytest.mark.parametrize("command", [["data", "import", "digits"], ["recover", "run", "--data", "digits"]])
def test_no_store_takes_the_name_of_a_ready_set(capsys, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    refused(capsys, 2, "'mosi' is the name of a ready set", *command, "--out", "mosi")
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_through_a_link_is_where_it_leads(capsys, dropout, sixty, tmp_path):
    (tmp_path / "disk").mkdir()
    for name in ("answers.csv", "store", "report"):
        (tmp_path / name).symlink_to(Path("disk") / name)
    assert ask(capsys, "predict", dropout, "--data", sixty, "--out", tmp_path / "answers.csv").code == 0
    assert ask(capsys, "data", "import", "digits", "--out", tmp_path / "store").code == 0
    assert ask(capsys, "evaluate", dropout).code == 0
    assert ask(capsys, "report", dropout, "--out", tmp_path / "report").code == 0
    assert all((tmp_path / name).is_symlink() for name in ("answers.csv", "store", "report"))
    assert (tmp_path / "disk" / "answers.csv").read_text().startswith("id,prediction")
    assert verify_store(tmp_path / "disk" / "store") == []
    assert (tmp_path / "disk" / "report" / "index.html").is_file()
