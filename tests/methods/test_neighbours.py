"""Neighbours compared with a plain search, and cases without any neighbour."""

from dataclasses import replace

import pytest
import torch

from md2n.batch import SequenceBatch
from md2n.errors import DataError
from md2n.methods.base import Recovery
from md2n.methods.neighbours.model import NEIGHBOURS, Neighbours
from md2n.methods.parts.config import FusionConfig
from md2n.modality import Schema
from md2n.seeding import generator
from tests.worlds import WORLDS, every_pattern, make_batch


def fitted(schema: Schema, batch: SequenceBatch) -> Neighbours:
    torch.manual_seed(0)
    model = Neighbours(schema, FusionConfig()).eval()
    model.fit([batch])
    return model


def recovered(model: Neighbours, batch: SequenceBatch, draws: int = 8) -> Recovery:
    with torch.no_grad():
        return model.recover(batch, generator(0, "r"), draws=draws)


def flat(batch: SequenceBatch, name: str) -> torch.Tensor:
    return batch.readable(name).flatten(1)


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
@pytest.mark.parametrize("world", WORLDS)
def test_it_is_the_search_by_hand(world: str, gaps: bool) -> None:
    """Sequences are as long as the schema says in one sample of the batch, so no answer is cut."""
    schema = WORLDS[world]
    train = make_batch(schema, size=120, gaps=gaps)
    test = every_pattern(make_batch(schema, size=30, seed=1, gaps=gaps))
    recovery = recovered(fitted(schema, train), test, draws=3)
    for i in range(test.size):
        present = [k for k in range(len(schema.modalities)) if bool(test.available[i, k])]
        for target, name in enumerate(schema.names):
            if target in present:
                continue
            distances = []
            for j in range(train.size):
                shared = [schema.names[k] for k in present if bool(train.present[j, k])]
                if not shared or not bool(train.present[j, target]):
                    continue
                squares = [(flat(test, k)[i] - flat(train, k)[j]).double().square() for k in shared]
                distances.append((float(torch.cat(squares).mean()), j))
            donors = flat(train, name)[[j for _, j in sorted(distances)[:NEIGHBOURS]]]
            assert len(donors) == NEIGHBOURS
            torch.testing.assert_close(recovery.features[name][i].flatten(), donors.mean(dim=0))
            torch.testing.assert_close(recovery.std[name][i].flatten(), donors.std(dim=0, correction=0))
            for draw in recovery.draws[name][:, i].flatten(1):
                assert bool((donors == draw).all(dim=1).any())


def test_every_donor_is_drawn_about_equally_often() -> None:
    schema = WORLDS["vectors"]
    test = make_batch(schema, size=4, seed=1).hide(torch.tensor([True, False]).expand(4, -1))
    draws = recovered(fitted(schema, make_batch(schema, size=60)), test, draws=4000).draws["eda"][:, :, 0]
    for i in range(4):
        values, counts = draws[:, i].unique(dim=0, return_counts=True)
        assert len(values) == NEIGHBOURS
        assert int(counts.min()) > 130  # of 200, deviation 14
        assert int(counts.max()) < 270


def test_of_equally_near_rows_the_same_are_chosen_alone_and_in_a_batch() -> None:
    schema = WORLDS["vectors"]
    train, test = make_batch(schema, size=60), make_batch(schema, size=30, seed=1)
    equal = torch.full((1, 1, 6), 0.1) * torch.arange(1, 7)
    train, test = (replace(b, features={**b.features, "ecg": equal.expand(b.size, -1, -1)}) for b in (train, test))
    test = test.hide(torch.tensor([True, False]).expand(30, -1))
    model = fitted(schema, train)
    whole = recovered(model, test)
    for i in range(30):
        alone = recovered(model, test.select(torch.tensor([i])))
        torch.testing.assert_close(alone.features["eda"][0], whole.features["eda"][i])
        torch.testing.assert_close(alone.draws["eda"][:, 0], whole.draws["eda"][:, i])


def test_of_few_rows_all_are_donors() -> None:
    schema = WORLDS["vectors"]
    train = make_batch(schema, size=6)
    test = make_batch(schema, size=5, seed=1).hide(torch.tensor([True, False]).expand(5, -1))
    recovery = recovered(fitted(schema, train), test)
    expected = train.features["eda"][:, 0]
    torch.testing.assert_close(recovery.features["eda"][:, 0], expected.mean(0).expand(5, -1))
    torch.testing.assert_close(recovery.std["eda"][:, 0], expected.std(0, correction=0).expand(5, -1))


def test_donors_of_one_value_leave_no_deviation() -> None:
    schema = WORLDS["vectors"]
    train = make_batch(schema, size=60)
    train = replace(train, features={**train.features, "eda": torch.full((60, 1, 3), 0.7)})
    test = make_batch(schema, size=5, seed=1).hide(torch.tensor([True, False]).expand(5, -1))
    recovery = recovered(fitted(schema, train), test)
    assert torch.equal(recovery.draws["eda"], torch.full((8, 5, 1, 3), 0.7))
    assert float(recovery.std["eda"].max()) < 1e-6


def test_where_no_row_shares_anything_with_the_sample_all_are_drawn_from() -> None:
    schema = WORLDS["vectors"]
    train = make_batch(schema, size=60)
    apart = torch.stack([torch.arange(60) < 30, torch.arange(60) >= 30], dim=1)
    test = make_batch(schema, size=5, seed=1).hide(torch.tensor([True, False]).expand(5, -1))
    recovery = recovered(fitted(schema, replace(train, present=apart, available=apart)), test)
    expected = train.features["eda"][30:, 0]
    torch.testing.assert_close(recovery.features["eda"][:, 0], expected.mean(0).expand(5, -1))
    torch.testing.assert_close(recovery.std["eda"][:, 0], expected.std(0, correction=0).expand(5, -1))


def test_a_modality_that_no_training_sample_holds_is_refused_by_name() -> None:
    schema = WORLDS["vectors"]
    train = make_batch(schema, size=20).hide(torch.tensor([True, False]).expand(20, -1))
    test = make_batch(schema, size=5, seed=1).hide(torch.tensor([True, False]).expand(5, -1))
    with pytest.raises(DataError, match="no training sample holds modality 'eda'"):
        recovered(fitted(schema, replace(train, present=train.available)), test)
