"""Every registered method tells what it is, in its card and in the docs; every preset builds the model it names."""

import configparser
import re

import pytest

from md2n.experiment.config import presets, resolve
from md2n.methods.base import Card, MultimodalModel
from md2n.methods.catalogue import CONFIGS, MODELS, build
from md2n.modality import Modality, Schema, Task
from tests.project.sources import ROOT

FAMILIES = {"recovery", "translation", "correlation", "graph", "reference", "upper bound"}
SENTIMENT = Schema(
    (Modality("text", 768, 50), Modality("audio", 74, 50), Modality("vision", 35, 50)),
    Task("regression", "sentiment", low=-3, high=3, sentiment=True),
)


@pytest.mark.parametrize("name", MODELS.names())
def test_the_card_says_what_a_reader_must_know(name: str) -> None:
    cls = MODELS.get(name)
    assert issubclass(cls, MultimodalModel)
    assert isinstance(cls.card, Card)
    assert cls.card.family in FAMILIES
    assert 1900 < cls.card.year < 2100
    assert len(cls.card.differences) > 40
    assert CONFIGS.get(name)


@pytest.mark.parametrize("name", MODELS.names())
def test_the_docs_say_when_to_choose_it(name: str) -> None:
    text = (ROOT / "docs" / "choose-settings.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text


def test_no_two_methods_share_a_title() -> None:
    titles = [MODELS.get(name).card.title for name in MODELS.names()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", presets())
def test_the_preset_builds_its_model_at_full_size(name: str, digits: Schema) -> None:
    config = resolve(name)
    for schema in (digits, SENTIMENT):
        model = build(config.model.name, schema, config.model.settings, config.seed)
        assert isinstance(model, MODELS.get(config.model.name))
        assert model.schema == schema
        assert sum(p.numel() for p in model.parameters()) > 0


@pytest.fixture(scope="module")
def digits() -> Schema:
    from md2n.data.ready import load

    return load("digits").schema()


@pytest.mark.parametrize("name", presets())
def test_the_docs_name_the_preset(name: str) -> None:
    text = (ROOT / "docs" / "choose-settings.md").read_text(encoding="utf-8")
    assert re.search(rf"`{name}`", text)


def test_the_import_contracts_name_every_method() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = contracts["importlinter:contract:methods"]["layers"].split("\n")
    folders = {MODELS.module(name).split(".")[2] for name in MODELS.names()}
    assert {word.strip() for line in layers[1:4] for word in line.split("|")} == folders | {"catalogue"}
    builds_on_none = contracts["importlinter:contract:diffusion-is-md2n's"]["source_modules"].split()
    assert {f"md2n.methods.{name}" for name in folders - {"md2n"}} <= set(builds_on_none)
