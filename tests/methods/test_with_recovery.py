"""A method behind another one's recovery: who is trained when, what the method sees, who is refused."""

from dataclasses import replace

import pytest
import torch

from md2n.errors import ConfigError
from md2n.methods.base import MultimodalModel
from md2n.methods.catalogue import MODELS, build, config_class
from md2n.methods.with_recovery.config import WithRecoveryConfig
from md2n.methods.with_recovery.model import REFUSED, WithRecovery
from md2n.seeding import generator
from tests.steps import few_steps
from tests.worlds import WORLDS, every_pattern, make_batch

SCHEMA = next(iter(WORLDS.values()))


def made(method: str = "zero_fill", **settings: object) -> WithRecovery:
    torch.manual_seed(0)
    model = build("with_recovery", SCHEMA, WithRecoveryConfig(method=method, **settings))  # type: ignore[arg-type]
    assert isinstance(model, WithRecovery)
    return model


def state(model: MultimodalModel) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.named_parameters()}


def test_first_the_recovery_is_trained_and_then_the_method() -> None:
    model, batch = made(), make_batch(SCHEMA)
    phases = list(model.phases())
    assert sum(p.share for p in phases) == pytest.approx(1)
    for phase, still in ((phases[0], "method"), (phases[-1], "recovery")):
        assert all(not prefix.startswith(still) for prefix in phase.trains)
        model.enter(phase)
        model.train()
        assert model.recovery.training == (still == "method")
        model.zero_grad()
        model.loss(every_pattern(batch), generator(0, "step")).total.backward()
        moved = {n.partition(".")[0] for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        assert moved == {"recovery", "method"} - {still}


def test_a_filled_sample_has_the_recovery_where_it_missed_something_and_itself_elsewhere() -> None:
    model, batch = made().eval(), every_pattern(make_batch(SCHEMA))
    filled = model.filled(batch.poisoned(), generator(3, "fill"))
    assert bool(filled.available.all())
    long_enough = model._long_enough(batch.poisoned())
    back = model.recovery.recover(long_enough, generator(3, "fill"), draws=1, steps=1).features  # type: ignore[attr-defined]
    for k, name in enumerate(batch.names):
        time, gone = batch.features[name].shape[1], batch.missing[:, k]
        shown, own = filled.readable(name), batch.readable(name)
        assert torch.equal(shown[~gone][:, :time], own[~gone])
        frames = filled.frames(name)[gone]
        assert bool(frames.any(dim=1).all())
        assert torch.equal(shown[gone][frames], back[name][gone][frames])


def test_a_complete_sample_is_answered_as_by_the_method_alone() -> None:
    model, batch = made("mctn"), make_batch(SCHEMA)
    few_steps(model, batch, 1, "alone")
    complete = batch.complete().select(batch.present.all(dim=1))
    with torch.no_grad():
        ours = model.predict(complete, generator(0, "use")).output
        alone = model.method.predict(complete, generator(0, "use")).output
    assert torch.equal(ours, alone)


def test_with_no_weight_on_unfilled_samples_the_method_sees_filled_ones_alone() -> None:
    batch = every_pattern(make_batch(SCHEMA))
    for weight, expected in ((0.0, False), (1.0, True)):
        model = made("mctn", unfilled=weight)
        model.enter(model.phases()[-1])
        parts = model.loss(batch, generator(0, "step")).parts
        assert any(name.startswith("unfilled") for name in parts) == expected
        # A filled sample has nothing to translate.
        assert float(parts["translate"].detach()) == 0


@pytest.mark.parametrize("method", REFUSED)
def test_a_method_that_cannot_take_a_recovery_is_named_with_the_reason(method: str) -> None:
    with pytest.raises(ConfigError, match=f"'{method}' cannot take a recovery: {REFUSED[method]}"):
        made(method)


def test_a_recovery_without_features_and_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="'mmin' recovers no features"):
        made(recovery="mmin")
    with pytest.raises(ConfigError, match=r"unknown key 'model.method_settings.depth'"):
        made(method_settings={"depth": 3})


@pytest.mark.parametrize("method", [m for m in MODELS.names() if m not in REFUSED and m != "boosted_trees"])
def test_every_other_method_takes_one(method: str) -> None:
    lean = replace(config_class(method)(), **{"steps": 4} if method == "imder" else {})
    settings = {"steps": lean.steps} if method == "imder" else {}
    model = made(method, method_settings=settings).eval()
    batch = every_pattern(make_batch(SCHEMA)).poisoned()
    for phase in model.phases():
        model.enter(phase)
        if phase.fit is not None:
            with torch.no_grad():
                phase.fit([make_batch(SCHEMA).complete()])
    with torch.no_grad():
        assert bool(model.predict(batch, generator(0, "use")).output.isfinite().all())
