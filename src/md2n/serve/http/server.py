"""The process: a socket, uvicorn, and an end that waits for what was begun."""

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from md2n.errors import DataError, UsageError, install_hint
from md2n.serve.http.limits import Limits

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI


def require_extra() -> None:
    """Refuses to begin without the extra.

    Raises:
        DataError: a package of the extra is not installed.
    """
    for name in ("fastapi", "prometheus_client", "uvicorn"):
        if find_spec(name) is None:  # none is imported yet: several workers set up prometheus_client first
            raise DataError(f"serving needs the package '{name}'", install_hint("serve"))


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; port 0 is any that is free.

    Raises:
        UsageError: the address cannot be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"'{host}' port {port} cannot be served: {reason}", "give another --port or --host") from None


def configured(app: "FastAPI", limits: Limits) -> "uvicorn.Server":
    """The server of an application, not yet running.

    Args:
        app: of ``create_app``.
        limits: on heads of requests, connections, and the time that answers may take.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        http=protocol_class(limits.head_seconds),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=int(limits.seconds) + 1,
    )
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    return uvicorn.Server(config)


def run(app: "FastAPI", listener: socket.socket, limits: Limits) -> None:
    """Serves until a signal ends it; requests that were begun are answered first.

    Args:
        app: of ``create_app``.
        listener: of ``listen``.
        limits: of ``configured``.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s")
    server = configured(app, limits)
    server.capture_signals = lambda: _signals(server)  # type: ignore[method-assign]
    server.run(sockets=[listener])


@contextmanager
def _signals(server: "uvicorn.Server") -> Iterator[None]:
    """SIGINT and SIGTERM begin the end, a second SIGINT hurries it; uvicorn's own would raise them again afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def protocol_class(seconds: float) -> Any:
    """Uvicorn's HTTP/1.1 with a limit on the time that the head of a request may take.

    Args:
        seconds: from the connection, or from the first byte of a later request, to the end of its head.
    """
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class PatientProtocol(H11Protocol):
        _late: Any = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._late = self.loop.call_later(seconds, self._give_up)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            waiting = self.conn.their_state is h11.IDLE
            if not waiting:
                self._forget()
            elif self._late is None and self.timeout_keep_alive_task is None:
                self._late = self.loop.call_later(seconds, self._give_up)

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def _give_up(self) -> None:
            self._late = None
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                self.transport.close()

        def _forget(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

    return PatientProtocol
