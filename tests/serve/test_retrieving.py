"""Retrieval with gaps: exact where nothing is missing, by the definition where something is, and refusals by name."""

from dataclasses import replace

import numpy as np
import pytest

from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError, install_hint
from md2n.serve import nearest_items
from md2n.serve.nearest_items import nearest, ranks_of_matches
from md2n.serve.predictor import Predictor
from md2n.serve.retrieval_references import RIDGE, SHARED, ZEROS, reference_results, translated
from md2n.serve.retrieving import Vectors, search, vectors, zeros
from tests.serve.games import Echo, ruled
from tests.serve.test_predictor import arrays


def part(digits: Samples, *names: str) -> Samples:
    return replace(digits, modalities={k: r if k in names else r.all_absent() for k, r in digits.modalities.items()})


def test_with_nothing_missing_it_is_the_exact_nearest_neighbour_in_the_data(dropout: Predictor, digits) -> None:
    """Of whatever method: no model is in it."""
    query, index = digits.select(np.arange(20)), digits.select(np.arange(20, 60))
    answer = dropout.retrieve(query, index, count=5)
    scaled = []
    for side in (query, index):
        rows = [
            np.stack([dropout.normaliser.apply(k, r.sample(i)).ravel() for i in range(len(side))])
            for k, r in side.modalities.items()
        ]
        scaled.append(np.concatenate([x / np.linalg.norm(x, axis=1, keepdims=True) for x in rows], axis=1))
    distance = np.linalg.norm(scaled[0][:, None].astype(np.float64) - scaled[1], axis=2)
    assert answer.ids.tolist() == index.ids[np.argsort(distance, axis=1)[:, :5]].tolist()
    np.testing.assert_allclose(answer.distance, np.sort(distance, axis=1)[:, :5], atol=1e-5)
    assert np.isnan(answer.rank).all()
    assert answer.measures == {}


def test_a_query_finds_itself(recovering: Predictor, digits: Samples) -> None:
    answer = recovering.retrieve(digits, digits)
    assert answer.ids[:, 0].tolist() == answer.query_ids.tolist() == digits.ids.tolist()
    assert answer.measures == {"recall@1": 1.0, "recall@5": 1.0, "recall@10": 1.0, "median_rank": 1.0}


def test_recall_is_not_measured_where_items_share_an_id(dropout: Predictor, digits: Samples) -> None:
    twice = replace(digits, ids=np.array([digits.ids[0], *digits.ids[:-1]]))
    answer = dropout.retrieve(digits, twice)
    assert answer.measures == {} and np.isnan(answer.rank).all()
    assert any("recall is not measured" in note for note in answer.notes)


def test_across_modalities_recovery_finds_what_zeros_cannot(recovering: Predictor, digits: Samples) -> None:
    query, index = part(digits, "edges", "fourier"), part(digits, "rows")
    found = recovering.retrieve(query, index).measures
    plain = [vectors(recovering, side, complete=zeros) for side in (query, index, digits)]
    references = reference_results(*plain)
    assert SHARED not in references
    assert references[ZEROS].measures["median_rank"] == 30.5  # all items are as near
    assert references[RIDGE].measures["median_rank"] < 10
    assert found["recall@10"] > 2 * 10 / 60
    shared = reference_results(vectors(recovering, part(digits, "rows", "edges"), complete=zeros), plain[1], plain[2])
    assert shared[SHARED].measures["recall@1"] == 1.0


def test_recovered_parts_are_those_of_the_method() -> None:
    predictor = ruled("abc", lambda x, there: x["a"], kind=Echo)
    made = vectors(predictor, {"a": np.full((1, 1), 2.0), "b": np.full((1, 1), 4.0)})
    assert {k: x.tolist() for k, x in made.parts.items()} == {"a": [[2.0]], "b": [[4.0]], "c": [[3.0]]}
    assert made.joined.tolist() == [[1.0, 1.0, 1.0]]


def test_a_linear_relation_is_translated_by_the_ridge() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    y = x @ rng.normal(size=(3, 2)).astype(np.float32)
    there = np.ones((200, 2), bool)
    training = Vectors(np.arange(200).astype(str), {"x": x, "y": y}, there)
    some = replace(training, parts={"x": x, "y": np.zeros_like(y)}, available=there & [True, False])
    np.testing.assert_allclose(translated(some, training).parts["y"], y, atol=0.02)
    nothing = replace(training, available=there & [True, False])
    assert not translated(some, nothing).parts["y"].any()


def test_ranks_count_nearer_items_and_half_of_those_as_near() -> None:
    items = np.asarray([[0.0], [1], [1], [3]], np.float32)
    query = np.zeros((3, 1), np.float32)
    ranks = ranks_of_matches(query, items, np.asarray([3, 2, -1]))
    assert ranks[:2].tolist() == [4.0, 2.5]
    assert np.isnan(ranks[2])


@pytest.mark.parametrize("count", [1, 7, 300])
def test_the_search_is_exact_in_blocks_and_for_near_twins(count: int) -> None:
    rng = np.random.default_rng(1)
    items = rng.normal(3, 1, size=(300, 6)).astype(np.float32)
    items[:20] = items[0] + np.arange(20, dtype=np.float32)[:, None] * 2e-4  # a product in float32 cannot order them
    query = np.concatenate([items[:2], 3 + rng.normal(size=(nearest_items.BLOCK + 3, 6)).astype(np.float32)])
    places, distance = nearest(query, items, count)
    expected = np.linalg.norm(query[:, None].astype(np.float64) - items, axis=2)
    assert places.shape == (len(query), count)
    np.testing.assert_allclose(distance[2:], np.sort(expected[2:], axis=1)[:, :count], atol=1e-5)
    assert places[:2, 0].tolist() == [0, 1]


def test_a_graph_finds_nearly_all(recovering: Predictor) -> None:
    pytest.importorskip("faiss", reason="extra 'search'")
    items = np.random.default_rng(2).normal(size=(2000, 8)).astype(np.float32)
    exact, graph = (nearest(items[:50] + 0.1, items, 10, approximate)[0] for approximate in (False, True))
    assert np.mean([len(set(a) & set(b)) for a, b in zip(exact, graph)]) > 9
    sides = Vectors(np.arange(2000).astype(str), {"a": items}, np.ones((2000, 1), bool))
    assert np.isnan(search(sides, sides, approximate=True).rank).all()


def test_what_cannot_be_searched_is_refused(dropout: Predictor, digits: Samples, monkeypatch) -> None:
    with pytest.raises(DataError, match="the queries have rows, the items edges\\+fourier: no modality in common"):
        dropout.retrieve(part(digits, "rows"), part(digits, "edges", "fourier"))
    assert dropout.retrieve(part(digits, "rows", "edges"), part(digits, "edges")).ids.shape == (60, 10)
    with pytest.raises(UsageError, match="0 items per query are none"):
        dropout.retrieve(digits, digits, count=0)
    with pytest.raises(DataError, match="knows no modality 'z'"):
        dropout.retrieve({"z": np.ones((1, 2))}, arrays(digits))
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(UsageError) as error:
        dropout.retrieve(digits, digits, approximate=True)
    assert error.value.hint == install_hint("search")
