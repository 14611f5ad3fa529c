"""How much one request may ask for, and reading its body within these limits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from md2n.serve.http.refusals import Refusal

T = TypeVar("T")

MIB = 1 << 20
SMALL = 1 << 16  # bytes that are parsed where they are received; more are parsed in a thread, while others are heard
FRAMES = 4  # times the longest sequence of the training data


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Args:
        body_bytes: of one request, as sent and unpacked.
        rows: samples in one request.
        draws: of one request.
        steps: of one request.
        seconds: for a body to arrive, and from then on for its answer.
        head_seconds: for the head of a request to arrive.
        waiting_rows: samples that wait for the model, of all requests together.
        connections: that are open at a time.
    """

    body_bytes: int = 32 * MIB
    rows: int = 1024
    draws: int = 64
    steps: int = 1000
    seconds: float = 30.0
    head_seconds: float = 10.0
    waiting_rows: int = 4096
    connections: int = 512


async def read_body(headers: Mapping[str, str], stream: AsyncIterator[bytes], limits: Limits) -> bytes:
    """The body of a request.

    Args:
        headers: of the request, by names in lower case.
        stream: the parts of the body as they arrive.
        limits: on bytes and seconds.

    Raises:
        Refusal: packed, too large (a size that is declared is not waited for), or too slow.
    """
    packing = headers.get("content-encoding", "").strip().lower()
    if packing not in ("", "identity"):
        raise Refusal("media-type", f"the body is packed with '{packing[:40]}'", "send it without compression")
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.body_bytes:
        raise _too_large(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for part in stream:
                body += part
                if len(body) > limits.body_bytes:
                    raise _too_large(limits)
    except TimeoutError:
        raise Refusal(
            "slow-body", f"the body did not arrive within {limits.seconds:g} seconds", "send less, or over a faster way"
        ) from None
    return bytes(body)


async def parsed(work: Callable[[], T], size: int) -> T:
    """What ``work`` gives, which parses a body of so many bytes."""
    return work() if size <= SMALL else await asyncio.to_thread(work)


def _too_large(limits: Limits) -> Refusal:
    return Refusal(
        "too-large",
        f"the body is larger than {limits.body_bytes / MIB:g} MiB",
        "send fewer samples at a time; `md2n serve --max-body` changes the limit",
    )
