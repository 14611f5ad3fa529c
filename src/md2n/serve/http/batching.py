"""Requests that wait for the model are answered together, and each as if it had come alone.

A row is known by what it holds, as the rows of arrays are in Python: its noise is the same whatever else is in the
batch.  Checks are made for each request by itself.  Nothing waits for company: while the model works, what arrives
collects, and is the next batch.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from md2n.brief import brief
from md2n.data.samples import Ragged, Samples
from md2n.serve.http import memory
from md2n.serve.http.abilities import Ability, Reply
from md2n.serve.http.limits import Limits
from md2n.serve.http.metrics import Meters
from md2n.serve.http.query import Query, check_frames, check_size
from md2n.serve.http.refusals import Refusal
from md2n.serve.incoming import check_units, group_notes, incoming, is_whole
from md2n.serve.predictor import Predictor

Features = dict[str, list[Any]]
INLINE_NUMBERS = 1 << 14  # in a request; more are checked in a thread, so that others are heard meanwhile


@dataclass(frozen=True, eq=False)
class Job:
    """A request that was checked.

    Args:
        ability: the answer wanted.
        query: its features are a list with an array or None per sample, for every modality of the model.
        rows: samples.
        notes: on how they were taken.
        alone: whether other samples in the batch would change the answer.
        reply: where the answer goes.
    """

    ability: Ability
    query: Query
    rows: int
    notes: tuple[str, ...]
    alone: bool
    reply: "asyncio.Future[Reply]" = field(default_factory=asyncio.Future)

    __repr__ = brief

    def joins(self, other: "Job") -> bool:
        """Whether both are answered by one call."""
        return (
            not (self.alone or other.alone)
            and self.ability.name == other.ability.name
            and (self.query.draws, self.query.steps) == (other.query.draws, other.query.steps)
        )


class Batcher:
    """The only one who calls the model, in a thread of its own.

    Args:
        predictor: answers.
        limits: on a request, and on what waits.
        meters: count rows.
    """

    def __init__(self, predictor: Predictor, limits: Limits, meters: Meters) -> None:
        self.predictor, self.limits, self.meters = predictor, limits, meters
        self._waiting: deque[Job] = deque()
        self._arrival = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "md2n-model")

    async def ask(self, ability: Ability, query: Query) -> Reply:
        """The reply to one request.

        Raises:
            Md2nError: the features cannot be used, as for ``Predictor.predict``.
            Refusal: beyond the limits, or the server has too much to do.
        """
        check_size(query, self.limits)
        if _numbers(query) <= INLINE_NUMBERS:
            features, rows, notes = self.checked(query)
        else:
            features, rows, notes = await asyncio.to_thread(self.checked, query)
        if sum(job.rows for job in self._waiting) + rows > self.limits.waiting_rows:
            raise Refusal("busy", "too many samples are waiting for the model", "try again in a second")
        grouped = query.groups is not None and bool(self.predictor.normaliser.group)
        query = replace(query, features=features, groups=query.groups if grouped else None)
        job = Job(ability, query, rows, notes, alone=grouped)
        self._waiting.append(job)
        self._arrival.set()
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await job.reply
        except TimeoutError:
            message = f"there was no answer within {self.limits.seconds:g} seconds"
            raise Refusal("busy", message, "send fewer samples, or ask for fewer draws") from None

    async def work(self) -> None:
        """Answers what waits, until it is cancelled."""
        loop = asyncio.get_running_loop()
        batches = 0
        while True:
            await self._arrival.wait()
            self._arrival.clear()
            while jobs := self._next():
                replies = await loop.run_in_executor(self._thread, self._answer, jobs)
                for job, reply in zip(jobs, replies):
                    if job.reply.done():  # it was given up
                        continue
                    if isinstance(reply, Exception):
                        job.reply.set_exception(reply)
                    else:
                        job.reply.set_result(reply)
                batches += 1
                if batches % memory.EVERY == 0:
                    await loop.run_in_executor(self._thread, memory.give_back)

    def close(self) -> None:
        """Ends the thread, after what it is at."""
        self._thread.shutdown()

    def checked(self, query: Query) -> tuple[Features, int, tuple[str, ...]]:
        """Features as ``Job`` has them, the number of samples, and notes on how they were taken.

        Raises:
            DataError: they cannot be used.
            Refusal: a sequence is too long.
        """
        predictor = self.predictor
        samples, notes = incoming(
            query.features, query.groups, predictor.schema, predictor.normaliser.group, predictor.zeros
        )
        check_frames(samples, predictor.schema)
        if query.check_units:
            check_units(samples, predictor.normaliser)
        adapted = predictor.normaliser.adapt(samples)
        notes = (*predictor.notes, *notes, *group_notes(samples, adapted, query.groups is not None))
        return listed(samples), len(samples), notes

    def _next(self) -> list[Job]:
        """The job that has waited longest, and those that join it, up to a batch of the model."""
        jobs: list[Job] = []
        later: list[Job] = []
        rows = 0
        while self._waiting:
            job = self._waiting.popleft()
            if job.reply.done():
                continue
            if not jobs or (jobs[0].joins(job) and rows + job.rows <= self.predictor.batch_size):
                jobs.append(job)
                rows += job.rows
            else:
                later.append(job)
        self._waiting.extend(later)
        return jobs

    def _answer(self, jobs: Sequence[Job]) -> list[Reply | Exception]:
        """A reply or an error for each job; where one of several fails, each is answered by itself."""
        first = jobs[0]
        features = {k: [a for job in jobs for a in job.query.features[k]] for k in self.predictor.schema.names}
        try:
            answer = first.ability.run(self.predictor, features, first.query)
        except Exception as error:  # of any kind: it is the reply to who asked, and must not stop the others
            if len(jobs) > 1:
                return [reply for job in jobs for reply in self._answer([job])]
            return [error]
        self.meters.batch(first.ability.name, sum(job.rows for job in jobs))
        replies: list[Reply | Exception] = []
        start = 0
        for job in jobs:
            reply = first.ability.part(answer, slice(start, start + job.rows))
            replies.append({**reply, "notes": list(job.notes)})
            start += job.rows
        return replies


def listed(samples: Samples) -> Features:
    """Modality name -> an array ``[T_i, d]`` per sample with NaN where a number is unknown, or None where absent."""
    return {name: _listed(ragged) for name, ragged in samples.modalities.items()}


def _listed(ragged: Ragged) -> list[Any]:
    if is_whole(ragged):
        return [frames if len(frames) else None for frames in map(ragged.sample, range(len(ragged)))]
    return [_frames(ragged, row) for row in range(len(ragged))]


def _frames(ragged: Ragged, row: int) -> Any:
    span = slice(int(ragged.offsets[row]), int(ragged.offsets[row + 1]))
    known = ragged.known(span)
    if not known.any():
        return None
    frames = ragged.values[span]
    return frames if known.all() else np.where(known, frames, np.asarray(np.nan, frames.dtype))


def _numbers(query: Query) -> int:
    """About how many numbers a request holds, judged by the first sample of each modality."""
    total = 0
    for values in query.features.values():
        first: Any = next((v for v in values if v is not None), 0) if values is not None else 0
        size = 1
        while isinstance(first, list) and first:
            size *= len(first)
            first = first[0]
        total += size * int(np.size(first)) * (len(values) if values is not None else 0)
    return total
