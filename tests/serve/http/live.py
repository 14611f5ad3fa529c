"""A server on a real socket, in a thread of this process."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tests.serve.http.asking  # noqa: F401 - skips without the extra
from md2n.serve.http.app import create_app
from md2n.serve.http.served import Served
from md2n.serve.http.server import configured, listen
from md2n.serve.predictor import Predictor

LOCAL = "127.0.0.1"


@contextmanager
def live(predictor: Predictor, **settings: Any) -> Iterator[int]:
    """The port of a server that runs until the context ends."""
    served = Served(predictor, **settings)
    listener = listen(LOCAL, 0)
    server = configured(create_app(served), served.limits)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


def lines_of(port: int, text: bytes, seconds: float = 10) -> bytes:
    """What a server answers to bytes, until it closes the connection; b"" where it says nothing."""
    with socket.create_connection((LOCAL, port), timeout=seconds) as connection:
        connection.sendall(text)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
