"""Mean fill: the fill of a missing modality, and the climatology that it recovers."""

from dataclasses import replace

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.methods.base import Recovery
from md2n.methods.catalogue import build
from md2n.methods.mean_fill.model import MeanFill
from md2n.methods.parts.config import FusionConfig
from md2n.methods.zero_fill.model import ZeroFill
from md2n.modality import Modality, Schema
from md2n.seeding import generator
from tests.worlds import CLASSES, WORLDS, make_batch


def fitted(schema: Schema, batch: SequenceBatch) -> MeanFill:
    torch.manual_seed(0)
    model = MeanFill(schema, FusionConfig())
    model.fit(batch.select(rows) for rows in torch.arange(batch.size).split(5))
    return model.eval()


def output(model: MeanFill | ZeroFill, batch: SequenceBatch) -> torch.Tensor:
    with torch.no_grad():
        return model.predict(batch, generator(0, "use")).output


def recovered(model: MeanFill, batch: SequenceBatch, draws: int | None = None) -> Recovery:
    with torch.no_grad():
        return model.recover(batch, generator(0, "use"), draws=draws)


def without(batch: SequenceBatch, name: str) -> SequenceBatch:
    flags = torch.tensor([n != name for n in batch.names])
    return batch.hide(flags.expand(batch.size, -1))


def test_it_keeps_mean_and_deviation_of_every_position_and_the_average_length() -> None:
    schema = Schema((Modality("words", 1, 4), Modality("still", 2)), CLASSES)
    nan = float("nan")
    words = torch.tensor([[1.0, 4.0, nan, nan], [3.0, 8.0, 5.0, nan], [5.0, nan, nan, nan]])[..., None]
    batch = make_batch(schema, size=3)
    batch = replace(
        batch,
        features=batch.features | {"words": words},
        valid=batch.valid | {"words": ~words.isnan()[..., 0]},
    )
    model = fitted(schema, batch)
    state = model.state_dict()
    # Nobody has a fourth frame: it has the statistics of all six.
    seen = torch.tensor([1.0, 3, 5, 4, 8, 5])
    torch.testing.assert_close(state["mean_0"][:, 0], torch.tensor([3.0, 6.0, 5.0, float(seen.mean())]))
    apart = seen.std(correction=0).item()
    torch.testing.assert_close(state["deviation_0"][:, 0], torch.tensor([(8 / 3) ** 0.5, 2.0, 0.0, apart]))
    assert state["length"].tolist() == [2, 1]


@pytest.mark.parametrize("world", WORLDS)
def test_a_missing_modality_counts_as_one_that_holds_the_mean(world: str) -> None:
    schema = WORLDS[world]
    batch = make_batch(schema, size=20)
    model = fitted(schema, batch)
    for k, modality in enumerate(schema.modalities):
        length = int(model.length[k])
        shown = torch.full_like(batch.features[modality.name], float("nan"))
        shown[:, :length] = model.state_dict()[f"mean_{k}"][:length]
        frames = torch.arange(shown.shape[1]).expand(20, -1) < length
        filled = replace(
            batch,
            features=batch.features | {modality.name: shown},
            valid=batch.valid | {modality.name: frames},
            cells={k: c for k, c in batch.cells.items() if k != modality.name},
        )
        torch.testing.assert_close(output(model, without(batch, modality.name)), output(model, filled))


def test_where_the_mean_of_vectors_is_zero_it_is_zero_fill() -> None:
    schema = WORLDS["vectors"]
    batch = make_batch(schema, size=40)
    centred = {name: x - x.mean(dim=0) for name, x in batch.features.items()}
    batch = replace(batch, features=centred)
    model = fitted(schema, batch)
    torch.manual_seed(0)
    zero = build("zero_fill", schema, FusionConfig()).eval()
    torch.testing.assert_close(output(model, without(batch, "ecg")), output(zero, without(batch, "ecg")))


def test_the_mean_explains_nothing_and_its_draws_have_the_training_deviation() -> None:
    schema = WORLDS["vectors"]
    batch = make_batch(schema, size=60)
    told = recovered(fitted(schema, batch), without(batch, "ecg"), draws=4000)
    truth, mean = batch.features["ecg"], told.features["ecg"]
    torch.testing.assert_close(mean, truth.mean(dim=0).expand_as(truth))
    torch.testing.assert_close(told.std["ecg"][0], truth.std(dim=0, correction=0))
    torch.testing.assert_close(told.draws["ecg"][:, 0].std(dim=0), told.std["ecg"][0], rtol=0.1, atol=0)


def test_frames_beyond_the_training_splits_longest_have_the_last_positions_mean() -> None:
    schema = WORLDS["sequences"]
    batch = make_batch(schema)
    model = fitted(schema, batch)
    pad = torch.nn.functional.pad
    longer = replace(
        without(batch, "text"),
        features={k: pad(x, (0, 0, 0, 3)) for k, x in batch.features.items()},
        valid={k: pad(v, (0, 3)) for k, v in batch.valid.items()},
    )
    features = recovered(model, longer).features["text"]
    assert torch.equal(features[:, 5:], features[:, 5:6].expand(-1, 4, -1))
    torch.testing.assert_close(output(model, longer), output(model, without(batch, "text")))


def test_a_modality_that_no_training_sample_holds_is_refused_by_name() -> None:
    batch = without(make_batch(WORLDS["vectors"]), "eda")
    with pytest.raises(DataError, match="no training sample holds modality 'eda'"):
        fitted(WORLDS["vectors"], replace(batch, present=batch.available))
