"""How fast a server answers, and whether it stays right and small: only against this machine.

    md2n serve runs/first --data digits --port 8000 &
    python -m scripts.serve_load --port 8000 --clients 20 --seconds 20             # as fast as they are answered
    python -m scripts.serve_load --port 8000 --clients 20 --seconds 20 --pause 1   # each a request per second
    python -m scripts.serve_load --port 8000 --clients 8 --seconds 180 --run runs/first   # answers compared, too

Each client sends one sample of those that the server shows, with a pattern of its own, over a connection that it keeps.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HOST = "127.0.0.1"
SAMPLES = 40
WITHIN = 1e-6  # of the answer of Python's predictor
MEMORY, PROCESSOR = "process_resident_memory_bytes ", "process_cpu_seconds_total "


@dataclass
class Tally:
    """What the clients met.

    Args:
        seconds: of every answer.
        refusals: status -> count, of those that are not 200.
        wrong: answers that differ from Python's.
    """

    seconds: list[float] = field(default_factory=list)
    refusals: dict[int, int] = field(default_factory=dict)
    wrong: int = 0


async def ask(reader: Any, writer: Any, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one request."""
    head = f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{head}content-type: application/json\r\n\r\n".encode() + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    length = next((int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length")), 0)
    return int(lines[0].split()[1]), await reader.readexactly(length)


async def once(port: int, method: str, path: str, body: bytes = b"") -> Any:
    reader, writer = await asyncio.open_connection(HOST, port, limit=1 << 26)
    try:
        status, content = await ask(reader, writer, method, path, body)
    finally:
        writer.close()
    assert status == 200, (path, status, content[:200])
    return content


async def usage(port: int) -> tuple[float, float]:
    """MiB that the server's process holds, and processor seconds that it took."""
    lines = (await once(port, "GET", "/metrics")).decode().splitlines()
    held, took = (next(float(x.split()[1]) for x in lines if x.startswith(name)) for name in (MEMORY, PROCESSOR))
    return held / 2**20, took


async def samples(port: int) -> list[dict[str, Any]]:
    return [json.loads(await once(port, "GET", f"/api/samples/{row}"))["features"] for row in range(SAMPLES)]


def question(shown: list[dict[str, Any]], chance: random.Random, ability: str, draws: int) -> dict[str, Any]:
    """One sample with one of its patterns."""
    sample = chance.choice(shown)
    names = [name for name, value in sample.items() if value is not None]
    patterns = [p for n in range(1, len(names) + 1) for p in itertools.combinations(names, n)]
    chosen = chance.choice(patterns)
    content: dict[str, Any] = {"features": {name: [sample[name]] for name in chosen}}
    return content | ({"draws": draws} if draws else {})


async def client(number: int, options: argparse.Namespace, shown: list[Any], model: Any, tally: Tally) -> None:
    chance = random.Random(number)
    reader, writer = await asyncio.open_connection(HOST, options.port, limit=1 << 26)
    await asyncio.sleep(options.pause * chance.random())
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end:
        content = question(shown, chance, options.ability, options.draws)
        begin = time.perf_counter()
        status, body = await ask(reader, writer, "POST", f"/api/{options.ability}", json.dumps(content).encode())
        tally.seconds.append(time.perf_counter() - begin)
        if status != 200:
            tally.refusals[status] = tally.refusals.get(status, 0) + 1
        elif model is not None and chance.random() < options.compare:
            tally.wrong += not same(model, options, content, json.loads(body))
        await asyncio.sleep(options.pause)
    writer.close()


def same(model: Any, options: argparse.Namespace, content: dict[str, Any], reply: dict[str, Any]) -> bool:
    """Whether the reply is what Python's predictor says of the same sample alone."""
    features = {name: [np.asarray(v, float) for v in values] for name, values in content["features"].items()}
    if options.ability == "predict":
        answer = model.predict(features, draws=content.get("draws"))
        return bool(np.abs(np.asarray(reply["output"]) - answer.output).max() <= WITHIN)
    recovered = model.recover(features, draws=content.get("draws")).features
    return all(np.abs(np.asarray(reply["features"][k][0]) - v[0]).max() <= WITHIN for k, v in recovered.items())


async def main(options: argparse.Namespace) -> Tally:
    shown, tally = await samples(options.port), Tally()
    model = None
    if options.run:
        import torch

        import md2n

        torch.set_num_threads(1)
        model = md2n.load(options.run)
    before, processor = await usage(options.port)
    begin = time.perf_counter()
    watch = asyncio.create_task(follow(options, begin))
    await asyncio.gather(*(client(i, options, shown, model, tally) for i in range(options.clients)))
    watch.cancel()
    elapsed = time.perf_counter() - begin
    after, later = await usage(options.port)
    p50, p99 = np.percentile(tally.seconds, [50, 99]) * 1e3
    sys.stdout.write(
        f"{len(tally.seconds)} answers in {elapsed:.0f} s from {options.clients} clients: "
        f"{len(tally.seconds) / elapsed:.0f} per second, p50 {p50:.1f} ms, p99 {p99:.1f} ms; "
        f"refused {tally.refusals or 'none'}; wrong {tally.wrong if model else 'not compared'}; "
        f"memory {before:.0f} MiB before, {after:.0f} MiB after; "
        f"{1e3 * (later - processor) / len(tally.seconds):.1f} ms of a processor for an answer\n"
    )
    return tally


async def follow(options: argparse.Namespace, begin: float) -> None:
    """A line about the server's memory every half minute."""
    while True:
        await asyncio.sleep(30)
        sys.stderr.write(f"{time.perf_counter() - begin:.0f} s: {(await usage(options.port))[0]:.0f} MiB\n")


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pause", type=float, default=0, help="seconds that a client waits after each answer")
    parser.add_argument("--ability", default="predict", choices=["predict", "recover"])
    parser.add_argument("--draws", type=int, default=0, help="0 for the model's own")
    parser.add_argument("--run", default="", help="the run that is served, to compare answers with Python's")
    parser.add_argument("--compare", type=float, default=0.05, help="part of the answers that are compared")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    outcome = asyncio.run(main(parsed()))
    sys.exit(bool(outcome.wrong or outcome.refusals))
