"""Putting a configuration together from presets, files, overrides and another method."""

import json
from pathlib import Path

import pytest

from md2n.config import config_hash, from_mapping, to_mapping
from md2n.errors import ConfigError, UsageError
from md2n.experiment.config import ExperimentConfig, another_method, presets, resolve
from md2n.methods.catalogue import MODELS, config_class
from md2n.methods.md2n.config import MD2NConfig
from md2n.methods.parts.config import FusionConfig
from md2n.training.config import TrainerConfig


def test_without_a_word_it_is_the_dataclasses_defaults() -> None:
    assert resolve() == resolve("default") == ExperimentConfig()


@pytest.mark.parametrize("name", MODELS.names())
def test_every_method_has_settings_that_go_to_json_and_back(name: str) -> None:
    config = resolve("default", model=name, seed=3, data="somewhere")
    assert isinstance(config.model.settings, config_class(name))
    mapping = json.loads(json.dumps(to_mapping(config)))
    assert from_mapping(ExperimentConfig, mapping) == config
    assert mapping["model"]["name"] == name
    assert (config.seed, config.data.name) == (3, "somewhere")


def test_overrides_come_last_and_in_order() -> None:
    config = resolve("paper", ["trainer.epochs=9", "seed=4", "data.name=mosi", "trainer.epochs=8"], data="x", seed=1)
    assert (config.trainer.epochs, config.seed, config.data.name) == (8, 4, "mosi")
    assert config.model.settings.fusion.kind == "crossmodal"


def test_another_method_keeps_encoders_fusion_and_head() -> None:
    paper = resolve("paper").model.settings
    for name in ("zero_fill", "modality_dropout", "regression_fill"):
        assert resolve("paper", model=name).model.settings == paper.fusion
    by_set = resolve("paper", ["model.latent.width=16", "model.name=zero_fill"])
    assert by_set.model.settings.latent.width == 16
    assert by_set.model.settings.kind == "crossmodal"
    back = another_method(to_mapping(by_set.model), "md2n")
    assert back["fusion"]["latent"]["width"] == 16
    assert resolve("paper", model="md2n").model.settings == paper


def test_a_method_without_fusion_settings_takes_none_and_gives_none() -> None:
    assert resolve("paper", model="dcca").model.settings == config_class("dcca")()
    assert another_method({"name": "dcca", "components": 5}, "zero_fill") == {"name": "zero_fill"}
    assert resolve("default", model="dcca").trainer == resolve("default").trainer


def test_a_file_gives_what_differs_and_may_extend_a_preset_or_a_file(tmp_path: Path) -> None:
    one = tmp_path / "one.toml"
    one.write_text('extends = "paper"\nseed = 5\n[model]\ngamma = 0.7\n')
    two = tmp_path / "two.toml"
    two.write_text('extends = "one.toml"\n[model.diffusion]\nt2 = 700\n')
    config = resolve(str(two))
    assert (config.seed, config.model.settings.gamma, config.model.settings.diffusion.t2) == (5, 0.7, 700)
    assert config.model.settings.fusion.kind == "crossmodal"
    plain = tmp_path / "plain.toml"
    plain.write_text("[trainer]\nepochs = 3\n")
    assert resolve(str(plain), [f"trainer.epochs={TrainerConfig().epochs}"]) == ExperimentConfig()
    dropout = tmp_path / "dropout.toml"
    dropout.write_text('extends = "paper"\n[model]\nname = "modality_dropout"\nkind = "joint"\n')
    settings = resolve(str(dropout)).model.settings
    assert isinstance(settings, FusionConfig)
    assert (settings.kind, settings.latent.length) == ("joint", 48)


def test_the_configuration_of_a_run_is_a_configuration(tmp_path: Path) -> None:
    config = resolve("paper", seed=2)
    (tmp_path / "config.json").write_text(json.dumps(to_mapping(config)))
    assert resolve(str(tmp_path / "config.json")) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[trianer]\n", r"unknown key 'trianer'\n.*did you mean 'trainer'"),
        ("[trainer]\nepoch = 3\n", r"unknown key 'trainer.epoch'\n.*did you mean 'epochs'"),
        ("[model]\nname = 'md3n'\n", r"model.name = 'md3n': no model is called 'md3n'\n.*did you mean 'md2n'"),
        ("[model]\ngamma = -1\n", r"model.gamma = -1: input should be greater than or equal to 0"),
        ("[model.diffusion]\nt1 = 900\n", r"model.diffusion: t1 = 900, t2 = 800"),
        ("[model.diffusion.network]\nheads = 3\n", r"model.diffusion.network: 3 heads do not divide width 64"),
        ("model = 3\n", r"model = 3"),
        ("extends = 3\n", r"extends = 3"),
        ("seed = -1\n", r"seed = -1"),
        ("[evaluation]\nprotocols = ['fix']\n", r"evaluation.protocols\[0\] = 'fix'"),
    ],
)
def test_a_file_that_cannot_be_meant_is_told_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        resolve(str(path))


@pytest.mark.parametrize(
    ("sets", "hint"),
    [
        (["gamma=0.5"], "did you mean 'model.gamma'?"),
        (["trainer.gamma=0.5"], "did you mean 'model.gamma'?"),
        (["t1=100"], "did you mean 'model.diffusion.t1'?"),
        (["diffusion.t1=100"], "did you mean 'model.diffusion'?"),
        (["model.epochs=3"], "did you mean 'trainer.epochs'?"),
        (["model.latent.width=3"], "did you mean 'model.fusion.latent'?"),
        (
            ["model.diffusion.width=3"],
            "did you mean 'model.fusion.latent.width' or 'model.fusion.transformer.width'"
            " or 'model.diffusion.network.width'?",
        ),
        (["model.name=zero_fill", "width=3"], "did you mean 'model.latent.width' or 'model.transformer.width'?"),
        (["model.name=zero_fill", "gamma=0.5"], "known: data, evaluation, model, seed, trainer"),
    ],
)
def test_an_unknown_setting_gets_every_place_that_has_its_name(sets: list[str], hint: str) -> None:
    with pytest.raises(ConfigError, match="unknown key") as caught:
        resolve("default", sets)
    assert caught.value.hint == hint


def test_a_name_that_is_neither_preset_nor_file_gets_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'papr' is neither a preset nor a file\n.*did you mean 'paper'"):
        resolve("papr")
    with pytest.raises(ConfigError, match=r"none.toml' cannot be read"):
        resolve(str(tmp_path / "none.toml"))
    with pytest.raises(UsageError, match=r"no model is called 'md3n'"):
        resolve("default", model="md3n")


def test_files_that_extend_one_another_in_a_circle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(f'extends = "{tmp_path / "b.toml"}"\n')
    (tmp_path / "b.toml").write_text(f'extends = "{path}"\n')
    with pytest.raises(ConfigError, match="a circle"):
        resolve(str(path))


def test_hashes_tell_experiments_apart() -> None:
    hashes = {config_hash(resolve(name, seed=seed)) for name in presets() for seed in range(3)}
    # ablation_full is the paper's own configuration by another name.
    assert len(hashes) == 3 * (len(presets()) - 1)
    assert resolve("ablation_full") == resolve("paper")


def test_defaults_are_the_papers_where_both_speak() -> None:
    ours, theirs = MD2NConfig().diffusion, resolve("paper").model.settings.diffusion
    assert (ours.steps, ours.t1, ours.t2) == (theirs.steps, theirs.t1, theirs.t2) == (1000, 200, 800)
