"""A stranger's method, one file, through the benchmark beside md2n's own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from md2n.cli.reporting import naming
from md2n.experiment import benchmark
from md2n.experiment.results_store import collect
from md2n.experiment.source import digest, own_folder, training_code
from md2n.methods import added
from md2n.methods.catalogue import CONFIGS, MODELS
from md2n.methods.parts.config import FusionConfig
from tests.cli.commands import ask, refused
from tests.cli.test_benchmark import in_this_process

METHOD = '''"""Zeros for what is missing, by a file from outside."""

from md2n.fusion.transformer import GIVEN
from md2n.methods.base import Card, Losses, MultimodalModel, Prediction
from md2n.methods.parts.backbone import Backbone

import torch


class Mine(MultimodalModel):
    card = Card(title="my zeros", paper="nowhere", year=2026, family="reference", differences="none", recovers=False)

    def __init__(self, schema, config):
        super().__init__(schema)
        self.backbone = Backbone(schema, config)

    def _raw(self, batch):
        latents = self.backbone.encode(batch) * batch.available[:, :, None, None]
        return self.backbone.fuse(latents, torch.full_like(batch.available, GIVEN, dtype=torch.long))

    def loss(self, batch, generator):
        return Losses({"task": self.backbone.task_loss(self._raw(batch), batch)})

    def predict(self, batch, generator, *, draws=None):
        return Prediction(self.backbone.head.output(self._raw(batch)))


METHOD = Mine
'''
COMMAND = ("benchmark", "--data", "digits", "--models", "md2n", "--add")
ANSWER = "self.backbone.head.output(self._raw(batch))"
OWN = """
from dataclasses import dataclass


@dataclass(frozen=True)
class Own:
    a: int = 1


SETTINGS = Own
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file with a method; what it leaves in this process is taken away again."""
    file = tmp_path / "stranger_method.py"
    file.write_text(METHOD, encoding="utf-8")
    monkeypatch.setenv(added.ENVIRONMENT, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(MODELS, "_entries", dict(MODELS._entries))
    monkeypatch.setattr(CONFIGS, "_entries", dict(CONFIGS._entries))
    training_code.cache_clear()
    yield file
    sys.modules.pop(file.stem, None)
    training_code.cache_clear()


def test_a_file_is_measured_beside_the_methods_that_are_there(capsys, monkeypatch, tmp_path, sixty: Path, mine: Path):
    monkeypatch.setattr(benchmark._Crew, "call", in_this_process)
    out = tmp_path / "bench"
    command = ["benchmark", "--data", sixty, "--models", "zero_fill", "--add", mine, "--seeds", 1, "--out", out]
    done = ask(capsys, *command, "--protocol", "fixed", "--workers", 1, "--set", "trainer.epochs=1", "--quiet")
    assert done.code == 0, done.err
    assert os.environ[added.ENVIRONMENT] == str(mine)  # which the workers inherit
    assert {row.model for row in collect([out]).rows} == {"zero_fill", "stranger_method"}
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "stranger_method" in page and "my zeros" not in page


def test_two_methods_with_one_title_are_two_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mine: Path):
    twin = tmp_path / "stranger_twin.py"
    twin.write_text("from md2n.methods.modality_dropout.model import ModalityDropout as METHOD\n", encoding="utf-8")
    from md2n.methods.catalogue import add

    monkeypatch.setenv(added.ENVIRONMENT, str(twin))
    add(twin.stem, twin)
    named = naming(["modality_dropout", twin.stem, "zero_fill"])
    labels = [named.label(m) for m in ("modality_dropout", twin.stem, "zero_fill")]
    assert labels[1:] == [twin.stem, "zero fill"] and labels[0] != labels[1]
    sys.modules.pop(twin.stem, None)


def test_an_edit_of_the_file_makes_its_runs_old_and_no_others(monkeypatch: pytest.MonkeyPatch, mine: Path):
    monkeypatch.setenv(added.ENVIRONMENT, str(mine))
    before = digest(Path(benchmark.__file__).parents[1], (own_folder(mine.stem),))
    mine.write_text(METHOD.replace("GIVEN, dtype", "0 * GIVEN, dtype"), encoding="utf-8")
    assert digest(Path(benchmark.__file__).parents[1], (own_folder(mine.stem),)) != before
    assert own_folder("zero_fill") == "methods/zero_fill"


def test_settings_are_those_of_the_file_or_of_fusion(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mine: Path):
    other = tmp_path / "stranger_settings.py"
    other.write_text(METHOD + OWN, encoding="utf-8")
    from md2n.methods.catalogue import add, config_class

    for file in (mine, other):
        add(file.stem, file)
    assert config_class(mine.stem) is FusionConfig
    assert config_class(other.stem)().a == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("nowhere.py", None, "is no Python file"),
        ("my-method.py", METHOD, "cannot name a method"),
        ("stranger_empty.py", "x = 1\n", "no METHOD that is a MultimodalModel"),
        ("stranger_card.py", METHOD.replace("card = ", "cart = "), "has no card"),
        ("stranger_broken.py", "import nothing_of_this_name\n", "cannot be imported: ModuleNotFoundError"),
        ("stranger_words.py", METHOD + "\nSETTINGS = 3\n", "are no dataclass"),
        ("stranger_shape.py", METHOD.replace(ANSWER, f"{ANSWER}[:, :2]"), "4 samples of 3 classes with shape [4, 2]"),
        ("stranger_rows.py", METHOD.replace(ANSWER, f"{ANSWER}[:1]"), "4 samples of 3 classes with shape [1, 3]"),
        ("json.py", METHOD, "another module is called 'json'"),
    ],
)  # fmt: skip
def test_what_is_no_method_is_refused_before_any_work(capsys, tmp_path, mine, name, text, message):
    file = tmp_path / name
    if text is not None:
        file.write_text(text, encoding="utf-8")
    out = tmp_path / "bench"
    refused(capsys, 2, message, *COMMAND, file, "--out", out)
    assert not out.exists()
    if name.startswith("stranger"):
        sys.modules.pop(file.stem, None)


def test_a_name_of_md2n_is_not_taken(capsys, tmp_path: Path, mine: Path):
    file = tmp_path / "zero_fill.py"
    file.write_text(METHOD, encoding="utf-8")
    refused(capsys, 2, "a method of md2n is called 'zero_fill'", *COMMAND, file, "--out", tmp_path / "bench")
    sys.modules.pop("zero_fill", None)
