"""Requests that a server must refuse: each with a status of 4xx, a kind and a next step, and live on.

    md2n serve runs/first --data digits --port 8000 &
    python -m scripts.wrong_requests --port 8000 --count 1000

Only against this machine.  ``tests/serve/http/test_wrong_requests.py`` sends the same requests without a network.
"""

import argparse
import asyncio
import io
import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HOST = "127.0.0.1"
JSON = {"content-type": "application/json"}
LENGTH = "inference-header-content-length"


@dataclass(frozen=True)
class Wrong:
    """A request that is refused.

    Args:
        name: what is wrong with it.
        path: of the server.
        body: sent.
        headers: beside the length of the body, or instead of it.
        method: of HTTP.
    """

    name: str
    path: str = "/api/predict"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    method: str = "POST"


def right_features(facts: Mapping[str, Any], rows: int = 1) -> dict[str, Any]:
    """Zeros of the right shape; every number unknown is another matter."""
    return {
        m["name"]: [[0.0] * m["features"] if m["vector"] else [[0.0] * m["features"]] * 2 for _ in range(rows)]
        for m in facts["modalities"]
    }


def wrong_requests(facts: Mapping[str, Any], chance: random.Random) -> Iterator[Wrong]:
    """Without end, kind after kind, each time with other numbers.

    Args:
        facts: of ``GET /api/model``.
        chance: of the numbers.
    """
    while True:
        yield from _forms(facts, chance)
        yield from _values(facts, chance)
        yield from _files(facts, chance)
        yield from _tensors(facts, chance)
        yield from _addresses(chance)


def _features(features: Any, **more: Any) -> bytes:
    return json.dumps({"features": features, **more}).encode()


def _forms(facts: Mapping[str, Any], chance: random.Random) -> Iterator[Wrong]:
    body = _features(right_features(facts))
    yield Wrong("cut JSON", body=body[: chance.randrange(1, len(body))])
    yield Wrong("random bytes", body=chance.randbytes(chance.randrange(1, 4000)))
    yield Wrong("too deep", body=b"[" * chance.randrange(10_000, 200_000))
    yield Wrong("no object", body=json.dumps(chance.choice([3, None, "x", [], {}, {"features": []}])).encode())
    yield Wrong("unknown entry", body=_features(right_features(facts), **{f"x{chance.random()}": 1}))
    yield Wrong("no list", body=_features({facts["modalities"][0]["name"]: chance.choice(["x", 3, {}, True])}))
    yield Wrong("no content type", body=body, headers={})
    yield Wrong("other content type", body=body, headers={"content-type": chance.choice(["text/html", "x", "/"])})
    yield Wrong("packed", body=body, headers={**JSON, "content-encoding": chance.choice(["gzip", "br", "x"])})
    size = str(chance.randrange(10**9, 10**15))
    yield Wrong("huge declared body", headers={**JSON, "content-length": size})
    for key in ("draws", "steps"):
        value = chance.choice([0, -1, 10**9, 10**40, "a", True, 1.5, []])
        path = "/api/recover" if "recover" in facts["abilities"] else "/api/predict"
        yield Wrong(f"wrong {key}", path, _features(right_features(facts), **{key: value}))
    yield Wrong(
        "wrong groups", body=_features(right_features(facts), groups=chance.choice(["a", [None], {}, ["a"] * 3]))
    )
    yield Wrong("wrong flag", body=_features(right_features(facts), check_units=chance.choice([1, "no", None, []])))


def _values(facts: Mapping[str, Any], chance: random.Random) -> Iterator[Wrong]:
    m = chance.choice(facts["modalities"])
    name, dim = m["name"], m["features"]

    def one(number: Any, size: int = dim) -> dict[str, Any]:
        return {name: [[number] * size if m["vector"] else [[number] * size]]}

    yield Wrong("NaN", body=_features(one(float("nan"))))
    yield Wrong("Infinity", body=_features(one(float("inf"))))
    yield Wrong("all unknown", body=_features(one(None)))
    yield Wrong("beyond all numbers", body=_features(one(0)).replace(b"0", b"1e999"))
    yield Wrong("huge whole numbers", body=_features(one(10 ** chance.randrange(310, 4000))))
    yield Wrong("foreign units", body=_features(one(chance.choice([1e30, -1e30, 1e38]))))
    yield Wrong("words", body=_features(one("one")))
    yield Wrong("tables", body=_features(one({})))
    yield Wrong("other size", body=_features(one(0.0, dim + chance.randrange(1, 30))))
    yield Wrong("nothing", body=_features(dict.fromkeys(right_features(facts))))
    yield Wrong("no samples", body=_features({name: []}))
    yield Wrong("other modality", body=_features({f"{name}{chance.randrange(9)}": one(0.0)[name]}))
    yield Wrong("ragged", body=_features({name: [[[0.0] * dim, [0.0] * (dim + 1)]]}))
    yield Wrong("too many rows", body=_features({name: [None] * chance.randrange(1025, 200_000)}))
    yield Wrong("too many frames", body=_features({name: [[[0.1] * dim] * (70 + 5 * m["frames"])]}))
    other = next(x["name"] for x in facts["modalities"] if x["name"] != name)
    counts = right_features(facts, 2)
    yield Wrong("other counts", body=_features({name: counts[name], other: counts[other][:1]}))


def _files(facts: Mapping[str, Any], chance: random.Random) -> Iterator[Wrong]:
    m = facts["modalities"][0]
    column = f"{m['name']}_0" if m["vector"] else f"{m['name']}_0_0"
    csv, npz = {"content-type": "text/csv"}, {"content-type": "application/x-npz"}
    for path in ("/api/read", "/api/predict"):
        yield Wrong("CSV of other columns", path, f"a,b{chance.randrange(99)}\n1,2\n".encode(), csv)
        yield Wrong("CSV with a word", path, f"{column}\nx{chance.random()}\n".encode(), csv)
        yield Wrong("CSV with short lines", path, f"{column},id\n1\n".encode(), csv)
        yield Wrong("CSV of a huge frame", path, f"{m['name']}_{10**5 * 9}_0\n1\n".encode(), csv)
        yield Wrong("CSV without rows", path, column.encode(), csv)
        yield Wrong("CSV of bytes", path, b"\xff\xfe" + chance.randbytes(200), csv)
        yield Wrong("no npz", path, b"PK\x03\x04" + chance.randbytes(500), npz)
        yield Wrong("npz of objects", path, _archive(x_a=np.asarray([{}], object)), npz)
        yield Wrong("npz of words", path, _archive(**{f"x_{m['name']}": np.asarray([["a"]])}), npz)
        yield Wrong("npz of another model", path, _archive(x_other=np.zeros((2, 3), np.float32)), npz)


def _archive(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _tensors(facts: Mapping[str, Any], chance: random.Random) -> Iterator[Wrong]:
    infer = "/v2/models/predict/infer"
    m = facts["modalities"][0]
    shape = [1, m["features"]] if m["vector"] else [1, 1, m["features"]]
    right = {"name": m["name"], "shape": shape, "datatype": "FP32", "data": [0.0] * m["features"]}

    def tensors(*inputs: Any, **more: Any) -> bytes:
        return json.dumps({"inputs": list(inputs), **more}).encode()

    yield Wrong("unknown model", f"/v2/models/m{chance.randrange(99)}/infer", tensors(right))
    yield Wrong("unknown version", f"/v2/models/predict/versions/{chance.randrange(2, 99)}/infer", tensors(right))
    yield Wrong("no inputs", infer, json.dumps(chance.choice([{}, {"inputs": 3}, {"inputs": [3]}, [], 1])).encode())
    yield Wrong("empty inputs", infer, tensors())
    yield Wrong("unknown input", infer, tensors({**right, "name": chance.choice(["x", 3, None])}))
    yield Wrong("the same input twice", infer, tensors(right, right))
    yield Wrong("other type", infer, tensors({**right, "datatype": chance.choice(["FP8", None, 3, "BYTES", "BOOL"])}))
    yield Wrong(
        "other shape", infer, tensors({**right, "shape": chance.choice([[-1, 2], [], [10**12, 9], "x", [0.5]])})
    )
    yield Wrong("less data", infer, tensors({**right, "data": right["data"][1:]}))
    yield Wrong("no numbers", infer, tensors({**right, "data": [chance.choice(["x", {}, [1, [2]]])] * m["features"]}))
    yield Wrong("no data", infer, tensors({k: v for k, v in right.items() if k != "data"}))
    flags = {"name": "available", "shape": [1, 99], "datatype": "BOOL", "data": [True] * 99}
    yield Wrong("other flags", infer, tensors(right, flags))
    none = {**flags, "shape": [1, len(facts["modalities"])], "data": [False] * len(facts["modalities"])}
    yield Wrong("nothing available", infer, tensors(right, none))
    yield Wrong("unknown output", infer, tensors(right, outputs=[{"name": f"o{chance.randrange(99)}"}]))
    yield Wrong("outputs of another form", infer, tensors(right, outputs=[chance.choice([3, {}, {"name": 1}])]))
    head = tensors({**right, "parameters": {"binary_data_size": chance.choice([1, -1, 10**9, True, "x"])}})
    yield Wrong("other bytes", infer, head + b"\0\0", {LENGTH: str(len(head))})
    yield Wrong("other length", infer, head, {LENGTH: chance.choice(["-1", "x", str(10**9)])})
    behind = tensors(right)
    yield Wrong("bytes behind", infer, behind + b"\0" * chance.randrange(1, 99), {LENGTH: str(len(behind))})


def _addresses(chance: random.Random) -> Iterator[Wrong]:
    path = chance.choice(
        ["/..%2f..%2fetc/passwd", "/static/..%2fpage", "/api", "/static/", "/api/report/figures/x.svg"]
    )
    yield Wrong("no such place", path, method="GET")
    yield Wrong("no such sample", f"/api/samples/{chance.choice(['-1', '10000000', 'x', str(10**30)])}", method="GET")
    yield Wrong("other method", chance.choice(["/api/predict", "/v2/models/predict/infer"]), method="DELETE")
    yield Wrong("wrong start", "/api/samples?start=x", method="GET")


# --- against a server ------------------------------------------------------------------------------------------------


async def send(port: int, wrong: Wrong) -> tuple[int, bytes]:
    """Status and body; status 0 where the server only closes the connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    headers = {"host": HOST, "content-length": str(len(wrong.body)), **wrong.headers, "connection": "close"}
    lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    try:
        writer.write(f"{wrong.method} {wrong.path} HTTP/1.1\r\n{lines}\r\n".encode() + wrong.body)
        head, _, body = (await asyncio.wait_for(reader.read(), 60)).partition(b"\r\n\r\n")
        return (int(head.split()[1]) if head else 0), body
    finally:
        writer.close()


async def slow(port: int, text: bytes) -> None:
    """A client that sends a byte now and then, and goes away after a while."""
    _, writer = await asyncio.open_connection(HOST, port)
    for byte in text:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.5)
    writer.close()


def complaint(wrong: Wrong, status: int, body: bytes) -> str:
    """What is wrong with the answer; "" where it is a refusal as it should be."""
    if not 400 <= status < 500:
        return f"{wrong.name}: status {status}"
    try:
        content = json.loads(body)
    except ValueError:
        return f"{wrong.name}: no JSON in the answer: {body[:80]!r}"
    if set(content) != {"error", "kind", "next"} or not all(content.values()):
        return f"{wrong.name}: {content}"
    leak = next((word for word in ("Traceback", ".py", "site-packages", "/tmp") if word in body.decode()), "")
    return f"{wrong.name}: '{leak}' in {body[:200]!r}" if leak else ""


async def main(options: argparse.Namespace) -> int:
    status, body = await send(options.port, Wrong("", "/api/model", method="GET"))
    assert status == 200, "no server is there"
    facts = json.loads(body)
    head = b"POST /api/predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100000\r\n"
    lingering = [asyncio.create_task(slow(options.port, t)) for t in [head, b"GE", head + b"\r\n{"] * 10]
    statuses: Counter[int] = Counter()
    complaints = []
    for wrong in itertools.islice(wrong_requests(facts, random.Random(options.seed)), options.count):
        status, body = await send(options.port, wrong)
        statuses[status] += 1
        if words := complaint(wrong, status, body):
            complaints.append(words)
    for task in lingering:
        task.cancel()
    status, body = await send(options.port, Wrong("", body=_features(right_features(facts), check_units=False)))
    sys.stdout.write(
        f"{options.count} wrong requests beside {len(lingering)} slow clients: "
        f"{', '.join(f'{n} x {s}' for s, n in sorted(statuses.items()))}; "
        f"{len(complaints)} not refused as they should be; afterwards a right one gets {status}\n"
    )
    sys.stdout.writelines(f"{words}\n" for words in dict.fromkeys(complaints))
    return int(bool(complaints) or status != 200)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    sys.exit(asyncio.run(main(parser.parse_args())))
