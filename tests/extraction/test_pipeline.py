"""Clips to a store: what is kept, what is done again, and the same bytes however often it was stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from md2n.data.store import open_store
from md2n.errors import DataError, InterruptedRun, UsageError
from md2n.extraction.base import Clip, Track, Word
from md2n.extraction.clips import Listing
from md2n.extraction.pipeline import ABSENT, EXTRACTED, FAILED, extract, key_of
from tests.extraction.pretended import Bytes, Letters

CLIPS = {"one": b"abcdefgh", "two": b"", "three": b"!xyz", "four": b"abcd\0xyzwxyz", "none": b""}
SAID = {"one": "set white", "two": "soon", "three": "p", "four": None, "none": None}
ROOT = Path(__file__).resolve().parents[2]


def listing(folder: Path) -> Listing:
    folder.mkdir(exist_ok=True)
    for name, content in CLIPS.items():
        (folder / f"{name}.bin").write_bytes(content)
    clips = tuple(Clip(n, folder / f"{n}.bin", SAID[n]) for n in CLIPS)
    labels = {"label": np.array(["x", "y", "x", "y", "x"])}
    return Listing(clips, labels, {}, {"speaker": list("abcde")}, ("train", "train", "valid", "test", ""))


def content(store: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(store.iterdir())}


def test_what_a_clip_lacks_is_missing_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    outcomes = extract(listing(tmp_path / "clips"), [Letters(), Bytes()], tmp_path / "store")
    told = {(o.clip, o.modality): o for o in outcomes}
    assert [told[c, "audio"].state for c in CLIPS] == [EXTRACTED, ABSENT, FAILED, EXTRACTED, ABSENT]
    assert told["three", "audio"].reason == "clip 'three' cannot be read"
    assert told["one", "audio"].notes == ("8 bytes",)
    found = open_store(tmp_path / "store")
    assert list(found.ids) == ["one", "two", "three", "four"]  # none has nothing at all
    assert found.present.tolist() == [[True, True], [True, False], [True, False], [False, True]]
    assert found.split.tolist() == [0, 0, 1, 2] and list(found.groups["speaker"]) == list("abcd")
    audio = found.modalities["audio"]
    assert audio.valid.tolist() == [True, True, True, False, True]
    np.testing.assert_array_equal(audio.values[:2], [[97, 98, 99, 100], [101, 102, 103, 104]])


def test_a_rerun_does_what_is_new_or_has_changed_alone(tmp_path: Path) -> None:
    found, out = listing(tmp_path / "clips"), tmp_path / "store"
    first = extract(found, [Letters(), Bytes()], out)
    assert all(o.anew for o in first)
    again = extract(found, [Letters(), Bytes()], out)
    assert [(o.clip, o.modality) for o in again if o.anew] == [("three", "audio")]  # what failed is tried again
    assert [o.state for o in again] == [o.state for o in first]
    (tmp_path / "clips" / "one.bin").write_bytes(b"ABCD")
    changed = extract(found, [Letters(), Bytes()], out)
    assert {(o.clip, o.modality) for o in changed if o.anew} == {("one", "text"), ("one", "audio"), ("three", "audio")}
    newer = extract(found, [Letters(), Bytes(fingerprint="bytes@2")], out)
    assert {o.modality for o in newer if o.anew} == {"audio"}


def test_a_key_depends_on_everything_that_the_frames_depend_on(tmp_path: Path) -> None:
    clip = listing(tmp_path / "clips").clips[0]
    other = tmp_path / "clips" / "two.bin"
    made = [
        key_of(clip, Bytes(), "none"),
        key_of(clip, Bytes(), "word"),
        key_of(clip, Bytes(fingerprint="bytes@2"), "none"),
        key_of(clip, Bytes(modality="vision"), "none"),
        key_of(Clip("one", other, clip.transcript), Bytes(), "none"),
        key_of(Clip("one", clip.media, "other"), Bytes(), "none"),
        key_of(Clip("one", clip.media, clip.transcript, (Word("set", 0.0, 1.0),)), Bytes(), "none"),
    ]
    assert len(set(made)) == len(made)
    assert key_of(Clip("renamed", clip.media, clip.transcript), Bytes(), "none") == made[0]


def test_several_processes_write_the_same_store(tmp_path: Path) -> None:
    found = listing(tmp_path / "clips")
    extract(found, [Letters(), Bytes()], tmp_path / "a" / "store")
    extract(found, [Letters(), Bytes()], tmp_path / "b" / "store", workers=2)
    assert content(tmp_path / "a" / "store") == content(tmp_path / "b" / "store")


def test_a_killed_extraction_ends_with_the_same_bytes(tmp_path: Path) -> None:
    found = listing(tmp_path / "clips")
    extract(found, [Letters(), Bytes()], tmp_path / "whole" / "store")
    slow = (
        "import sys; from pathlib import Path; from tests.extraction.test_pipeline import *; "
        "t = Path(sys.argv[1]); extract(listing(t / 'clips'), [Letters(), Bytes(wait_s=0.3)], t / 'cut' / 'store')"
    )
    command = [sys.executable, "-c", slow, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    kept = tmp_path / "cut" / ".store.clips"
    deadline = time.monotonic() + 60
    while len(list(kept.glob("*.npz"))) < 3:
        assert time.monotonic() < deadline and process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "cut" / "store").exists()
    outcomes = extract(found, [Letters(), Bytes()], tmp_path / "cut" / "store")
    assert not all(o.anew for o in outcomes)
    assert content(tmp_path / "cut" / "store") == content(tmp_path / "whole" / "store")


def test_ctrl_c_keeps_what_was_extracted(tmp_path: Path) -> None:
    def stop(done: int, count: int, outcome: object) -> None:
        if done == 3:
            raise KeyboardInterrupt

    class Impatient(Bytes):
        def extract(self, clip: Clip) -> Track:
            if clip.id == "four":
                raise KeyboardInterrupt
            return super().extract(clip)

    with pytest.raises(InterruptedRun, match="what was extracted is kept"):
        extract(listing(tmp_path / "clips"), [Impatient()], tmp_path / "store")
    assert len(list((tmp_path / ".store.clips").glob("*.npz"))) == 2
    with pytest.raises(KeyboardInterrupt):
        extract(listing(tmp_path / "clips"), [Letters(), Bytes()], tmp_path / "store", told=stop)


def test_frames_are_averaged_over_words_where_they_are_asked_to_be(tmp_path: Path) -> None:
    found = listing(tmp_path / "clips")
    words = (Word("set", 0.0, 0.2), Word("white", 0.2, 0.3))
    clips = (Clip("one", found.clips[0].media, "set white", words), *found.clips[1:2])
    cut = Listing(clips, {}, {}, {}, ("", ""))
    outcomes = extract(cut, [Letters(), Bytes()], tmp_path / "store", align="word")
    audio = open_store(tmp_path / "store").modalities["audio"]
    np.testing.assert_array_equal(audio.values[:1], [[99, 100, 101, 102]])
    assert audio.valid.tolist() == [True, False]  # the second word has no frame in it
    assert "has no words in time to align to" in outcomes[2].reason


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    found = listing(tmp_path / "clips")
    with pytest.raises(UsageError, match="two front ends make the same modality"):
        extract(found, [Bytes(), Bytes()], tmp_path / "store")
    with pytest.raises(UsageError, match="'words' is nothing to align to"):
        extract(found, [Bytes()], tmp_path / "store", align="words")
    nothing = Listing(found.clips[1:2], {}, {}, {}, ("",))
    with pytest.raises(DataError, match="no clip has anything"):
        extract(nothing, [Bytes()], tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_damaged_kept_file_is_named(tmp_path: Path) -> None:
    found = listing(tmp_path / "clips")
    extract(found, [Bytes()], tmp_path / "store")
    path = tmp_path / ".store.clips" / key_of(found.clips[0], Bytes(), "none")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match="is damaged"):
        extract(found, [Bytes()], tmp_path / "store")
