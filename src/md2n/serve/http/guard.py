"""Around every request: who may ask, what is counted, and that nothing but a response gets out."""

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from md2n.errors import Md2nError
from md2n.serve.http.encoding import encode
from md2n.serve.http.refusals import Refusal, fault, refusal_of
from md2n.serve.http.served import Served

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = ("/v2/health/", "/static/")  # what needs no token: it tells nothing of models or data
POLICY = "; ".join(
    [
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "connect")),
        "img-src 'self' data: blob:",
        *(f"{kind} 'none'" for kind in ("base-uri", "form-action", "frame-ancestors")),
    ]
)
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", POLICY.encode()),
]
LOG = logging.getLogger("md2n.serve")


class Guard:
    """ASGI middleware.

    Args:
        app: what is guarded.
        served: token, hosts and meters.
    """

    def __init__(self, app: App, served: Served) -> None:
        self.app, self.served = app, served

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0
        self.served.meters.begin()

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        try:
            try:
                self._admit(scope)
                await self.app(scope, receive, sent)
            except Exception as error:  # of any kind: it becomes a named refusal, never a traceback
                if status:  # the response has begun; its connection is closed by the server
                    raise
                await self._refuse(error, sent)
        finally:
            route = scope.get("route")
            path = getattr(route, "path", "") or "unknown"
            self.served.meters.end(path, status, time.perf_counter() - begin)

    def _admit(self, scope: Message) -> None:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        if self.served.hosts:
            host = headers.get("host", "").rpartition("]")[2].partition(":")[0] or "[::1]"
            if host.lower() not in self.served.hosts:
                # A page elsewhere whose name was pointed here would otherwise read what only this machine should.
                raise Refusal("host", f"no server of the name '{host[:60]}' is here", "ask by the address it printed")
        path = scope["path"]
        if not self.served.token or path == "/" or path.startswith(OPEN):
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self.served.token.encode()):
            raise Refusal("token", "the request bears no valid token", "send the header 'Authorization: Bearer TOKEN'")

    async def _refuse(self, error: Exception, send: Send) -> None:
        refusal = refusal_of(error) if isinstance(error, Md2nError) else fault()
        if refusal.kind == "fault":
            LOG.error("a request met a fault", exc_info=error)
        self.served.meters.refusal(refusal.kind)
        body = encode(refusal.content())
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if refusal.kind == "token":
            headers.append((b"www-authenticate", b"Bearer"))
        elif refusal.kind == "busy":
            headers.append((b"retry-after", b"1"))
        elif refusal.kind in ("too-large", "slow-body"):  # what is left of the body is not read
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
