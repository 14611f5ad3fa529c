"""The process: slow clients, an end that waits, and the command itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import tests.serve.http.asking  # noqa: F401 - skips without the extra
from md2n.data.samples import Samples
from md2n.errors import DataError, UsageError
from md2n.serve.http.encoding import encode
from md2n.serve.http.limits import Limits
from md2n.serve.http.server import listen, require_extra
from md2n.serve.predictor import Predictor
from tests.serve.http.live import LOCAL, lines_of, live
from tests.serve.trained import trained

HEAD = "POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}\r\n"
CLOSE = "connection: close\r\n"


def test_slow_clients_are_refused_and_others_served(dropout: Predictor) -> None:
    with live(dropout, limits=Limits(seconds=0.4, head_seconds=0.4)) as port:
        body = lines_of(port, HEAD.format(100, "").encode() + b"{")
        assert b" 408 " in body.partition(b"\r\n")[0]
        assert json.loads(body.partition(b"\r\n\r\n")[2])["kind"] == "slow-body"
        for start in (b"", b"GET /v2 HTT"):
            begin = time.perf_counter()
            assert lines_of(port, start) == b""
            assert time.perf_counter() - begin < 5
        # A later request on the same connection, too.
        twice = b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\nGET /v2 HT"
        assert lines_of(port, twice).count(b" 200 OK") == 1
        assert b" 200 OK" in lines_of(port, f"GET /v2 HTTP/1.1\r\nhost: x\r\n{CLOSE}\r\n".encode())


def test_a_declared_size_is_not_waited_for(dropout: Predictor) -> None:
    with live(dropout) as port:
        answer = lines_of(port, HEAD.format(10**12, "").encode() + b"{")
    assert b" 413 " in answer.partition(b"\r\n")[0]


def test_what_was_begun_is_answered_before_the_end(
    dropout: Predictor, digits: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, predict = threading.Event(), dropout.predict

    def slowly(*arguments: Any, **more: Any) -> Any:
        begun.set()
        time.sleep(0.5)
        return predict(*arguments, **more)

    monkeypatch.setattr(dropout, "predict", slowly)
    body = encode({"features": {"moments": [digits.modalities["moments"].sample(0)[0]]}})
    answers: list[bytes] = []
    with live(dropout) as port:
        text = HEAD.format(len(body), CLOSE).encode() + body
        asking = threading.Thread(target=lambda: answers.append(lines_of(port, text)))
        asking.start()
        assert begun.wait(10)
    asking.join(10)
    assert answers[0].startswith(b"HTTP/1.1 200 OK")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOCAL, port), timeout=1)


def test_an_address_that_is_taken_is_named() -> None:
    with listen(LOCAL, 0) as listener, pytest.raises(UsageError, match=r"port \d+ cannot be served: Address already"):
        listen(LOCAL, listener.getsockname()[1])
    with pytest.raises(UsageError, match="'no such host'"):
        listen("no such host", 0)


def test_without_the_extra_it_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(DataError, match=r"needs the package 'uvicorn'(?s:.*)md2n\[serve\]"):
        require_extra()


def test_the_command_serves_and_ends_on_sigterm(folder: Path, digits: Samples, dropout: Predictor) -> None:
    run = trained(folder, "modality_dropout", digits)
    process = subprocess.Popen(
        [sys.executable, "-m", "md2n", "serve", str(run), "--port", "0", "--data", str(folder / "store-digits")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MD2N_TOKEN": "abc"},
    )
    try:
        assert process.stderr is not None
        address = ""
        for line in process.stderr:
            if line.startswith("serving "):
                address = line.split(" at ")[1].strip()
                break
        port = int(address.rpartition(":")[2])
        request = f"GET /api/model HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer abc\r\n{CLOSE}\r\n"
        facts = json.loads(lines_of(port, request.encode(), 60).partition(b"\r\n\r\n")[2])
        assert (facts["method"], facts["samples"], facts["data"]) == ("modality dropout", 15, "store-digits")
        refused = lines_of(port, request.replace("localhost", "elsewhere").encode(), 60)
        assert refused.startswith(b"HTTP/1.1 421 ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read() == "stopped\n"
    finally:
        process.kill()
        process.wait()
