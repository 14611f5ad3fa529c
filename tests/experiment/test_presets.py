"""Presets: each builds and takes a step, each line says where its value comes from."""

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from md2n.config import to_mapping
from md2n.experiment.config import DEFAULT, ExperimentConfig, presets, resolve
from md2n.experiment.plan import own_preset
from md2n.methods.catalogue import MODELS, build
from md2n.modality import Modality, Schema, Task
from md2n.seeding import generator
from tests.experiment.made import SHORT, fitting
from tests.worlds import every_pattern, make_batch

SENTIMENT = Schema(
    (Modality("text", 5, 7), Modality("audio", 3, 6), Modality("vision", 4, 6)),
    Task("regression", low=-3, high=3, sentiment=True),
)


def text(name: str) -> str:
    return Path(str(resources.files("md2n.experiment") / "presets" / f"{name}.toml")).read_text()


def test_every_method_has_a_preset_of_its_own_but_those_that_are_the_default() -> None:
    without = {name for name in MODELS.names() if own_preset(name) == DEFAULT}
    # MD2N's own settings are the default, and these floors are its encoders, fusion and head without its recovery.
    assert without == {"md2n", "zero_fill", "regression_fill", "modality_dropout"}


@pytest.mark.parametrize("name", presets())
def test_it_builds_and_its_loss_is_a_number_with_gradients(name: str) -> None:
    chosen = resolve(name).model.name
    config = resolve(name, fitting(chosen, SHORT, name))
    model = build(config.model.name, SENTIMENT, config.model.settings, config.seed)
    batch = make_batch(SENTIMENT)
    phases = list(model.phases())
    while phases and phases[0].fit is not None:
        phases.pop(0).fit([batch])
    if not phases:
        return  # a method that is fitted takes no step
    model.enter(phases[0])
    losses = model.loss(every_pattern(batch), generator(0, "step"))
    losses.total.backward()
    assert losses.total.isfinite()
    assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())


@pytest.mark.parametrize("name", presets())
def test_every_line_says_where_its_value_comes_from(name: str) -> None:
    settings = [line for line in text(name).splitlines() if "=" in line.partition("#")[0]]
    assert settings
    assert not [line for line in settings if not line.partition("#")[2].strip()]
    assert text(name).startswith("# ")


def test_the_default_preset_spells_out_every_default() -> None:
    spelled = tomllib.loads(text("default"))

    def keys(table: dict, where: str = "") -> set[str]:
        found: set[str] = set()
        for key, value in table.items():
            if value is None:  # which TOML cannot write
                continue
            found |= keys(value, f"{where}{key}.") if isinstance(value, dict) else {where + key}
        return found

    assert keys(spelled) == keys(to_mapping(ExperimentConfig()))


def test_the_ablation_rows_differ_from_the_full_method_only_in_what_they_leave_out() -> None:
    full = to_mapping(resolve("ablation_full").model)

    def changed(name: str) -> dict[str, object]:
        row = to_mapping(resolve(name).model)
        found = {k: v for k, v in row.items() if k != "diffusion" and v != full[k]}
        return found | {k: v for k, v in row["diffusion"].items() if v != full["diffusion"][k]}

    assert changed("ablation_base") == {
        "schedule": "exploding",
        "transfer": "none",
        "duplex": False,
        "prediction": "noise",
    }
    assert changed("ablation_vp") == {"transfer": "none", "duplex": False}
    assert changed("ablation_multistage") == {"duplex": False, "start": "partner"}
    assert changed("ablation_no_encoders") == {"encoders": False}
    assert changed("ablation_no_decoders") == {"decoders": False}
    assert changed("ablation_neither") == {"encoders": False, "decoders": False}


def test_the_paper_preset_leaves_out_what_is_not_in_the_paper() -> None:
    settings = resolve("paper").model.settings
    assert settings.complete_view_distillation == settings.complete_task == 0
    assert not settings.detach_target
    assert not settings.detach_recovered
    assert settings.recovered_dropout == "off"
    assert (settings.fusion.kind, settings.fusion.head) == ("crossmodal", "classes")
    assert settings.predict_steps > 1  # predictions walk the stages
