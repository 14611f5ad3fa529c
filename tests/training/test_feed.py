"""What training is fed: the same as ever, or conversations in one piece for a method that reads them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from md2n.data.dataset import MultimodalDataset, epoch_order
from md2n.errors import UsageError
from md2n.evaluation.inference import conversations_for
from md2n.methods.base import Phase
from md2n.methods.boosted_trees.config import BoostedTreesConfig
from md2n.methods.boosted_trees.model import BoostedTrees
from md2n.methods.gcnet.config import GCNetConfig
from md2n.methods.gcnet.model import GCNet
from md2n.methods.modality_dropout.model import ModalityDropout
from md2n.methods.parts.config import FusionConfig
from md2n.training.config import TrainerConfig
from md2n.training.feed import Feed, check_weights, split_batches
from tests.data.sets import small

SAMPLES = replace(small(), groups={"video": np.asarray([f"v{i % 6}" for i in range(30)])})
DATA = MultimodalDataset(SAMPLES, np.arange(30), label="mood")
CONFIG = TrainerConfig(batch_size=8)
CPU = torch.device("cpu")


def test_only_a_method_that_reads_conversations_has_them_kept_together() -> None:
    torch.manual_seed(0)
    reads, does_not = GCNet(DATA.schema, GCNetConfig(hidden=4)), ModalityDropout(DATA.schema, FusionConfig())
    assert conversations_for(does_not, DATA) is None
    assert conversations_for(reads, MultimodalDataset(small(), np.arange(30), label="mood")) is None
    assert conversations_for(reads, DATA) is DATA.conversation


def test_without_conversations_the_order_is_that_of_the_epoch() -> None:
    order = split_batches(epoch_order(30, 5, 2), 8)
    fed = list(Feed(DATA, CONFIG, 5, CPU).epoch(2, 1))
    assert all(np.array_equal(a, b) for a, b in zip(order[1:], fed, strict=True))


def test_a_stretch_goes_on_where_the_last_one_ended_through_epochs() -> None:
    feed = Feed(DATA, CONFIG, 5, CPU)
    whole = [positions for epoch in range(3) for positions in feed.epoch(epoch, 0)]
    for step, count in ((0, 12), (2, 7), (4, 4), (11, 1), (3, 0)):
        fed = list(feed.stretch(step, count))
        assert all(np.array_equal(a, b) for a, b in zip(whole[step : step + count], fed, strict=True))


def test_a_batch_holds_whole_conversations() -> None:
    assert DATA.conversation is not None
    feed = Feed(DATA, CONFIG, 5, CPU, DATA.conversation)
    fed = list(feed.epoch(2, 0))
    assert len(fed) == feed.batches == 4
    assert sorted(np.concatenate(fed).tolist()) == list(range(30))
    in_batches = [set(DATA.conversation[positions]) for positions in fed]
    assert [sum(c in found for found in in_batches) for c in range(6)] == [1] * 6
    assert all(np.array_equal(a, b) for a, b in zip(fed[2:], feed.epoch(2, 2), strict=True))
    batch = feed.batch(fed[0], Phase(), 0)
    assert batch.conversation is not None
    assert batch.conversation.tolist() == DATA.conversation[fed[0]].tolist()


WEIGHTED = MultimodalDataset(SAMPLES, np.arange(30), label="mood", weights=np.repeat([0.2, 1.8], 15))


def test_weights_say_how_often_an_epoch_has_a_sample() -> None:
    feed = Feed(WEIGHTED, CONFIG, 5, CPU)
    epochs = [np.concatenate(list(feed.epoch(n, 0))) for n in range(200)]
    assert {len(order) for order in epochs} == {30}
    counts = np.mean([np.bincount(order, minlength=30) for order in epochs], axis=0)
    np.testing.assert_allclose(counts, WEIGHTED.weights, atol=0.12)
    again = list(Feed(WEIGHTED, CONFIG, 5, CPU).epoch(7, 2))
    assert all(np.array_equal(a, b) for a, b in zip(list(feed.epoch(7, 0))[2:], again, strict=True))
    assert sum(batch.size for batch in feed.complete()) == 30


def test_weights_that_a_method_could_not_follow_are_refused() -> None:
    torch.manual_seed(0)
    reads, trees = GCNet(DATA.schema, GCNetConfig(hidden=4)), BoostedTrees(DATA.schema, BoostedTreesConfig())
    for model, reason in ((reads, "reads whole conversations"), (trees, "is fitted in closed form")):
        check_weights(model, DATA)
        with pytest.raises(UsageError, match=reason):
            check_weights(model, WEIGHTED)
    check_weights(ModalityDropout(DATA.schema, FusionConfig()), WEIGHTED)
