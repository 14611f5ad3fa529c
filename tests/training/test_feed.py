"""What training is fed: the same as ever, or conversations in one piece for a method that reads them."""

from dataclasses import replace

import numpy as np
import torch

from md2n.data.dataset import MultimodalDataset, epoch_order
from md2n.evaluation.inference import conversations_for
from md2n.methods.base import Phase
from md2n.methods.gcnet.config import GCNetConfig
from md2n.methods.gcnet.model import GCNet
from md2n.methods.modality_dropout.model import ModalityDropout
from md2n.methods.parts.config import FusionConfig
from md2n.training.config import TrainerConfig
from md2n.training.feed import Feed, split_batches
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
