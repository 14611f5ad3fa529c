"""The page for people at ``/``: three files of this package, and what they ask for beside the API."""

from importlib import resources
from typing import TYPE_CHECKING

from md2n.serve.http.encoding import encode
from md2n.serve.http.refusals import Refusal
from md2n.serve.http.report import MEDIA
from md2n.serve.http.served import Served

if TYPE_CHECKING:
    from fastapi import FastAPI

FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "charts.js": "text/javascript",
    "report.js": "text/javascript",
}
HTML = "index.html"


def add_page(app: "FastAPI", served: Served) -> None:
    """Adds ``/``, ``/static/...`` and ``/api/report``."""
    from fastapi import Response

    folder = resources.files("md2n.serve.http") / "static"
    content = {name: (folder / name).read_bytes() for name in (HTML, *FILES)}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response(content[HTML], media_type="text/html")

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in FILES:
            raise Refusal("not-found", f"there is no file '{name[:40]}'", "the page needs no other")
        return Response(content[name], media_type=FILES[name])

    @app.get("/api/report", summary="Tables and names of figures of the report, if the server shows one.")
    async def report() -> Response:
        shown = served.report
        if shown is None:
            raise Refusal(
                "not-found", "this server shows no report", "start it with one: md2n serve RUN --report FOLDER"
            )
        return Response(encode({"tables": shown.tables, "figures": list(shown.figures)}), media_type="application/json")

    @app.get("/api/report/figures/{name}", summary="A figure of the report.")
    async def figure(name: str) -> Response:
        figures = {} if served.report is None else served.report.figures
        if name not in figures:
            raise Refusal("not-found", f"the report has no figure '{name[:40]}'", "`/api/report` lists them")
        return Response(figures[name], media_type=MEDIA[f".{name.rpartition('.')[2]}"])
