"""The paths of the Open Inference Protocol: each ability is a model of version 1."""

from typing import TYPE_CHECKING

from md2n.errors import did_you_mean
from md2n.serve.http.abilities import Ability
from md2n.serve.http.batching import Batcher
from md2n.serve.http.encoding import encode
from md2n.serve.http.limits import parsed, read_body
from md2n.serve.http.protocol import HEAD_LENGTH, model_metadata, read_request, server_metadata, write_response
from md2n.serve.http.refusals import Refusal
from md2n.serve.http.served import Served

if TYPE_CHECKING:
    from fastapi import FastAPI

VERSION = "1"


def add_inference(app: "FastAPI", served: Served, batcher: Batcher) -> None:
    """Adds ``/v2/...``."""
    from fastapi import Request, Response

    def ability_of(name: str, version: str) -> Ability:
        if name not in served.abilities:
            raise Refusal("not-found", f"no model is called '{name[:40]}'", did_you_mean(name, served.abilities))
        if version != VERSION:
            raise Refusal("not-found", f"'{name}' has no version '{version[:40]}'", f"the version is {VERSION}")
        return served.abilities[name]

    @app.get("/v2/health/live", summary="The server runs.")
    @app.get("/v2/health/ready", summary="The models answer.")
    async def health() -> Response:
        return Response()

    @app.get("/v2", summary="The server.")
    async def server() -> Response:
        return Response(encode(server_metadata()), media_type="application/json")

    @app.get("/v2/models/{name}", summary="Inputs and outputs of a model.")
    @app.get("/v2/models/{name}/versions/{version}", include_in_schema=False)
    async def model(name: str, version: str = VERSION) -> Response:
        metadata = model_metadata(ability_of(name, version), served.predictor)
        return Response(encode(metadata), media_type="application/json")

    @app.get("/v2/models/{name}/ready", summary="A model answers.")
    @app.get("/v2/models/{name}/versions/{version}/ready", include_in_schema=False)
    async def ready(name: str, version: str = VERSION) -> Response:
        ability_of(name, version)
        return Response()

    @app.post("/v2/models/{name}/infer", summary="Answers for tensors.")
    @app.post("/v2/models/{name}/versions/{version}/infer", include_in_schema=False)
    async def infer(request: Request, name: str, version: str = VERSION) -> Response:
        ability = ability_of(name, version)
        body = await read_body(request.headers, request.stream(), served.limits)
        length = request.headers.get(HEAD_LENGTH, "")
        query, head = await parsed(lambda: read_request(body, length, served.predictor.schema), len(body))
        tensors = ability.tensors(await batcher.ask(ability, query), served.predictor.schema)
        content, head_bytes = write_response(ability, tensors, head)
        if not head_bytes:
            return Response(content, media_type="application/json")
        return Response(content, headers={HEAD_LENGTH: str(head_bytes)}, media_type="application/octet-stream")
