"""Whatever is answered together, each answer is what Python's predictor gives for that request alone."""

import asyncio
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tests.serve.http.asking  # noqa: F401 - skips without the extra
from md2n.data.samples import Samples
from md2n.errors import DataError, DivergenceError
from md2n.serve.http import memory
from md2n.serve.http.abilities import PREDICT, RECOVER
from md2n.serve.http.batching import Batcher, listed
from md2n.serve.http.limits import Limits
from md2n.serve.http.query import Query
from md2n.serve.http.refusals import Refusal
from md2n.serve.http.served import Served
from md2n.serve.incoming import check_units
from md2n.serve.predictor import Predictor


def together(predictor: Predictor, queries: list[tuple[Any, Query]], **limits: Any) -> tuple[list[Any], list[int]]:
    """Replies to requests that wait at the same time, errors among them, and the rows of each call of the model."""
    calls: list[int] = []

    async def all_at_once() -> list[Any]:
        batcher = Served(predictor, limits=Limits(**limits)).batcher()
        batcher.meters.batch = lambda ability, rows: calls.append(rows)  # type: ignore[method-assign]
        waiting = [asyncio.create_task(batcher.ask(ability, query)) for ability, query in queries]
        await asyncio.sleep(0.02)
        work = asyncio.create_task(batcher.work())
        try:
            return await asyncio.gather(*waiting, return_exceptions=True)
        finally:
            work.cancel()
            batcher.close()

    return asyncio.run(all_at_once()), calls


def queries(samples: Samples, rows: range, hidden: list[tuple[str, ...]]) -> list[Query]:
    """One sample in each, with some modalities hidden."""
    whole = listed(samples)
    return [Query({k: [None if k in hidden[i % len(hidden)] else whole[k][i]] for k in samples.names}) for i in rows]


HIDDEN: list[tuple[str, ...]] = [(), ("rows",), ("edges", "moments"), ("fourier", "rows", "edges")]


def test_predictions_are_those_of_the_predictor(recovering: Predictor, test_digits: Samples) -> None:
    asks = queries(test_digits, range(12), HIDDEN)
    replies, calls = together(recovering, [(PREDICT, q) for q in asks])
    assert calls == [12]
    for query, reply in zip(asks, replies):
        alone = recovering.predict(query.features)
        np.testing.assert_allclose(reply["output"], alone.output, rtol=0, atol=1e-6)
        np.testing.assert_allclose(reply["std"], alone.std, rtol=0, atol=1e-6)
        assert reply["available"] == list(alone.available)


def test_recoveries_are_those_of_the_predictor(recovering: Predictor, test_digits: Samples) -> None:
    asks = queries(test_digits, range(8), HIDDEN)
    replies, calls = together(recovering, [(RECOVER, q) for q in asks])
    assert calls == [8]
    for query, reply in zip(asks, replies):
        alone = recovering.recover(query.features)
        for name in alone.features:
            for part, own in ((reply["features"], alone.features), (reply["std"], alone.std)):
                np.testing.assert_allclose(part[name][0], own[name][0], rtol=0, atol=1e-6)
            assert reply["was_given"][name].tolist() == alone.was_given[name].tolist()


def test_sequences_and_unknown_numbers(grouped: Predictor) -> None:
    from tests.serve.trained import people

    samples = people().only(("audio", "video", "pulse"))
    asks = queries(samples, range(60, 68), [(), ("audio",), ("pulse",)])
    asks[0].features["audio"][0] = np.where(
        np.eye(*asks[0].features["audio"][0].shape), np.nan, asks[0].features["audio"][0]
    )
    for ability in (PREDICT, RECOVER):
        replies, calls = together(grouped, [(ability, q) for q in asks])
        assert calls == [8]
        for query, reply in zip(asks, replies):
            if ability is PREDICT:
                answer = grouped.predict(query.features)
                np.testing.assert_allclose(reply["output"], answer.output, rtol=0, atol=1e-6)
                for level, ends in answer.intervals.items():
                    np.testing.assert_allclose(reply["intervals"][str(level)], ends, rtol=0, atol=1e-6)
                assert reply["notes"] == list(answer.notes)
            else:
                for name, values in grouped.recover(query.features).features.items():
                    np.testing.assert_allclose(reply["features"][name][0], values[0], rtol=1e-6, atol=1e-6)


def test_a_group_is_normalised_by_its_own_request(grouped: Predictor) -> None:
    # The statistics of a group's rows are part of its answer, so rows of another request may not join them.
    from tests.serve.trained import people

    samples = people().only(("audio", "video", "pulse"))
    whole = listed(samples)
    parts = [[0, 3, 6, 9], [12, 15, 18, 21]]
    asks = [Query({k: [whole[k][i] for i in rows] for k in samples.names}, ("ann",) * 4) for rows in parts]
    replies, calls = together(grouped, [(PREDICT, q) for q in asks])
    assert calls == [4, 4]
    for query, reply in zip(asks, replies):
        answer = grouped.predict(query.features, groups=query.groups)
        np.testing.assert_allclose(reply["output"], answer.output, rtol=0, atol=1e-6)


def test_only_what_is_asked_alike_is_answered_together(recovering: Predictor, test_digits: Samples) -> None:
    asks = queries(test_digits, range(4), HIDDEN)
    mixed = [(PREDICT, asks[0]), (RECOVER, asks[1]), (PREDICT, asks[2]), (PREDICT, Query(asks[3].features, draws=3))]
    replies, calls = together(recovering, mixed)
    assert calls == [2, 1, 1]
    np.testing.assert_allclose(replies[3]["std"], recovering.predict(asks[3].features, draws=3).std, atol=1e-6)


def test_a_batch_is_no_larger_than_the_models(recovering: Predictor, test_digits: Samples) -> None:
    one = queries(test_digits, range(1), HIDDEN)[0]
    forty = Query({k: v * 40 for k, v in one.features.items()}, draws=1)
    _, calls = together(recovering, [(PREDICT, forty)] * 2)
    assert calls == [40, 40]


def test_memory_is_given_back_between_batches(
    recovering: Predictor, test_digits: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr(memory, "EVERY", 2)
    monkeypatch.setattr(memory, "give_back", lambda: given.append(threading.current_thread().name))
    one = queries(test_digits, range(1), HIDDEN)[0]
    _, calls = together(recovering, [(PREDICT, Query(one.features, draws=n)) for n in (1, 2, 3, 4, 5)])
    assert len(calls) == 5
    assert len(given) == 2 and given[0].startswith("md2n-model")  # the one thread that the model has


@pytest.mark.skipif(sys.platform != "linux", reason="asks the GNU C library")
def test_what_was_freed_goes_back_to_the_system() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])

    if not memory.give_back():
        pytest.skip("another C library")
    kept = [bytearray(100_000) for _ in range(400)]  # below the size that has pages of its own: 40 MB
    last = bytearray(100_000)  # keeps the end of the heap in use
    before = resident()
    del kept
    memory.give_back()
    assert before - resident() > 5_000  # pages of 4 KiB, of 9,800
    assert len(last) == 100_000


def test_a_wrong_request_spoils_no_other(recovering: Predictor, test_digits: Samples) -> None:
    asks = queries(test_digits, range(2), HIDDEN)
    (right, wrong, also), _ = together(
        recovering, [(PREDICT, asks[0]), (PREDICT, Query({"rows": [np.full((8, 8), 1e30)]})), (PREDICT, asks[1])]
    )
    assert isinstance(wrong, DataError)
    assert right["labels"].shape == also["labels"].shape == (1,)


def test_one_that_the_model_cannot_answer_spoils_no_other(
    recovering: Predictor, test_digits: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = queries(test_digits, range(3), [()])
    bad = asks[1].features["moments"][0]
    predict = recovering.predict

    def failing(features: Any, **more: Any) -> Any:
        if any(np.array_equal(x, bad) for x in features["moments"]):
            raise DivergenceError("the prediction of sample '0' is not a finite number", "train again")
        return predict(features, **more)

    monkeypatch.setattr(recovering, "predict", failing)
    replies, calls = together(recovering, [(PREDICT, q) for q in asks])
    assert isinstance(replies[1], DivergenceError)
    assert calls == [1, 1]
    assert [r["available"] for r in replies[::2]] == [["rows+edges+fourier+moments"]] * 2


def test_what_is_too_much_is_refused(recovering: Predictor, test_digits: Samples) -> None:
    asks = queries(test_digits, range(3), HIDDEN)
    replies, _ = together(recovering, [(PREDICT, q) for q in asks], waiting_rows=2)
    assert [isinstance(r, Refusal) and r.kind for r in replies] == [False, False, "busy"]
    (many,), _ = together(recovering, [(PREDICT, Query({"rows": [None] * 9}))], rows=8)
    assert (many.kind, many.status) == ("too-many-rows", 413)
    (long,), _ = together(recovering, [(PREDICT, Query({"rows": [np.ones((999, 8))]}))])
    assert (long.kind, long.status) == ("too-many-frames", 413)


def test_an_answer_that_takes_too_long_is_given_up(
    recovering: Predictor, test_digits: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()
    monkeypatch.setattr(recovering, "predict", lambda *_, **__: release.wait(5))
    asks = queries(test_digits, range(1), HIDDEN)

    async def impatient() -> Any:
        batcher: Batcher = Served(recovering, limits=Limits(seconds=0.05)).batcher()
        work = asyncio.create_task(batcher.work())
        try:
            return await asyncio.gather(batcher.ask(PREDICT, asks[0]), return_exceptions=True)
        finally:
            release.set()
            work.cancel()
            batcher.close()

    (reply,) = asyncio.run(impatient())
    assert (reply.kind, reply.status) == ("busy", 503)


def flagged(samples: Samples) -> Samples:
    """The same samples with a flag for each number: every number is known, but nothing says so at once."""
    marked = {k: replace(r, cells=np.ones(r.values.shape, bool)) for k, r in samples.modalities.items()}
    return replace(samples, modalities=marked)


def test_whole_samples_are_read_as_those_whose_every_number_is_flagged(test_digits: Samples) -> None:
    short, long = listed(test_digits), listed(flagged(test_digits))
    assert short.keys() == long.keys()
    for name, arrays in short.items():
        assert all(np.array_equal(one, other) for one, other in zip(arrays, long[name], strict=True))


@pytest.mark.parametrize("share", [0.0, 0.15, 0.25])
def test_units_are_judged_alike_with_and_without_flags(test_digits: Samples, dropout: Predictor, share: float) -> None:
    name = test_digits.names[0]
    values = np.array(test_digits.modalities[name].values, np.float32)
    values.flat[: round(share * values.size)] = 1e6
    odd = {**test_digits.modalities, name: replace(test_digits.modalities[name], values=values)}
    said = []
    for samples in (strange := replace(test_digits, modalities=odd), flagged(strange)):
        try:
            check_units(samples, dropout.normaliser)
            said.append("")
        except DataError as error:
            said.append(error.message)
    assert said[0] == said[1]
    assert said[0].startswith("25% of the values") == (share > 0.2)
