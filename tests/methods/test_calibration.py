"""Recoveries that were calibrated, in worlds whose answer is known."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from md2n.batch import SequenceBatch
from md2n.errors import UsageError
from md2n.evaluation.recovery import coverage, r2
from md2n.methods.base import Recovery
from md2n.methods.dicmor.config import DiCMoRConfig
from md2n.methods.dicmor.model import DiCMoR
from md2n.methods.md2n.config import DiffusionConfig, MD2NConfig
from md2n.methods.md2n.model import MD2N
from md2n.methods.parts.calibration import COUNTS, FEWEST, Intervals, Squares, ends_of, needs
from md2n.methods.parts.config import CalibrationKind, FusionConfig, LatentConfig
from md2n.methods.parts.latent import LatentModel
from md2n.methods.parts.translation import Local, Matched, Translation
from md2n.missing import incomplete_patterns, pattern_flags
from md2n.modality import Modality, Schema
from md2n.nn.config import TransformerConfig
from md2n.seeding import generator
from tests.steps import few_steps
from tests.worlds import CLASSES, WORLDS, every_pattern, make_batch

SCHEMA = Schema((Modality("cause", 4), Modality("effect", 3)), CLASSES)
SMALL = MD2NConfig(
    FusionConfig(latent=LatentConfig(length=4, width=16), transformer=TransformerConfig(layers=1, width=16)),
    DiffusionConfig(network=TransformerConfig(layers=1, width=16)),
)
MAP = torch.randn(4, 3, generator=generator(0, "map"))


def world(size: int, seed: int, noise: str = "even", strength: float = 1.0) -> SequenceBatch:
    """``effect = strength cause MAP + e``: e of deviation .5; or .1 or 1, by the sign of a number of the cause."""
    g = generator(seed, "gauss")
    cause = torch.randn(size, 4, generator=g)
    deviation = torch.full((size, 1), 0.5)
    if noise == "two":
        side = torch.rand(size, generator=g) < 0.5
        cause[:, 0] += torch.where(side, 6.0, -6.0)
        deviation = torch.where(side, 1.0, 0.1)[:, None]
    effect = strength * (cause @ MAP) + deviation * torch.randn(size, 3, generator=g)
    batch = make_batch(SCHEMA, size=size)
    return replace(batch, features={"cause": cause[:, None], "effect": effect[:, None]})


def untrained(schema: Schema = SCHEMA, **settings: str) -> MD2N:
    """A small model whose decoders say nothing of use."""
    torch.manual_seed(0)
    return MD2N(schema, replace(SMALL, **settings)).eval()  # type: ignore[arg-type]


def calibrated(training: SequenceBatch, validation: SequenceBatch, **settings: str) -> MD2N:
    model = untrained(**settings)
    with torch.no_grad():
        assert not model.calibrate([training], [validation])
    return model


def effects(model: LatentModel, batch: SequenceBatch, draws: int = 40) -> Recovery:
    with torch.no_grad():
        shown = batch.hide(torch.tensor([True, False]).expand(batch.size, -1)).poisoned()
        return model.recover(shown, generator(0, "r"), draws=draws)


def test_the_translation_is_the_conditional_of_a_shrunk_gaussian_for_every_pattern() -> None:
    """E[y | x] = ymean + S_yx (S_xx + lambda / N)^-1 (x - xmean), to the last digits of float64."""
    schema = Schema((Modality("a", 3), Modality("b", 2), Modality("c", 4)), CLASSES)
    g = generator(0, "joint")
    joint = torch.randn(9, 9, generator=g, dtype=torch.float64)
    every = torch.randn(340, 9, generator=g, dtype=torch.float64) @ joint + 2
    parts = [x[:, None] for x in every.split([3, 2, 4], dim=1)]
    batch = replace(make_batch(schema, size=340), features=dict(zip(schema.names, parts)))
    translation = Translation(schema).double()
    translation.fit([batch.select(torch.arange(300))])
    test, x = batch.select(torch.arange(300, 340)), every[:300]
    mean, covariance = x.mean(0), (x - x.mean(0)).T @ (x - x.mean(0)) / 300
    truth = joint.T @ joint
    for pattern in incomplete_patterns(schema.names):
        flags = torch.tensor(pattern_flags(pattern, schema.names))
        given = flags.repeat_interleave(torch.tensor([3, 2, 4]))
        said = {one.target: one for one in translation.local(test.hide(flags.expand(40, -1)).poisoned())}
        assert set(said) == set((~flags).nonzero()[:, 0].tolist())
        for k, one in said.items():
            target = torch.arange(3).repeat_interleave(torch.tensor([3, 2, 4])) == k
            answer = translation.answer(flags, k)
            assert isinstance(answer, Matched)
            shrunk = covariance[given][:, given] + answer.ridge.strength / 300 * torch.eye(int(given.sum()))
            away = every[300:, given] - mean[given]
            exact = mean[target] + away @ torch.linalg.solve(shrunk, covariance[given][:, target])
            torch.testing.assert_close(one.mean, exact, atol=1e-8, rtol=1e-8)
            ideal = 2 + (every[300:, given] - 2) @ torch.linalg.solve(truth[given][:, given], truth[given][:, target])
            assert float((one.mean - ideal).square().mean() / truth.diag()[target].mean()) < 0.03


def test_matched_rows_are_those_of_the_two_distances_the_best_first() -> None:
    train, test = world(200, 0), world(20, 1)
    translation = Translation(SCHEMA)
    translation.fit([train])
    (one,) = translation.local(test.hide(torch.tensor([True, False]).expand(20, -1)))
    answer = translation.answer(torch.tensor([True, False]), 1)
    assert isinstance(answer, Matched)
    x, y = (train.features[name][:, 0].double() for name in SCHEMA.names)
    given = torch.cdist(test.features["cause"][:, 0].double(), x).square() / 4 / (2 * x.var(0, correction=0).mean())
    honest = y - answer.ridge.residuals
    match = torch.cdist(one.mean.double(), honest).square() / 3 / (2 * honest.var(0, correction=0).mean())
    best = (given + match).argsort(dim=1)[:, : max(COUNTS)]
    torch.testing.assert_close(one.residuals, answer.ridge.residuals[best])
    torch.testing.assert_close(one.answers, honest[best].float())


def test_values_that_are_drawn_are_those_of_the_rows_around_their_mean() -> None:
    g = generator(0, "rows")
    residuals, answers = torch.randn(2, 5, 20, 3, generator=g).double()
    one = Local(torch.arange(5), 1, torch.zeros(5, 3).double(), residuals, answers)
    values, rows = one.dev(20, 0.3), residuals + 0.3 * answers
    rows = rows - rows.mean(dim=1, keepdim=True)
    torch.testing.assert_close(values.mean(dim=1), torch.zeros(5, 3).double(), atol=1e-12, rtol=0)
    torch.testing.assert_close(values, rows)


@pytest.mark.parametrize("noise", ["even", "two"])
def test_calibrated_intervals_hold_what_they_say_where_the_noise_is_small_and_where_it_is_large(noise: str) -> None:
    model, test = calibrated(world(400, 0, noise), world(60, 2, noise)), world(400, 1, noise)
    recovery = effects(model, test)
    truth, wide = test.features["effect"][:, 0], test.features["cause"][:, 0, 0] > 0
    for side in (wide, ~wide):
        draws = recovery.draws["effect"][:, side, 0].numpy()
        for level, slack in ((0.5, 0.07), (0.8, 0.06), (0.9, 0.05)):
            assert abs(coverage(truth[side].numpy(), draws, level) - level) < slack
    ratio = recovery.std["effect"][wide].mean() / recovery.std["effect"][~wide].mean()
    # 10 in the noise alone; what the ridge is off by, for the noise of the loud rows, is in both.
    assert (6 < ratio < 10) if noise == "two" else (0.9 < ratio < 1.1)


def test_a_decoder_that_says_nothing_gets_no_weight_and_the_answer_is_the_best_linear_one() -> None:
    model, test = calibrated(world(300, 0), world(60, 2)), world(300, 1)
    assert model.features is not None
    assert float(model.features.calibration.weights[1, 0]) == 0
    point, truth = effects(model, test).features["effect"][:, 0], test.features["effect"][:, 0]
    ideal = test.features["cause"][:, 0] @ MAP
    assert r2(truth.numpy(), point.numpy()) > r2(truth.numpy(), ideal.numpy()) - 0.01


@pytest.mark.parametrize("calibration", ["translation", "walk"])
def test_where_nothing_can_be_recovered_the_answer_is_the_training_mean(calibration: str) -> None:
    model, test = (
        calibrated(world(300, 0, strength=0), world(60, 2, strength=0), calibration=calibration),
        world(300, 1, strength=0),
    )
    point = effects(model, test).features["effect"][:, 0]
    assert float(point.abs().mean()) < 0.06
    assert r2(test.features["effect"][:, 0].numpy(), point.numpy()) > -0.01


def test_draws_of_the_walk_are_scaled_to_what_validation_needs() -> None:
    training, validation, test = world(100, 0), world(40, 2), world(200, 1)
    model = calibrated(training, validation, calibration="walk")
    assert model.features is not None and model.features.walks(test.hide(torch.tensor([True, False]).expand(200, -1)))
    truth = test.features["effect"][:, 0].numpy()
    plain = effects(calibrated(training, validation, calibration="none"), test).draws["effect"][:, :, 0].numpy()
    scaled = effects(model, test).draws["effect"][:, :, 0].numpy()
    assert abs(coverage(truth, scaled) - 0.9) < abs(coverage(truth, plain) - 0.9)
    # The draws are not centred on their own mean: their deviations from the point are those of the walk.
    factor = float(model.features.calibration.factor[1])
    point = effects(untrained(calibration="none"), test).features["effect"][:, 0].numpy()
    away = scaled - effects(model, test).features["effect"][:, 0].numpy()
    assert away == pytest.approx(factor * (plain - point), abs=1e-4)


@pytest.mark.parametrize("calibration", ["walk", "translation"])
def test_intervals_of_dicmor_hold_what_they_say_once_they_are_calibrated(calibration: CalibrationKind) -> None:
    torch.manual_seed(0)
    config = DiCMoRConfig(SMALL.fusion, refiner_blocks=1, flow_steps=1, calibration=calibration)
    model, training, test = DiCMoR(SCHEMA, config), world(200, 0), world(200, 1)
    few_steps(model, training, 10, "dicmor", lambda parameters: torch.optim.AdamW(parameters, lr=3e-3))
    before = effects(model, test)
    with torch.no_grad():
        assert not model.calibrate([training], [world(100, 2)])
    truth, after = test.features["effect"][:, 0].numpy(), effects(model, test)
    for level in (0.5, 0.8, 0.9):
        plain, scaled = (coverage(truth, r.draws["effect"][:, :, 0].numpy(), level) for r in (before, after))
        assert abs(scaled - level) < 0.06 < abs(plain - level)
    assert r2(truth, after.features["effect"][:, 0].numpy()) >= r2(truth, before.features["effect"][:, 0].numpy())


@pytest.mark.parametrize("rows", [1, FEWEST - 1])
def test_few_validation_rows_calibrate_nothing_and_say_so(rows: int) -> None:
    model = untrained()
    with torch.no_grad():
        (note,) = model.calibrate([world(100, 0)], [world(rows, 2)])
    assert "cause, effect" in note and "not calibrated" in note
    plain = calibrated(world(100, 0), world(rows, 2), calibration="none")
    one, other = effects(model, world(20, 1)), effects(plain, world(20, 1))
    for kind in ("features", "std", "draws"):
        assert torch.equal(getattr(one, kind)["effect"], getattr(other, kind)["effect"])


def test_validation_rows_that_hold_one_modality_each_calibrate_nothing() -> None:
    batch = world(40, 2)
    single = torch.eye(2, dtype=torch.bool)[torch.arange(40) % 2]
    model = untrained()
    with torch.no_grad():
        (note,) = model.calibrate([world(100, 0)], [replace(batch, present=single, available=single)])
    assert "cause, effect" in note


def test_without_any_validation_row_nothing_is_calibrated() -> None:
    model = untrained()
    with torch.no_grad():
        assert model.calibrate([world(100, 0)], [])


def test_a_modality_that_no_training_row_holds_is_left_to_the_decoder() -> None:
    batch = world(100, 0)
    only = torch.tensor([True, False]).expand(100, -1)
    model = untrained()
    with torch.no_grad():
        model.calibrate([replace(batch, present=only, available=only)], [world(60, 2)])
    assert bool(torch.isfinite(effects(model, world(10, 1)).draws["effect"]).all())


def test_neighbours_whose_every_value_is_equal_give_an_answer() -> None:
    def constant(batch: SequenceBatch) -> SequenceBatch:
        return replace(batch, features=batch.features | {"effect": torch.ones(batch.size, 1, 3)})

    model = calibrated(constant(world(100, 0)), constant(world(60, 2)))
    recovery = effects(model, constant(world(10, 1)))
    torch.testing.assert_close(recovery.features["effect"], torch.ones(10, 1, 3))
    torch.testing.assert_close(recovery.draws["effect"], torch.ones(40, 10, 1, 3))


def test_a_number_that_all_matched_rows_agree_on_is_theirs_whatever_the_decoder_says() -> None:
    def dark(batch: SequenceBatch) -> SequenceBatch:
        effect = batch.features["effect"].clone()
        effect[..., 0] = 0.0
        return replace(batch, features=batch.features | {"effect": effect})

    model = calibrated(dark(world(100, 0)), dark(world(40, 2)))
    assert model.features is not None
    model.features.calibration.weights[1] = torch.tensor([0.5, 0.5, 0.0, 0.0])
    recovery = effects(model, dark(world(10, 1)))
    assert float(recovery.features["effect"][..., 0].abs().max()) < 1e-6
    assert float(recovery.draws["effect"][..., 0].abs().max()) < 1e-6
    assert float(recovery.features["effect"][..., 1].abs().max()) > 0.1


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("calibration", ["translation", "walk"])
def test_a_loaded_model_answers_to_the_bit(name: str, calibration: str) -> None:
    schema = WORLDS[name]
    model = untrained(schema, calibration=calibration)
    with torch.no_grad():
        assert not model.calibrate([make_batch(schema, size=20)], [make_batch(schema, size=FEWEST, seed=1)])
    other = untrained(schema, calibration=calibration)
    other.load_state_dict(model.state_dict())
    asked = every_pattern(make_batch(schema, size=12, seed=2)).poisoned()
    with torch.no_grad():
        one, two = (m.recover(asked, generator(0, "r"), draws=3) for m in (model, other))
    for k, x in one.draws.items():
        gap = asked.missing[:, schema.names.index(k)]
        assert torch.equal(x[:, gap], two.draws[k][:, gap])
        assert torch.equal(one.features[k][gap], two.features[k][gap])


def test_weights_of_a_model_saved_before_there_was_a_calibration_answer_as_they_did() -> None:
    before = untrained(calibration="none")
    now = untrained()
    assert set(now.state_dict()) - set(before.state_dict())
    now.load_state_dict(before.state_dict())
    one, other = effects(now, world(20, 1)), effects(before, world(20, 1))
    assert torch.equal(one.draws["effect"], other.draws["effect"])


def test_calibration_is_a_function_of_its_data_and_moves_no_prediction() -> None:
    one, other = calibrated(world(60, 0), world(20, 2)), calibrated(world(60, 0), world(20, 2))
    assert all(torch.equal(x, other.state_dict()[name]) for name, x in one.state_dict().items())
    batch = world(20, 1)
    with torch.no_grad():
        said = [m.predict(batch, generator(0, "p"), draws=3) for m in (one, untrained(calibration="none"))]
    assert torch.equal(said[0].output, said[1].output)


def moments(weights: Tensor, n: int = 4000, noise: float = 0.3) -> Squares:
    g = generator(0, "parts")
    parts = torch.randn(4, n, generator=g)
    sums = Squares()
    sums.add(parts, weights @ parts + noise * torch.randn(n, generator=g))
    return sums


def test_weights_are_found_within_their_bounds() -> None:
    true = torch.tensor([0.2, 0.5, 0.25, 0.1])
    torch.testing.assert_close(moments(true).weights(100000, first=1), true.double(), atol=0.051, rtol=0)
    a, b, c, h = moments(torch.tensor([0.9, 0.9, 2.0, -0.5])).weights(100000, first=1).tolist()
    assert a + b + h == pytest.approx(1) and c == 1 and h == 0


@pytest.mark.parametrize(("rows", "first"), [(1, 1), (1, 0), (100000, 1)])
def test_few_rows_leave_the_weights_near_what_is_trusted(rows: int, first: int) -> None:
    true = torch.tensor([0.0, 0.0, 1.0, 0.5])
    gap = (moments(true).weights(rows, first) - torch.eye(4)[first]).abs().sum()
    assert (gap < 0.2) if rows == 1 else (gap > 2)


def test_the_factor_widens_what_is_too_narrow_and_hardly_for_few_rows() -> None:
    g = generator(0, "normal")
    error, dev = torch.randn(4000, generator=g), torch.randn(400, 4000, generator=g)
    for true in (0.6, 1.0, 1.6):
        said = Intervals()
        said.add(true * error, ends_of(dev))
        assert said.factor(100000) == pytest.approx(true, rel=0.05)
        assert abs(said.factor(1) - 1) < 0.05
    alike = Intervals()
    alike.add(error, ends_of(torch.zeros(40, 4000)))
    assert alike.factor(1000) == 1


def test_the_factor_that_an_error_needs_brings_it_to_the_end() -> None:
    low, high = torch.tensor([[-1.0, -1.0, 0.5, 0.0]]), torch.tensor([[2.0, 2.0, 1.0, 0.0]])
    ratio = needs(torch.tensor([1.0, -2.0, -1.0, 1.0]), low, high)[0]
    assert ratio[:3].tolist() == [0.5, 2.0, float("inf")] and bool(ratio[3].isnan())


def test_a_device_without_float64_calibrates_nothing_and_refuses_a_calibrated_recovery(monkeypatch) -> None:
    ready, model = calibrated(world(60, 0), world(20, 2)), untrained()
    monkeypatch.setattr("md2n.methods.parts.latent.NO_FLOAT64", ("cpu",))
    with torch.no_grad():
        (note,) = model.calibrate([world(60, 0)], [world(20, 2)])
    assert "no float64" in note
    assert bool(torch.isfinite(effects(model, world(10, 1)).features["effect"]).all())
    with pytest.raises(UsageError, match="float64"):
        effects(ready, world(10, 1))
