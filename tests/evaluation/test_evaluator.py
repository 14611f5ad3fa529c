"""The evaluator: nothing hidden can be read, results repeat, and what is measured is what took part."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError, DivergenceError, UsageError
from md2n.evaluation import evaluator, metrics
from md2n.evaluation.evaluator import evaluate, evaluate_recovery, result_rows, validation_score
from md2n.evaluation.inference import Meter
from md2n.evaluation.protocols import fixed_conditions, random_conditions
from md2n.evaluation.results import provenance
from md2n.methods.base import Prediction
from md2n.modality import Task
from tests.evaluation.world import HiddenReader, Honest, LabelThief, Recovering, World

CLASSES = Task("classification", classes=("low", "high"))


def conditions_of(world: World):
    return fixed_conditions(world.present, world.schema.names)


def test_an_honest_method_is_measured_under_every_condition() -> None:
    world = World()
    results = evaluate(Honest(world.schema), world, conditions_of(world), batch_size=16)
    assert [r.condition.name for r in results] == [c.name for c in conditions_of(world)]
    for r in results:
        assert r.n == 50
        assert r.rows.tolist() == list(range(1000, 1050))
        assert r.measures["pearson_r"] > 0.99
        assert r.measures == metrics.measures(world.schema.task, r.output, world.labels)
        assert np.array_equal(r.labels, world.labels)
    assert sum(world.asked) == 50  # the data are read once, not once per condition


def test_who_reads_labels_is_refused() -> None:
    world = World()
    with pytest.raises(DivergenceError, match=r"predictions under 'text' are not finite"):
        evaluate(LabelThief(world.schema), world, conditions_of(world)[:1])
    with pytest.raises(DivergenceError, match="in validation"):
        validation_score(LabelThief(world.schema), world)


def test_who_reads_hidden_features_is_refused() -> None:
    world = World()
    with pytest.raises(DivergenceError, match="reads features that are hidden"):
        evaluate(HiddenReader(world.schema, careful=False), world, conditions_of(world)[:1])


def test_who_hides_the_traces_of_reading_still_learns_nothing() -> None:
    world, other = World(), World()
    other.features["audio"] += 100  # what is hidden under "text" differs; labels differ too
    other.labels = -other.labels
    only_text = conditions_of(world)[:1]
    first, second = (evaluate(HiddenReader(w.schema, careful=True), w, only_text)[0] for w in (world, other))
    assert np.array_equal(first.output, second.output)


def test_padding_and_natural_gaps_are_poisoned_too() -> None:
    world, other = World(gaps=True), World(gaps=True)
    other.features["audio"][~other.valid["audio"]] = 1e6
    for w in (world, other):
        w.features["vision"][~w.present[:, 2]] = 1e6 if w is other else np.nan
    first, second = (evaluate(Honest(w.schema), w, conditions_of(w)) for w in (world, other))
    for a, b in zip(first, second):
        assert np.array_equal(a.output, b.output)


def test_samples_that_would_be_left_empty_are_left_out() -> None:
    world = World(n=40, gaps=True)
    results = {r.condition.name: r for r in evaluate(Honest(world.schema), world, conditions_of(world), batch_size=7)}
    assert results["vision"].n == 30
    assert results["vision"].rows.min() == 1010
    assert results["audio+vision"].n == 35
    assert results["text"].n == 40


def test_unknown_labels_do_not_count_and_an_empty_condition_has_no_measures() -> None:
    world = World(n=10)
    world.labels[:4] = np.nan
    result = evaluate(Honest(world.schema), world, conditions_of(world)[:1])[0]
    assert (result.n, len(result.output)) == (6, 10)
    world.present[:, 0] = False
    empty = evaluate(Honest(world.schema), world, conditions_of(world)[:1])[0]
    assert (empty.n, empty.measures, empty.output.shape) == (0, {}, (0,))


def test_a_deterministic_method_does_not_depend_on_the_batch_size() -> None:
    world = World(gaps=True)
    small, large = (evaluate(Honest(world.schema), world, conditions_of(world), batch_size=b) for b in (3, 50))
    for a, b in zip(small, large):
        np.testing.assert_allclose(a.output, b.output, rtol=1e-6)
        assert a.measures == pytest.approx(b.measures)


def test_a_random_method_repeats_whatever_else_is_asked() -> None:
    world = World()
    everything = conditions_of(world)
    model = Honest(world.schema, noise=1.0)
    told = evaluate(model, world, everything, batch_size=16, draws=3, seed=5)
    alone = evaluate(model, world, everything[4:5], batch_size=16, draws=3, seed=5)[0]
    assert np.array_equal(told[4].output, alone.output)
    assert np.array_equal(told[4].std, alone.std)
    assert alone.std.min() > 0
    assert not np.array_equal(alone.output, evaluate(model, world, everything[4:5], draws=3, seed=6)[0].output)
    # Conditions and samples have draws of their own.
    assert np.unique(np.concatenate([told[0].std, told[4].std])).size == 100


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_a_samples_draws_are_its_own_in_every_batch_order_and_subset(batch_size: int) -> None:
    world, wanted = World(), conditions_of(World())[1:3]
    model = Recovering(world.schema, noise=1.0)
    answers = evaluate(model, world, wanted, batch_size=50, draws=3)
    back = evaluate_recovery(model, world, wanted, batch_size=50, draws=3)
    few = Reversed(world, np.arange(40, 4, -1))
    some = [replace(c, available=c.available[few.order]) for c in wanted]
    for whole, part in zip(answers, evaluate(model, few, some, batch_size=batch_size, draws=3)):
        assert part.std is not None and whole.std is not None
        np.testing.assert_allclose(part.output, whole.output[few.order], rtol=1e-5)
        np.testing.assert_allclose(part.std, whole.std[few.order], rtol=1e-4)
    again = evaluate_recovery(model, world, wanted, batch_size=batch_size, draws=3)
    for whole, part in zip(back, again):
        np.testing.assert_allclose(part.draw, whole.draw, rtol=1e-5, atol=1e-6)
    scores = [validation_score(model, world, batch_size=b).loss for b in (batch_size, 50)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)


class Reversed:
    """Some samples of a world, in an order of their own; who they are stays."""

    def __init__(self, world: World, order: np.ndarray) -> None:
        self.world, self.order = world, order

    def __len__(self) -> int:
        return len(self.order)

    def batch(self, positions: np.ndarray) -> SequenceBatch:
        return self.world.batch(self.order[positions])


def test_a_method_that_draws_nothing_has_no_spread() -> None:
    world = World()
    assert evaluate(Constant(world.schema), world, conditions_of(world)[:1])[0].std is None


class Constant(Honest):
    """Answers zero, and has no draws to tell of."""

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        return Prediction(torch.zeros(batch.size))


def test_the_training_mode_of_every_part_comes_back_and_no_gradient_is_kept() -> None:
    world = World()
    model = Honest(world.schema)
    model.train()
    model.inner.eval()
    result = evaluate(model, world, conditions_of(world)[:1])[0]
    assert model.training
    assert not model.inner.training
    assert isinstance(result.output, np.ndarray)
    with pytest.raises(DivergenceError):
        evaluate(LabelThief(world.schema).train(), world, conditions_of(world)[:1])
    assert torch.is_grad_enabled()


def test_conditions_of_other_data_are_refused_by_name() -> None:
    world = World()
    with pytest.raises(UsageError, match=r"'text' was made for \(7, 3\).*the data have \(50, 3\)"):
        evaluate(Honest(world.schema), world, fixed_conditions(np.ones((7, 3), bool), world.schema.names))
    with pytest.raises(UsageError, match="batch of 0"):
        evaluate(Honest(world.schema), world, conditions_of(world), batch_size=0)


@pytest.mark.parametrize("task", [World().schema.task, CLASSES])
def test_the_validation_score_is_the_mean_over_incomplete_patterns(task: Task) -> None:
    world = World(task=task, gaps=True)
    model = Honest(world.schema)
    results = evaluate(model, world, conditions_of(world)[:-1])
    score, loss = validation_score(model, world, batch_size=60)
    if task.kind == "classification":
        assert score == pytest.approx(np.mean([r.measures["accuracy"] for r in results]))
        assert loss == pytest.approx(np.mean([r.measures["cross_entropy"] for r in results]), rel=1e-5)
        world.labels = np.where(np.arange(len(world)) % 9 == 0, world.labels, 0)
        found = validation_score(model, world, batch_size=60, balanced=True)
        results = evaluate(model, world, conditions_of(world)[:-1])
        balanced = [metrics.balanced_accuracy(r.output, r.labels) for r in results]
        assert found.score == pytest.approx(np.mean(balanced))
        assert found.score != pytest.approx(np.mean([r.measures["accuracy"] for r in results]))
    else:
        assert loss == pytest.approx(np.mean([r.measures["mae"] for r in results]))
        assert score == -loss


def test_validation_asks_for_all_patterns_in_as_few_calls_as_fit() -> None:
    world = World(n=50)
    model = Honest(world.schema)
    validation_score(model, world, batch_size=300)
    assert model.calls == [300]  # 50 samples under six patterns
    validation_score(model, world, batch_size=150)
    assert model.calls[1:] == [150, 150]


@pytest.mark.parametrize("batch_size", [17, 256])
def test_validation_of_many_pairs_gives_every_sample_a_few_patterns_and_every_pattern_its_share(
    batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, shown = World(n=50), []

    class Watching(Honest):
        def predict(self, batch, generator, *, draws=None):
            shown.extend(zip(batch.rows.tolist(), map(tuple, batch.available.tolist())))
            return super().predict(batch, generator, draws=draws)

    monkeypatch.setattr(evaluator, "PAIRS", 149)  # of the 300; two patterns a sample
    model = Watching(world.schema)
    score = validation_score(model, world, batch_size=batch_size)
    assert len(shown) == len(set(shown)) == 100
    rows, patterns = zip(*shown)
    assert set(Counter(rows).values()) == {2}
    assert all(16 <= patterns.count(p) <= 18 for p in set(patterns))
    assert len(set(patterns)) == 6
    every = world.batch(np.arange(50)).rows.tolist()
    conditions = []
    for whole in conditions_of(world)[:-1]:
        taken = [(row, tuple(flags)) in shown for row, flags in zip(every, whole.available.tolist())]
        conditions.append(replace(whole, available=whole.available & np.array(taken)[:, None]))
    assert score.loss == pytest.approx(np.mean([r.measures["mae"] for r in evaluate(model, world, conditions)]))


def test_validation_is_the_same_at_every_call_and_needs_a_label() -> None:
    world = World()
    model = Honest(world.schema, noise=1.0)
    assert validation_score(model, world, seed=1) == validation_score(model, world, seed=1)
    assert validation_score(model, world, seed=1) != validation_score(model, world, seed=2)
    world.labels[:] = np.nan
    with pytest.raises(DataError, match="no validation sample has a label"):
        validation_score(model, world)


def test_recovery_is_measured_where_hidden_and_present_only() -> None:
    world = World(n=40, gaps=True)
    results = evaluate_recovery(Recovering(world.schema, noise=0.1), world, conditions_of(world), batch_size=9)
    told = {(r.condition.name, r.target): r for r in results}
    assert set(told) == {
        ("text", "audio"), ("text", "vision"), ("audio", "text"), ("audio", "vision"), ("vision", "text"),
        ("vision", "audio"), ("text+audio", "vision"), ("text+vision", "audio"), ("audio+vision", "text"),
    }  # fmt: skip
    # Ten of forty samples hold no vision: nothing hidden there, nothing measured.
    assert told["text+audio", "vision"].n == 30
    assert told["text+vision", "audio"].frames == int(world.valid["audio"][5:].sum())
    for r in results:
        assert r.measures["recovery_r2"] > 0.98
        assert r.measures["recovery_latent_r2"] > 0.98
        assert 0.0 <= r.measures["recovery_coverage90"] <= 1.0
        assert r.truth.shape == r.recovered.shape == r.draw.shape
        assert np.isfinite(r.truth).all()


def test_recovery_repeats_and_the_answer_with_the_mean_scores_0() -> None:
    world = World()
    model = Recovering(world.schema, noise=0.5)
    hidden = conditions_of(world)[3:4]
    first, again = (evaluate_recovery(model, world, hidden, draws=5, seed=3)[0].measures for _ in range(2))
    assert first == again

    class Mean(Recovering):
        def _mean(self, batch):  # type: ignore[no-untyped-def]
            return torch.zeros(batch.size)

    assert evaluate_recovery(Mean(world.schema), world, hidden)[0].measures["recovery_r2"] == 0.0


def test_recovery_leaves_nothing_of_a_conversation_out() -> None:
    class Talking(World):
        conversation = np.zeros(40, np.int64)

    class Listening(Recovering):
        asked: tuple[int, ...] = ()

        def recover(self, batch, generator, *, draws=None, steps=None):  # type: ignore[no-untyped-def]
            self.asked += (batch.size,)
            return super().recover(batch, generator, draws=draws, steps=steps)

    world = Talking(n=40)
    half = conditions_of(world)[0]
    available = half.available.copy()
    available[::2] = True  # complete: nothing to recover, and context for what there is
    condition = replace(half, available=available)
    alone, together = Listening(world.schema), Listening(world.schema)
    together.conversational = True  # type: ignore[misc]
    meters = [Meter(), Meter()]
    results = [evaluate_recovery(m, world, [condition], meter=t) for m, t in zip((alone, together), meters)]
    assert set(alone.asked) == {20}
    assert set(together.asked) == {40}
    assert [t.samples for t in meters] == [20, 20]
    assert [[r.n for r in told] for told in results] == [[20, 20], [20, 20]]


def test_recovery_refuses_methods_that_do_not_recover() -> None:
    world = World()
    with pytest.raises(UsageError, match="'Honest' does not recover"):
        evaluate_recovery(Honest(world.schema), world, conditions_of(world))


def test_results_become_rows_with_their_condition() -> None:
    world = World()
    masks = random_conditions(world.present, world.schema.names, 0)
    source = provenance(
        dataset="world", split="test", data_checksum="c", model="honest", config_hash="h", seed=0,
        protocol="random@1", run="run",
    )  # fmt: skip
    rows = result_rows(evaluate(Honest(world.schema), world, masks), source)
    last = [r for r in rows if r.condition == "rate=0.7"]
    assert {r.metric for r in last} == set(metrics.scores_of(world.schema.task))
    assert last[0].rate_requested == 0.7
    assert last[0].rate_realised == pytest.approx(2 / 3)
    assert (last[0].n, last[0].target) == (50, "")
    back = evaluate_recovery(Recovering(world.schema), world, masks[1:2])
    assert {r.target for r in result_rows(back, source)} == {"text", "audio", "vision"}
