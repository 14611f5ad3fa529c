"""GCNet: which utterances are neighbours, and that utterances which are not neighbours share nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.evaluation import evaluator
from md2n.evaluation.evaluator import evaluate, validation_score
from md2n.evaluation.protocols import Condition, fixed_conditions
from md2n.methods.gcnet.config import GCNetConfig
from md2n.methods.gcnet.graph import Conversations, GraphBranch
from md2n.methods.gcnet.model import GCNet
from md2n.seeding import generator
from md2n.shapes import Tensor
from tests.worlds import WORLDS, every_pattern, make_batch

SCHEMA = WORLDS["sequences"]
CODES = torch.tensor([7, 7, 7, 2, 2, 2, 2, -1, -1, 4, 7, 7])
PLACES = torch.tensor([1, 0, 2, 3, 1, 0, 9, 0, 0, 5, 3, 4])


def made(hidden: int = 8, window: int = 1) -> GCNet:
    torch.manual_seed(0)
    return GCNet(SCHEMA, GCNetConfig(hidden=hidden, window=window)).eval()


def talking() -> SequenceBatch:
    """Three conversations (one of a single utterance), two samples of none, every pattern."""
    return replace(every_pattern(make_batch(SCHEMA)), conversation=CODES, place=PLACES)


def said(model: GCNet, batch: SequenceBatch) -> Tensor:
    with torch.no_grad():
        return model.predict(batch, generator(0, "use")).output


def test_a_single_utterance_equals_the_form_without_neighbours() -> None:
    model, batch = made(), talking()
    single = batch.select(torch.tensor([0]))
    assert torch.equal(said(model, single), said(model, replace(single, conversation=None, place=None)))
    alone = replace(batch, conversation=None, place=None)
    apart = replace(batch, conversation=torch.arange(12).flip(0))
    torch.testing.assert_close(said(model, apart), said(model, alone))
    nobodys = torch.tensor([7, 8, 9])
    torch.testing.assert_close(said(model, batch)[nobodys], said(model, alone)[nobodys])
    others = torch.tensor([0, 1, 2, 3, 4, 5, 6, 10, 11])
    assert not torch.isclose(said(model, batch)[others], said(model, alone)[others]).any()


def test_neighbours_are_those_of_the_conversation_within_the_window() -> None:
    past, present, future = Conversations(CODES, PLACES).relations(1)
    assert past.nonzero().tolist() == [[0, 1], [2, 0], [4, 5], [10, 2], [11, 10]]
    assert torch.equal(future, past.T)
    assert torch.equal(present, torch.eye(12, dtype=torch.bool))
    same_place = Conversations(torch.tensor([3, 3]), torch.tensor([6, 6])).relations(2)
    assert same_place.any(dim=0).tolist() == [[True, False], [False, True]]


def test_lines_are_conversations_in_the_order_of_places() -> None:
    index, lengths = Conversations(CODES.where(CODES >= 0, torch.tensor(-5)), PLACES).lines()
    lines = [row[:n].tolist() for row, n in zip(index, lengths.tolist())]
    assert lines == [[7, 8], [5, 4, 3, 6], [9], [1, 0, 2, 10, 11]]


def test_a_branch_gathers_means_by_kind_then_sums() -> None:
    branch = GraphBranch(2, 2, 3, 0.0)
    for parameter in branch.parameters():
        torch.nn.init.zeros_(parameter)
    for kind, factor in zip(branch.kinds, (1.0, 10.0, 100.0)):
        kind.weight.data = factor * torch.eye(2)
    branch.around.weight.data = torch.eye(2)
    seen: list[Tensor] = []
    branch.along.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, 2:]))
    line = Conversations(torch.zeros(3, dtype=torch.long), torch.arange(3))
    nodes = torch.tensor([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    branch(nodes, line.relations(2), *line.lines())
    # First layer: past mean + 10 own + 100 future mean; second: the sum over neighbours, all three here.
    first = [10 * 1 + 100 * 3, 1 + 10 * 2 + 100 * 4, 1.5 + 10 * 4]
    assert seen[0][:, 0].tolist() == [sum(first)] * 3


def test_what_is_said_in_a_conversation_stays_in_it() -> None:
    model, batch = made(), talking()
    changed = {k: torch.where(CODES[:, None, None] == 2, x + 1, x) for k, x in batch.features.items()}
    moved = ~torch.isclose(said(model, batch), said(model, replace(batch, features=changed)), atol=1e-6)
    assert moved.tolist() == (CODES == 2).tolist()


def test_hidden_features_of_a_neighbour_are_not_read() -> None:
    model, batch = made(), talking()
    assert torch.equal(said(model, batch), said(model, batch.poisoned()))


def test_the_order_of_samples_changes_nothing_in_conversations() -> None:
    model, batch = made(), talking()
    order = torch.randperm(batch.size, generator=generator(1, "order"))
    torch.testing.assert_close(said(model, batch.select(order))[order.argsort()], said(model, batch))


def test_a_sequence_comes_back_as_its_mean_in_every_frame() -> None:
    model, batch = made(), talking()
    with torch.no_grad():
        back = model.recover(batch, generator(0, "use")).features["text"][batch.missing[:, 0]]
    assert torch.equal(back, back[:, :1].expand_as(back))
    assert back.var(dim=0).min() > 0


def test_the_reconstruction_is_compared_where_hidden_and_held_only() -> None:
    model, batch = made(), replace(make_batch(SCHEMA, gaps=True), conversation=CODES, place=PLACES)
    assert model.loss(batch, generator(0, "x")).parts["reconstruction"] == 0
    hidden = batch.hide(torch.arange(3) == (torch.arange(12) % 3)[:, None])
    assert model.loss(hidden, generator(0, "x")).parts["reconstruction"] > 0


class Talks:
    """A data set of conversations that are stored one after another."""

    conversation: np.ndarray = np.repeat([3, 0, 5, -1], [7, 9, 2, 2])

    def __len__(self) -> int:
        return 20

    def batch(self, positions: np.ndarray) -> SequenceBatch:
        whole = make_batch(SCHEMA, size=20)
        codes = torch.from_numpy(self.conversation)
        return replace(whole, conversation=codes, place=torch.arange(20)).select(torch.from_numpy(positions))


@pytest.fixture(scope="module")
def fixed() -> list[Condition]:
    # Without the complete one, which comes last.
    return list(fixed_conditions(np.ones((20, 3), bool), SCHEMA.names)[:6])


def test_validation_has_each_pattern_in_a_world_of_its_own(fixed: list[Condition]) -> None:
    model = made()
    one_by_one = [r.measures["mae"] for r in evaluate(model, Talks(), fixed)]
    assert validation_score(model, Talks()).loss == pytest.approx(np.mean(one_by_one), rel=1e-5)


def test_validation_of_a_few_patterns_leaves_conversations_whole(
    fixed: list[Condition], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "PAIRS", 20)  # one pattern a conversation
    model, calls = made(), []
    predict = model.predict
    monkeypatch.setattr(model, "predict", lambda batch, *a, **k: calls.append(batch) or predict(batch, *a, **k))
    validation_score(model, Talks())
    codes = Talks.conversation[torch.cat([batch.place for batch in calls])].tolist()
    seen = list(zip(codes, map(tuple, torch.cat([batch.available for batch in calls]).tolist())))
    assert len(seen) == 20
    assert all(len({a for c, a in seen if c == code}) == 1 for code in (3, 0, 5))


def test_predictions_do_not_depend_on_where_batches_end(fixed: list[Condition]) -> None:
    model = made()
    whole, cut = (evaluate(model, Talks(), fixed[:1], batch_size=n)[0].output for n in (20, 3))
    np.testing.assert_allclose(whole, cut, rtol=1e-5, atol=1e-6)


class Scattered(Talks):
    """The same conversations, with their utterances interleaved."""

    conversation = np.repeat([3, 0, 5, -1], [7, 9, 2, 2])[np.random.default_rng(1).permutation(20)]


def test_a_conversation_is_whole_in_use_however_it_is_stored() -> None:
    model, flags = made(), np.random.default_rng(2).random((20, 3)) < 0.6
    flags[:, 0] |= ~flags.any(axis=1)
    chosen = [replace(fixed_conditions(np.ones((20, 3), bool), SCHEMA.names)[0], name="drawn", available=flags)]
    whole, cut = (evaluate(model, Scattered(), chosen, batch_size=n)[0] for n in (20, 3))
    order = whole.rows.argsort(), cut.rows.argsort()
    assert whole.rows[order[0]].tolist() == cut.rows[order[1]].tolist()
    np.testing.assert_allclose(whole.output[order[0]], cut.output[order[1]], rtol=1e-5, atol=1e-6)
