"""The JSON API: a path for each ability, reading of files, facts about the model, metrics."""

import asyncio
from typing import TYPE_CHECKING, Any

from md2n.serve.http.abilities import Ability
from md2n.serve.http.batching import Batcher
from md2n.serve.http.documentation import request_body, response_of
from md2n.serve.http.encoding import encode
from md2n.serve.http.limits import parsed, read_body
from md2n.serve.http.query import Query, check_size
from md2n.serve.http.served import Served
from md2n.serve.http.upload import read_upload

if TYPE_CHECKING:
    from fastapi import FastAPI

PAGE = 500  # samples listed at a time


def add_api(app: "FastAPI", served: Served, batcher: Batcher) -> None:
    """Adds ``/api/...`` and ``/metrics``."""
    from fastapi import Request, Response

    schema, group, trained = served.predictor.schema, served.predictor.normaliser.group, served.predictor.columns
    body = request_body(schema)

    async def query_from(request: Request) -> Query:
        content = await read_body(request.headers, request.stream(), served.limits)
        kind = request.headers.get("content-type", "")
        return await parsed(lambda: read_upload(content, kind, schema, group, trained), len(content))

    def reply(content: Any) -> Response:
        return Response(encode(content), media_type="application/json")

    def add_ability(ability: Ability) -> None:
        async def answer(request: Request) -> Response:
            return reply(await batcher.ask(ability, await query_from(request)))

        app.post(
            f"/api/{ability.name}",
            name=ability.name,
            summary=ability.line,
            openapi_extra=body,
            responses=response_of(ability.name, served.predictor),
        )(answer)

    for ability in served.abilities.values():
        add_ability(ability)

    @app.post("/api/read", summary="What a file holds, as features of the JSON API.", openapi_extra=body)
    async def read(request: Request) -> Response:
        query = await query_from(request)
        check_size(query, served.limits)
        features, rows, notes = await asyncio.to_thread(batcher.checked, query)
        return reply({"rows": rows, "features": features, "groups": query.groups, "notes": notes})

    @app.get("/api/model", summary="The model: modalities, task, abilities, limits, scores by pattern.")
    async def model() -> Response:
        return reply(served.facts())

    @app.get("/api/samples", summary=f"Ids and labels of samples to look at, {PAGE} at a time.")
    async def samples(start: int = 0) -> Response:
        count = 0 if served.samples is None else len(served.samples)
        first = min(max(start, 0), count)
        end = min(first + PAGE, count)
        ids: list[str] = [] if served.samples is None else served.samples.ids[first:end].tolist()
        return reply({"count": count, "start": first, "ids": ids, "labels": served.labels(first, end)})

    @app.get("/api/samples/{row}", summary="A sample with its features and its label.")
    async def sample(row: int) -> Response:
        return reply(served.sample(row))

    @app.get("/metrics", summary="Counters in the format of Prometheus.")
    async def metrics() -> Response:
        return Response(served.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
