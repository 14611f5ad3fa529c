"""What every registered method must do; a new one is found by itself."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from md2n import noise
from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.methods.base import Calibrates, Card, MultimodalModel, Recovers
from md2n.methods.catalogue import CONFIGS, MODELS
from md2n.seeding import generator
from tests.steps import built, few_steps
from tests.typecheck import unchecked
from tests.worlds import WORLDS, every_pattern, make_batch

Case = tuple[MultimodalModel, SequenceBatch]


def prepared(name: str, world: str, gaps: bool = False) -> Case:
    """A model after a few steps in every one of its phases, and a batch in which every sample misses another set."""
    schema = WORLDS[world]
    torch.manual_seed(0)
    model = built(name, schema)
    batch = make_batch(schema, gaps=gaps)
    few_steps(model, batch, 2, "contract", lambda parameters: torch.optim.AdamW(parameters, lr=1e-3))
    return model, every_pattern(batch)


@pytest.fixture(scope="module", params=[(n, w) for n in MODELS.names() for w in WORLDS], ids="-".join)
def case(request: pytest.FixtureRequest) -> Case:
    """Shared by all tests of a method in a world: each leaves the model as it was."""
    model, batch = prepared(*request.param)
    if isinstance(model, Calibrates):
        with torch.no_grad(), unchecked():  # test_calibration checks the shapes
            model.calibrate([batch.complete()], [make_batch(model.schema, seed=1)])
    return model, batch


def answers(model: MultimodalModel, batch: SequenceBatch) -> dict[str, Tensor]:
    """Everything a model says of a batch, as tensors."""
    with torch.no_grad():
        prediction = model.predict(batch, generator(7, "use"))
        said = {"output": prediction.output}
        said |= {} if prediction.std is None else {"std": prediction.std}
        if isinstance(model, Recovers):
            recovery = model.recover(batch, generator(8, "use"), draws=2, steps=2)
            said |= {f"features.{k}": x for k, x in recovery.features.items()}
            said |= {f"std.{k}": x for k, x in recovery.std.items()}
    return said


def outputs(model: MultimodalModel, batch: SequenceBatch) -> Tensor:
    with torch.no_grad():
        return model.predict(batch, generator(7, "use")).output


def test_every_model_has_config_and_card() -> None:
    assert MODELS.names() == CONFIGS.names()
    for name in MODELS.names():
        card = MODELS.get(name).card
        assert isinstance(card, Card)
        assert card.paper
        assert card.differences
        assert card.recovers == issubclass(MODELS.get(name), Recovers)


def check_loss(model: MultimodalModel, batch: SequenceBatch) -> None:
    model.train()
    losses = model.loss(batch, generator(3, "loss"))
    assert losses.parts
    assert all(bool(torch.isfinite(p)) for p in losses.parts.values()), losses.parts
    model.zero_grad()
    losses.total.backward()
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(g).all()) for g in gradients)


def test_loss_and_gradients_are_finite(case: Case) -> None:
    model, batch = case
    check_loss(copy.deepcopy(model), batch)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("name", MODELS.names())
def test_loss_and_gradients_are_finite_where_samples_have_gaps(name: str, world: str) -> None:
    check_loss(*prepared(name, world, gaps=True))


@pytest.mark.parametrize("name", [n for n in MODELS.names() if issubclass(MODELS.get(n), Calibrates)])
def test_calibrating_with_gaps_leaves_finite_answers(name: str) -> None:
    model, batch = prepared(name, "cells", gaps=True)
    with torch.no_grad():
        model.calibrate([batch.complete()], [make_batch(model.schema, seed=1, gaps=True)])
    for key, answer in answers(model, batch).items():
        k = batch.names.index(key.partition(".")[2]) if "." in key else None
        real = ... if k is None else batch.frames(batch.names[k]) | batch.missing[:, k, None]
        assert bool(torch.isfinite(answer[real]).all()), key


def test_poison_in_everything_unavailable_changes_no_bit(case: Case) -> None:
    model, batch = case
    clean = replace(batch, features={k: torch.nan_to_num(x) for k, x in batch.features.items()})
    before, after = answers(model, clean), answers(model, clean.poisoned())
    for key in before:
        if key.startswith(("features", "std.")):
            # Invalid frames of available modalities are nobody's; the rest must be finite and equal.
            name = key.partition(".")[2]
            k = batch.names.index(name)
            told = batch.frames(name) | batch.missing[:, k, None]
            assert torch.equal(before[key][told], after[key][told]), key
            assert bool(torch.isfinite(after[key][told]).all()), key
        else:
            assert torch.equal(before[key], after[key]), key
            assert bool(torch.isfinite(after[key]).all()), key


def test_lengths_of_unavailable_modalities_are_not_read(case: Case) -> None:
    model, batch = case
    other = {
        k: torch.where(batch.missing[:, i, None], torch.ones_like(v), v) for i, (k, v) in enumerate(batch.valid.items())
    }
    assert torch.equal(outputs(model, batch), outputs(model, replace(batch, valid=other)))


def test_output_fits_the_task(case: Case) -> None:
    model, batch = case
    output = outputs(model, batch)
    if model.schema.task.kind == "classification":
        assert output.shape == (batch.size, model.schema.task.output_dim)
        torch.testing.assert_close(output.sum(dim=1), torch.ones(batch.size))
    else:
        assert output.shape == (batch.size,)


def with_draws(model: MultimodalModel, batch: SequenceBatch) -> dict[str, Tensor]:
    """Predictions, recoveries and every draw of a batch, samples first."""
    with torch.no_grad():
        prediction = model.predict(batch, generator(7, "use"), draws=2)
        drawn = {"output": prediction.output}
        drawn |= {} if prediction.std is None else {"std": prediction.std}
        if isinstance(model, Recovers):
            recovery = model.recover(batch, generator(8, "use"), draws=2, steps=2)
            for k, name in enumerate(batch.names):
                # Frames past a given sample's end are nobody's.
                real = (batch.frames(name) | batch.missing[:, k, None])[..., None]
                drawn[f"features.{name}"] = torch.where(real, recovery.features[name], 0.0)
                drawn[f"draws.{name}"] = torch.where(real, recovery.draws[name], 0.0).transpose(0, 1)
                if recovery.std:
                    drawn[f"std.{name}"] = torch.where(real, recovery.std[name], 0.0)
    return drawn


def test_what_a_sample_is_answered_and_drawn_does_not_depend_on_its_batch(case: Case) -> None:
    """Alone, in sevens, all together, in any order; up to the rounding of products of matrices of another size.

    Inverted flows and chains that begin with a deviation of ten magnify it.
    """
    model, batch = case
    whole = with_draws(model, batch)
    everyone = torch.arange(batch.size)
    for index in (everyone[3:4], everyone[8:9], everyone[:7], everyone.flip(0), everyone[[4, 4]]):
        for key, part in with_draws(model, batch.select(index)).items():
            torch.testing.assert_close(part, whole[key][index], atol=1e-4, rtol=1e-4, msg=lambda m, k=key: f"{k}: {m}")


def test_no_noise_is_used_twice(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal names give equal noise: each use of it needs names of its own."""
    model, batch = case
    states: list[Tensor] = []
    plain = noise.normal

    def watched(state: Tensor, count: int, dtype: torch.dtype) -> Tensor:
        states.append(state)
        return plain(state, count, dtype)

    monkeypatch.setattr(noise, "normal", watched)
    with torch.no_grad():
        model.predict(batch, generator(7, "use"), draws=3)
        if isinstance(model, Recovers):
            model.recover(batch, generator(8, "use"), draws=3, steps=3)
    every = torch.cat([torch.zeros(0, dtype=torch.long), *states])
    assert len(every.unique()) == len(every)


def test_padding_changes_nothing(case: Case) -> None:
    model, batch = case
    longer = replace(
        batch,
        features={k: torch.nn.functional.pad(x, (0, 0, 0, 3), value=float("nan")) for k, x in batch.features.items()},
        valid={k: torch.nn.functional.pad(v, (0, 3), value=False) for k, v in batch.valid.items()},
        cells={
            k: c
            if model.schema.modalities[batch.names.index(k)].is_vector
            else torch.nn.functional.pad(c, (0, 0, 0, 3))
            for k, c in batch.cells.items()
        },
    )
    if any(m.is_vector for m in model.schema.modalities):
        longer = replace(
            longer,
            features={m.name: (batch if m.is_vector else longer).features[m.name] for m in model.schema.modalities},
            valid={m.name: (batch if m.is_vector else longer).valid[m.name] for m in model.schema.modalities},
        )
    torch.testing.assert_close(outputs(model, batch), outputs(model, longer), atol=1e-5, rtol=1e-5)


def test_the_empty_set_is_refused_by_name(case: Case) -> None:
    _, batch = case
    with pytest.raises(DataError, match="left without any modality"):
        batch.hide(torch.zeros_like(batch.present))


def test_saved_and_loaded_it_answers_to_the_bit(case: Case, tmp_path: Path) -> None:
    model, batch = case
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    name = next(n for n in MODELS.names() if MODELS.get(n) is type(model))
    other = built(name, model.schema).eval()
    other.load_state_dict(load_file(tmp_path / "model.safetensors"))
    before, after = answers(model, batch), answers(other, batch)
    assert all(torch.equal(before[k], after[k]) for k in before if not k.startswith("features"))


def test_recovery_gives_back_what_was_given(case: Case) -> None:
    model, batch = case
    if not isinstance(model, Recovers):
        pytest.skip("does not recover")
    with torch.no_grad():
        recovery = model.recover(batch, generator(7, "use"), draws=3, steps=2)
    for k, modality in enumerate(model.schema.modalities):
        given = batch.available[:, k]
        known = batch.known(modality.name).expand_as(batch.features[modality.name])
        assert torch.equal(recovery.features[modality.name][known], batch.features[modality.name][known])
        assert not recovery.std or not bool(recovery.std[modality.name][given].any())
        assert recovery.features[modality.name].shape == batch.features[modality.name].shape
        assert recovery.draws[modality.name].shape[1:] == batch.features[modality.name].shape
