"""Several workers: one that is killed is replaced, and nobody gets a wrong answer; they end together."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import tests.serve.http.asking  # noqa: F401 - skips without the extra
from md2n.data.samples import Samples
from md2n.serve.http.batching import listed
from md2n.serve.http.encoding import encode
from md2n.serve.http.workers import METRICS
from md2n.serve.predictor import Predictor
from tests.serve.http.live import LOCAL
from tests.serve.trained import trained

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
SIMPLE = """
import os, socket, sys
from md2n.serve.http import workers
workers.PAUSE = 0.05
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
group = workers.Workers(2, lambda text: print(text, flush=True))
worker = group.run()
if worker is None:
    print("stopped", os.path.exists(os.environ[workers.METRICS]), flush=True)
    sys.exit(group.code)
BEGIN
worker.ready()
while True:
    connection, _ = listener.accept()
    connection.sendall(f"{os.getpid()} {worker.first}".encode())
    connection.close()
"""


@contextmanager
def simple(begin: str = "") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Two workers without a model that answer who they are, and their port."""
    script = SIMPLE.replace("BEGIN", begin)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def answers(port: int) -> str:
    with socket.create_connection((LOCAL, port), timeout=20) as connection:
        return connection.recv(100).decode()


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def pids(port: int, count: int = 2) -> dict[int, str]:
    """Process id of each worker -> whether it is the first."""
    seen: dict[int, str] = {}

    def all_there() -> bool:
        pid, first = answers(port).split()
        seen[int(pid)] = first
        return len(seen) == count

    wait_for(all_there)
    return seen


def runs(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_killed_worker_is_replaced_and_all_end_together() -> None:
    with simple() as (process, port):
        before = pids(port)
        assert sorted(before.values()) == ["False", "True"]
        assert process.stdout is not None
        for killed in before:
            os.kill(killed, signal.SIGKILL)
            assert process.stdout.readline() == f"worker {killed} was ended by signal 9; another takes its place\n"
        after = pids(port)
        assert not before.keys() & after.keys()
        assert set(after.values()) == {"False"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout.read() == "stopped False\n"
        wait_for(lambda: not any(map(runs, after)))


def test_one_that_is_killed_before_it_serves_is_the_first_again(tmp_path: Path) -> None:
    once = tmp_path / "once"
    begin = f"if not os.path.exists({str(once)!r}): open({str(once)!r}, 'w').close(); os.kill(os.getpid(), 9)"
    with simple(begin) as (_, port):
        assert sorted(pids(port).values()) == ["False", "True"]


def test_one_that_cannot_begin_ends_all() -> None:
    with simple("sys.exit(5)") as (process, _):
        assert process.wait(20) == 5
        assert process.stdout is not None
        assert process.stdout.read() == "stopped False\n"


def test_a_signal_while_the_first_worker_begins_ends_all() -> None:
    with simple("import time; print('begins', flush=True); time.sleep(60)") as (process, _):
        assert process.stdout is not None
        assert process.stdout.readline() == "begins\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_workers_end_with_the_first_process() -> None:
    with simple() as (process, port):
        workers = pids(port)
        process.kill()
        process.wait()
        wait_for(lambda: not any(map(runs, workers)))


class Client(threading.Thread):
    """Asks for one sample again and again, on a connection that it keeps, and counts what it meets."""

    def __init__(self, port: int, body: bytes, right: np.ndarray) -> None:
        super().__init__()
        self.port, self.body, self.right = port, body, right
        self.right_ones, self.wrong, self.broken = 0, 0, 0
        self.stop = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection(LOCAL, self.port, timeout=60)
        while not self.stop.is_set():
            try:
                connection.request("POST", "/api/predict", self.body, {"content-type": "application/json"})
                response = connection.getresponse()
                reply = json.loads(response.read())
            except (OSError, http.client.HTTPException):
                self.broken += 1
                connection.close()
                time.sleep(0.05)
                continue
            good = response.status == 200 and bool(np.abs(np.asarray(reply["output"]) - self.right).max() <= 1e-6)
            self.right_ones, self.wrong = self.right_ones + good, self.wrong + (not good)
        connection.close()


@pytest.mark.slow
def test_the_command_answers_rightly_while_a_worker_is_killed(
    folder: Path, digits: Samples, test_digits: Samples, dropout: Predictor
) -> None:
    run = trained(folder, "modality_dropout", digits)
    command = [sys.executable, "-m", "md2n", "serve", str(run), "--port", "0", "--workers", "2"]
    environment = {k: v for k, v in os.environ.items() if k != METRICS}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("loading ")
        address = process.stderr.readline()
        port = int(address.rpartition(":")[2])

        def metrics() -> str:
            connection = http.client.HTTPConnection(LOCAL, port, timeout=60)
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()

        def workers() -> list[int]:
            return [int(x) for x in re.findall(r'^process_resident_memory_bytes\{worker="(\d+)"', metrics(), re.M)]

        wait_for(lambda: len(workers()) == 2)
        rows = listed(test_digits)
        features = [{name: [arrays[i]] for name, arrays in rows.items()} for i in range(8)]
        clients = [Client(port, encode({"features": f}), dropout.predict(f).output) for f in features]
        for client in clients:
            client.start()
        wait_for(lambda: all(client.right_ones > 2 for client in clients))
        before, counts = workers(), [client.right_ones for client in clients]
        os.kill(before[0], signal.SIGKILL)
        assert "was ended by signal 9" in process.stderr.readline()
        wait_for(lambda: all(c.right_ones > count + 2 for c, count in zip(clients, counts)))
        wait_for(lambda: len(workers()) == 2)
        assert set(workers()) & set(before) == {before[1]}
        for client in clients:
            client.stop.set()
        for client in clients:
            client.join(60)
        assert [client.wrong for client in clients] == [0] * 8
        # Its connections broke once, and those of the other worker never.
        assert all(client.broken <= 1 for client in clients)
        answered = sum(client.right_ones for client in clients)
        counted = re.search(r'^md2n_requests_total\{path="/api/predict",status="200"\} (\d+)', metrics(), re.M)
        assert counted is not None
        assert abs(int(counted[1]) - answered) <= 8  # of both workers, and of the one that is no more
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr.read() == "stopped\n"
    finally:
        process.terminate()
        process.wait(60)
