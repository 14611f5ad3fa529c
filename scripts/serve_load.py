"""How fast a server answers, and whether it stays right and small: only against this machine.

    md2n serve runs/first --data digits --port 8000 &
    python -m scripts.serve_load --port 8000 --clients 20 --seconds 20             # as fast as they are answered
    python -m scripts.serve_load --port 8000 --clients 20 --seconds 20 --pause 1   # each a request per second
    python -m scripts.serve_load --port 8000 --clients 8 --seconds 180 --run runs/first   # answers compared, too

    # Two workers of its own, of which one is killed (kill -9) every minute:
    python -m scripts.serve_load --run runs/first --workers 2 --kill 60 --clients 50 --seconds 1800 --pause 1

Each client sends one sample of those that the server shows, with a pattern of its own, over a connection that it keeps.
With ``--run`` every answer is compared with what Python's predictor says of the same sample alone.  A client whose
connection breaks asks again over a new one.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HOST = "127.0.0.1"
SAMPLES = 40
WITHIN = 1e-6  # of the answer of Python's predictor
MEMORY, PROCESSOR = "process_resident_memory_bytes", "process_cpu_seconds_total"
BROKEN = (ConnectionError, asyncio.IncompleteReadError)

Answers = dict[bytes, Any]  # body of a request -> what its reply has to hold


@dataclass
class Tally:
    """What the clients met.

    Args:
        seconds: of every answer.
        refusals: status -> count, of those that are not 200.
        wrong: answers that differ from Python's.
        broken: connections that ended before an answer.
        killed: workers.
    """

    seconds: list[float] = field(default_factory=list)
    refusals: dict[int, int] = field(default_factory=dict)
    wrong: int = 0
    broken: int = 0
    killed: int = 0


async def ask(reader: Any, writer: Any, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one request."""
    head = f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length")), 0)
    return int(lines[0].split()[1]), await reader.readexactly(length)


async def once(port: int, method: str, path: str, body: bytes = b"") -> Any:
    while True:
        reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 26)
        try:
            status, content = await ask(reader, writer, method, path, body)
        except BROKEN:  # of a worker that was killed
            continue
        finally:
            writer.close()
        assert status == 200, (path, status, content[:200])
        return content


async def usage(port: int) -> dict[int, tuple[float, float]]:
    """Process id of each worker (0 of the only one) -> MiB that it holds, and processor seconds that it took."""
    text = (await once(port, "GET", "/metrics")).decode()

    def of_workers(name: str) -> dict[int, float]:
        rows = re.findall(rf'^{name}(?:{{worker="(\d+)"}})? (\S+)', text, re.M)
        return {int(pid or 0): float(value) for pid, value in rows}

    held, took = of_workers(MEMORY), of_workers(PROCESSOR)
    return {pid: (held[pid] / 2**20, took[pid]) for pid in held}


async def samples(port: int) -> list[dict[str, Any]]:
    return [json.loads(await once(port, "GET", f"/api/samples/{row}"))["features"] for row in range(SAMPLES)]


def questions(shown: list[dict[str, Any]], draws: int) -> list[bytes]:
    """Each sample with each of its patterns."""
    bodies = []
    for sample in shown:
        names = [name for name, value in sample.items() if value is not None]
        for count in range(1, len(names) + 1):
            for chosen in itertools.combinations(names, count):
                content: dict[str, Any] = {"features": {name: [sample[name]] for name in chosen}}
                bodies.append(json.dumps(content | ({"draws": draws} if draws else {})).encode())
    return bodies


def of_python(options: argparse.Namespace, bodies: list[bytes]) -> Answers:
    """What Python's predictor says of each sample alone."""
    import torch

    import md2n

    torch.set_num_threads(1)
    model, answers = md2n.load(options.run), Answers()
    for body in bodies:
        content = json.loads(body)
        features = {name: [np.asarray(v, float) for v in values] for name, values in content["features"].items()}
        if options.ability == "predict":
            answer = model.predict(features, draws=content.get("draws"))
            answers[body] = {"output": answer.output} | ({} if answer.std is None else {"std": answer.std})
        else:
            recovered = model.recover(features, draws=content.get("draws")).features
            answers[body] = {"features": {name: arrays[0] for name, arrays in recovered.items()}}
    return answers


def same(reply: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether a reply is what Python's predictor says."""
    if "features" in right:
        reply, right = {k: v[0] for k, v in reply["features"].items()}, right["features"]
    return all(np.abs(np.asarray(reply[key], float) - value).max() <= WITHIN for key, value in right.items())


async def client(
    number: int, options: argparse.Namespace, bodies: list[bytes], right: Answers | None, tally: Tally
) -> None:
    chance = random.Random(number)
    reader: Any = None
    writer: Any = None
    await asyncio.sleep(options.pause * chance.random())
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end:
        body, begin, answered = chance.choice(bodies), time.perf_counter(), False
        while not answered:
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection(HOST, options.port, limit=1 << 26)
                status, content = await ask(reader, writer, "POST", f"/api/{options.ability}", body)
                answered = True
            except BROKEN:
                tally.broken += 1
                writer = None
        tally.seconds.append(time.perf_counter() - begin)
        if status != 200:
            tally.refusals[status] = tally.refusals.get(status, 0) + 1
        elif right is not None:
            tally.wrong += not same(json.loads(content), right[body])
        await asyncio.sleep(options.pause)
    if writer is not None:
        writer.close()


async def main(options: argparse.Namespace) -> Tally:
    bodies, tally = questions(await samples(options.port), options.draws), Tally()
    right = of_python(options, bodies) if options.run else None
    while len(before := await usage(options.port)) < options.workers:
        await asyncio.sleep(0.5)
    begin = time.perf_counter()
    others = [asyncio.create_task(follow(options, begin, tally)), asyncio.create_task(kill(options, tally))]
    await asyncio.gather(*(client(i, options, bodies, right, tally) for i in range(options.clients)))
    elapsed = time.perf_counter() - begin
    for task in others:
        task.cancel()
    after = await usage(options.port)
    p50, p99 = np.percentile(tally.seconds, [50, 99]) * 1e3
    held = [sum(m for m, _ in use.values()) for use in (before, after)]
    cost = 1e3 * (sum(c for _, c in after.values()) - sum(c for _, c in before.values())) / len(tally.seconds)
    sys.stdout.write(
        f"{len(tally.seconds)} answers in {elapsed:.0f} s from {options.clients} clients: "
        f"{len(tally.seconds) / elapsed:.0f} per second, p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
        f"refused {tally.refusals or 'none'}; wrong {'not compared' if right is None else tally.wrong}; "
        f"memory {held[0]:.0f} MiB before, {held[1]:.0f} MiB after; "
        + (
            f"{tally.killed} workers killed, {tally.broken} connections broken, {len(after)} workers at the end\n"
            if options.kill
            else f"{cost:.1f} ms of a processor for an answer\n"
        )
    )
    return tally


async def follow(options: argparse.Namespace, begin: float, tally: Tally) -> None:
    """A line about the server's memory every half minute."""
    while True:
        await asyncio.sleep(30)
        held = {pid: memory for pid, (memory, _) in (await usage(options.port)).items()}
        shown = ", ".join(f"{memory:.0f}" for memory in held.values())
        sys.stderr.write(f"{time.perf_counter() - begin:.0f} s: {shown} MiB; {len(tally.seconds)} answers\n")


async def kill(options: argparse.Namespace, tally: Tally) -> None:
    """Ends one of several workers now and then, as ``kill -9`` does."""
    chance = random.Random(0)
    while options.kill:
        await asyncio.sleep(options.kill)
        workers = sorted(await usage(options.port))
        if len(workers) == options.workers:  # the last one has been replaced
            os.kill(chance.choice(workers), signal.SIGKILL)
            tally.killed += 1


@contextmanager
def server(options: argparse.Namespace) -> Iterator[None]:
    """A server of the run with several workers, where they are asked for; sets the port."""
    if not options.workers:
        yield
        return
    command = [sys.executable, "-m", "md2n", "serve", options.run, "--data", options.data, "--port", "0"]
    process = subprocess.Popen([*command, "--workers", str(options.workers)], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        line = next((x for x in process.stderr if x.startswith("serving ")), "")
        if not line:
            sys.exit("the server has not begun: try its command alone")
        options.port = int(line.rpartition(":")[2])
        yield
    finally:
        process.terminate()
        process.communicate()


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pause", type=float, default=0, help="seconds that a client waits after each answer")
    parser.add_argument("--ability", default="predict", choices=["predict", "recover"])
    parser.add_argument("--draws", type=int, default=0, help="0 for the model's own")
    parser.add_argument("--run", default="", help="the run that is served, to compare answers with Python's")
    parser.add_argument("--workers", type=int, default=0, help="of a server that it starts itself, of --run")
    parser.add_argument("--data", default="digits", help="of which that server shows samples")
    parser.add_argument("--kill", type=float, default=0, help="seconds after which one of its workers is killed")
    options = parser.parse_args(arguments)
    if (options.workers and not options.run) or (options.kill and options.workers < 2):
        parser.error("--workers needs --run, and --kill two workers at least")
    return options


if __name__ == "__main__":
    choices = parsed()
    with server(choices):
        outcome = asyncio.run(main(choices))
    sys.exit(bool(outcome.wrong or outcome.refusals))
