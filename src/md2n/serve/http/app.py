"""The application: routes, the guard around them, and the batcher that lives as long as it does.

``api`` and ``inference`` take requests, ``query``, ``upload`` and ``protocol`` read them, ``batching`` answers.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from md2n import __version__
from md2n.serve.http.api import add_api
from md2n.serve.http.guard import Guard
from md2n.serve.http.inference import add_inference
from md2n.serve.http.page import add_page
from md2n.serve.http.refusals import Refusal
from md2n.serve.http.served import Served

if TYPE_CHECKING:
    from fastapi import FastAPI


def create_app(served: Served) -> "FastAPI":
    """The ASGI application of a served model.

    Args:
        served: the model, what is shown beside it, limits and token.
    """
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    batcher = served.batcher()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        work = asyncio.create_task(batcher.work())
        try:
            yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            batcher.close()

    async def no_route(request: Any, error: Exception) -> Any:
        status = getattr(error, "status_code", 400)
        path = str(request.url.path)[:80]
        if status == 405:
            raise Refusal("method", f"'{path}' does not take {request.method[:10]}", "`/openapi.json` lists what does")
        if status == 404:
            raise Refusal("not-found", f"there is nothing at '{path}'", "`/openapi.json` lists what there is")
        raise Refusal("bad-request", "the request cannot be read", "`/openapi.json` shows its form")

    async def bad_values(request: Any, error: Exception) -> Any:
        errors = error.errors() if isinstance(error, RequestValidationError) else []
        names = ", ".join(sorted({str(e["loc"][-1]) for e in errors}))
        raise Refusal("bad-request", f"wrong value of: {names}", "`/openapi.json` shows the values")

    app = FastAPI(
        title=f"md2n: {served.predictor.model.card.title}",
        version=__version__,
        description="Answers for samples that miss modalities. Every refusal has `error`, `kind` and `next`.",
        lifespan=lifespan,
        docs_url=None,  # their pages would fetch scripts from elsewhere
        redoc_url=None,
        exception_handlers={HTTPException: no_route, RequestValidationError: bad_values},
    )
    app.add_middleware(Guard, served=served)
    add_api(app, served, batcher)
    add_inference(app, served, batcher)
    add_page(app, served)
    return app
