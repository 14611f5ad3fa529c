"""Extractions and their processes killed with SIGKILL: the clips in hand are lost, and the bytes are the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from md2n.data.store import open_store
from md2n.extraction.cache import EXTRACTED, FAILED
from md2n.extraction.pipeline import extract, piece_folder
from tests.extraction.pretended import Bytes, Even, Letters
from tests.extraction.test_pipeline import anew, content, listing, only

ROOT = Path(__file__).resolve().parents[2]
SLOW = """
import sys
from pathlib import Path
from md2n.extraction.pipeline import extract
from tests.extraction.pretended import Bytes, Even, Letters
from tests.extraction.test_pipeline import listing

if __name__ == "__main__":
    out, workers = Path(sys.argv[1]), int(sys.argv[2])
    found = listing(out.parent.parent / "clips")
    extract(found, [Letters(), Bytes(wait_s=0.4)], out, step="word", aligner=Even(), workers=workers)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def children(pid: int) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_extraction_ends_with_the_same_bytes(workers: int, tmp_path: Path) -> None:
    found = listing(tmp_path / "clips")
    extract(found, [Letters(), Bytes()], tmp_path / "whole" / "store", step="word", aligner=Even())
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    out = tmp_path / "cut" / "store"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen([sys.executable, str(script), str(out), str(workers)], env=environment)
    try:
        deadline = time.monotonic() + 120
        while len(list(piece_folder(out).glob("*.npz"))) < 3:
            assert time.monotonic() < deadline and process.poll() is None, "it ended before it could be killed"
            time.sleep(0.01)
        hands = children(process.pid) if Path("/proc/self/stat").exists() else []
        assert workers == 0 or len(hands) >= workers or not hands
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not out.exists()
    told = extract(found, [Letters(), Bytes()], out, step="word", aligner=Even())
    assert len(anew(told)) < len(told.outcomes)
    assert content(out) == content(tmp_path / "whole" / "store")
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in hands):
        assert time.monotonic() < deadline, "its processes outlive it"
        time.sleep(0.05)


def test_several_processes_write_the_same_store(tmp_path: Path) -> None:
    found = listing(tmp_path / "clips")
    extract(found, [Letters(), Bytes()], tmp_path / "a" / "store", step="word", aligner=Even())
    extract(found, [Letters(), Bytes()], tmp_path / "b" / "store", step="word", aligner=Even(), workers=2)
    assert content(tmp_path / "a" / "store") == content(tmp_path / "b" / "store")


def test_a_clip_that_kills_its_process_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = only(listing(tmp_path / "clips"), "one", "two", "four")
    (tmp_path / "clips" / "two.bin").write_bytes(b"x")
    told = extract(found, [Letters(), Bytes()], tmp_path / "store", workers=1)
    states = {(o.clip, o.modality): o for o in told.outcomes}
    assert states["two", "audio"].state == FAILED
    assert states["two", "audio"].reason == "the process that read it was killed by SIGKILL (out of memory?)"
    assert states["two", "text"].state == EXTRACTED  # what killed it was not the text
    assert states["four", "audio"].state == EXTRACTED
    assert tuple(open_store(tmp_path / "store").ids) == ("one", "two", "four")
