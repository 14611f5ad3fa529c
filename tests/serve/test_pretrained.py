"""A shared folder answers as its run does and tells no private path; the hub is a folder here."""

import json
import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import md2n
from md2n.data.samples import Samples
from md2n.errors import RunError, UsageError
from md2n.evaluation.results import ResultRow, append_results, provenance
from md2n.experiment.loading import load_run
from md2n.serve.card import licence_of, wilson
from md2n.serve.predictor import Predictor
from md2n.serve.pretrained import CARD, NEEDED, OPTIONAL, last_part, without_places
from tests.cli.commands import ask
from tests.serve.trained import people, sixty_digits, trained


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    """An evaluated run on people, with a line of another data set among its results."""
    run = trained(folder, "md2n", people())
    copy = folder / "evaluated"
    shutil.copytree(run, copy)
    facts = json.loads((copy / "run.json").read_text())
    rows = []
    for checksum, value in ((facts["data"]["checksum"], 0.5), ("other", 0.25)):
        source = provenance(
            dataset="people",
            split="test",
            data_checksum=checksum,
            model="md2n",
            config_hash="0",
            seed=0,
            protocol="fixed@1",
            run=".",
        )
        for condition in ("audio", "complete"):
            measured = {"condition": condition, "rate_requested": None, "rate_realised": 0.5, "n": 30}
            rows.append(ResultRow.of(source, **measured, metric="mae", value=value))
    append_results(copy / "results.jsonl", rows)
    return copy


def some(predictor: Predictor) -> np.ndarray:
    """Its predictions for three people with something missing."""
    return predictor.predict({"audio": [np.ones((4, 3)), None, np.zeros((2, 3))], "pulse": np.ones((3, 4))}).output


def test_a_shared_folder_answers_as_its_run(run: Path, tmp_path: Path) -> None:
    before = md2n.load(run)
    shared = before.save_pretrained(tmp_path / "shared", licence="mit")
    assert {p.name for p in shared.iterdir()} == {*NEEDED, *OPTIONAL, CARD}
    for after in (md2n.load(shared), md2n.from_pretrained(shared)):
        np.testing.assert_array_equal(some(after), some(before))
        assert after.schema == before.schema  # names, order, task
        assert after.notes == before.notes
    assert load_run(shared).config.model == load_run(run).config.model


def test_what_is_shared_again_is_the_same(run: Path, tmp_path: Path) -> None:
    first = md2n.load(run).save_pretrained(tmp_path / "first")
    second = md2n.load(first).save_pretrained(tmp_path / "second")
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {p.name: p.read_bytes() for p in second.iterdir()}
    assert md2n.load(run).save_pretrained(second) == second  # its own folder is replaced


def test_no_place_on_this_machine_is_told(run: Path, folder: Path, tmp_path: Path) -> None:
    shared = md2n.load(run).save_pretrained(tmp_path / "shared")
    assert str(folder) in (run / "config.json").read_text()
    assert [p.name for p in shared.iterdir() if str(folder).encode() in p.read_bytes()] == []
    assert json.loads((shared / "config.json").read_text())["data"]["name"] == "store-people"


@pytest.mark.parametrize(
    ("path", "part", "of_any"),
    [
        ("/home/me/mosi", "mosi", "mosi"),
        (r"C:\data\mosi", "mosi", "mosi"),
        ("~/mosi", "mosi", "mosi"),
        ("stores/mosi", "stores/mosi", "mosi"),
        ("digits", "digits", "digits"),
        ("", "", ""),
    ],
)
def test_paths_are_cut(path: str, part: str, of_any: str) -> None:
    assert (last_part(path), last_part(path, always=True)) == (part, of_any)


def test_a_predictor_of_arrays_is_shared_though_its_run_is_gone(digits: Samples, tmp_path: Path) -> None:
    fitted = md2n.fit(sixty_digits(), method="mean_fill", epochs=1, progress=False)
    shared = md2n.load(fitted.save_pretrained(tmp_path / "shared"))
    np.testing.assert_array_equal(shared.predict(digits).output, fitted.predict(digits).output)
    with pytest.raises(UsageError, match="made by hand"):
        Predictor(fitted.model, fitted.schema, fitted.normaliser).save_pretrained(tmp_path / "other")


def test_nothing_else_is_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.md").write_text("mine")
    (tmp_path / "notes" / "thesis.tex").write_text("mine")
    for place in (tmp_path / "notes", run, tmp_path / "notes" / "thesis.tex"):
        with pytest.raises(UsageError, match="something else"):
            md2n.load(run).save_pretrained(place)
    assert (tmp_path / "notes" / "thesis.tex").read_text() == "mine"


def front_matter(card: str) -> dict[str, Any]:
    lines = card.split("---\n")[1].splitlines()
    return {key: json.loads(value) for key, value in (line.split(": ", 1) for line in lines)}


def test_the_card_says_what_the_run_was(run: Path, tmp_path: Path) -> None:
    predictor = md2n.load(run)
    card = (predictor.save_pretrained(tmp_path / "shared", licence="cc-by-4.0") / CARD).read_text()
    front = front_matter(card)
    assert front["license"] == "cc-by-4.0"
    assert front["library_name"] == "md2n"
    assert front["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.5
    assert "| audio | 30 | 0.500 |" in card
    assert "0.250" not in card  # measured on other data
    assert predictor.certainty is not None
    assert f"| 2 | {predictor.certainty.half_widths[0][1]:.3g} |" in card
    assert "Features of 30 training samples are part of the weights." in card
    assert "Names of 3 members of `subject`" in card
    bare = (predictor.save_pretrained(tmp_path / "bare") / CARD).read_text()
    assert "license" not in front_matter(bare)
    assert "none was stated" in bare


def test_the_hub_can_read_the_card(run: Path, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = (md2n.load(run).save_pretrained(tmp_path / "shared", licence="mit") / CARD).read_text()
    data = hub.ModelCard(card).data
    assert (data.license, data.library_name) == ("mit", "md2n")
    assert data.eval_results[0].metric_value == 0.5


def test_an_interval_of_a_share() -> None:
    assert wilson(0.0, 50)[0] == pytest.approx(0, abs=1e-12)
    assert wilson(1.0, 50)[1] == pytest.approx(1)
    low, high = wilson(0.536, 401)
    assert (round(low, 3), round(high, 3)) == (0.487, 0.584)


class Hub:
    """What md2n asks of huggingface_hub, with a folder for the hub and links to files, as its cache has them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.private: bool | None = None

    def HfApi(self) -> "Hub":
        return self

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.private = private
        (self.place / repo_id).mkdir(parents=True)

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> SimpleNamespace:
        assert commit_message
        shutil.copytree(folder_path, self.place / repo_id, dirs_exist_ok=True)
        return SimpleNamespace(repo_url=f"https://huggingface.co/{repo_id}")

    def snapshot_download(self, repo_id: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        if not (self.place / repo_id).is_dir():
            raise FileNotFoundError(f"404 {repo_id}")
        cache = self.place / "cache"
        cache.mkdir()
        for file in (self.place / repo_id).iterdir():
            if any(fnmatch(file.name, pattern) for pattern in allow_patterns):
                (cache / file.name).symlink_to(file)
        return str(cache)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made_up = Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", made_up)  # type: ignore[arg-type]
    return made_up


def test_there_and_back_over_the_hub(run: Path, hub: Hub) -> None:
    predictor = md2n.load(run)
    assert predictor.push_to_hub("ann/people", licence="mit") == "https://huggingface.co/ann/people"
    assert hub.private
    (hub.place / "ann" / "people" / "evil.pkl").write_text("not asked for")
    back = md2n.from_pretrained("ann/people")
    np.testing.assert_array_equal(some(back), some(predictor))
    assert not (hub.place / "cache" / "evil.pkl").exists()


def test_refusals_of_the_hub_are_told(run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="404 ann/nothing") as refusal:
        md2n.from_pretrained("ann/nothing")
    assert "hf auth login" in refusal.value.hint
    with pytest.raises(RunError, match="there is no run folder"):
        md2n.from_pretrained("no such folder")
    with pytest.raises(UsageError, match="names no repository"):
        md2n.load(run).push_to_hub("people")
    monkeypatch.setattr(hub, "create_repo", lambda *a, **k: 1 / 0)
    with pytest.raises(RunError, match="ZeroDivisionError"):
        md2n.load(run).push_to_hub("ann/people")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for use in (lambda: md2n.from_pretrained("ann/people"), lambda: md2n.load(run).push_to_hub("ann/people")):
        with pytest.raises(UsageError, match="not installed") as refusal:
            use()
        assert "md2n[hub]" in refusal.value.hint


def test_the_command_shares_and_pushes(run: Path, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shared"
    said = ask(capsys, "share", run, "--out", out, "--push", "ann/people", "--public")
    assert said.code == 0
    assert said.out.strip() == str(out)
    assert "pushed to https://huggingface.co/ann/people" in said.err
    assert "30 training samples" in said.err
    assert "no licence" in said.err
    assert hub.private is False


def test_a_licence_stays_when_it_is_shared_again(run: Path, tmp_path: Path, capsys) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    ask(capsys, "share", run, "--out", first, "--licence", "mit")
    said = ask(capsys, "share", first, "--out", again)
    assert said.code == 0 and "no licence" not in said.err
    assert (again / CARD).read_bytes() == (first / CARD).read_bytes()
    assert licence_of(tmp_path / "nowhere.md") == ""
    (tmp_path / "hand.md").write_text("---\nlicense: cc-by-4.0\n---\nlicense: none\n")
    assert licence_of(tmp_path / "hand.md") == "cc-by-4.0"


def test_paths_are_cut_wherever_they_stand() -> None:
    tables = {"trainer": {"places": ["/home/me/a", 3, None]}, "text": "a / b", "more": "~/c"}
    assert without_places(tables) == {"trainer": {"places": ["a", 3, None]}, "text": "a / b", "more": "c"}
