"""What a server refuses: every refusal has a kind, and every kind one status."""

from collections.abc import Mapping
from typing import Any

from md2n.errors import DataError, DivergenceError, Md2nError, UsageError

KINDS: Mapping[str, int] = {
    "bad-json": 400,
    "bad-request": 400,
    "token": 401,
    "not-found": 404,
    "method": 405,
    "slow-body": 408,
    "too-large": 413,
    "too-many-rows": 413,
    "too-many-frames": 413,
    "media-type": 415,
    "host": 421,
    "data": 422,
    "usage": 422,
    "divergence": 422,
    "fault": 500,
    "busy": 503,
}


class Refusal(Md2nError):  # noqa: N818 - an answer, and no error of the server
    """A request that the server does not answer as it was meant.

    Args:
        kind: one of ``KINDS``.
        message: what is wrong.
        hint: the next step.
    """

    def __init__(self, kind: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind

    @property
    def status(self) -> int:
        """Of the response."""
        return KINDS[self.kind]

    def content(self) -> dict[str, Any]:
        """The body of the response; ``error`` alone is what the Open Inference Protocol asks for."""
        return {"error": self.message, "kind": self.kind, "next": self.hint}


def refusal_of(error: Md2nError) -> Refusal:
    """An error of md2n as a refusal; one that no request can cause is a fault, whose words stay in the server."""
    if isinstance(error, Refusal):
        return error
    kinds = {DataError: "data", UsageError: "usage", DivergenceError: "divergence"}
    kind = next((kind for error_class, kind in kinds.items() if isinstance(error, error_class)), "")
    return Refusal(kind, error.message, error.hint) if kind else fault()


def fault() -> Refusal:
    """The answer to a request that met a fault of the server; what happened is in its log alone."""
    return Refusal("fault", "this is a fault of the server", "the server's log says more; please report it")
