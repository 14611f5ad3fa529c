"""Clips to a store: what is kept, what is done again, and what is told of it."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from md2n import durable
from md2n.data.store import open_intervals, open_store, verify_store
from md2n.errors import DataError, InterruptedRun, RunError, StorageError, UsageError
from md2n.extraction.base import Clip, Track, Word
from md2n.extraction.cache import ABSENT, EXTRACTED, FAILED, WORDS, content_of, key_of, words_key
from md2n.extraction.listing import Listing
from md2n.extraction.pipeline import Aligner, Summary, extract, piece_folder
from tests.extraction.pretended import Bytes, Even, Letters

CLIPS = {"one": b"abcdefgh", "two": b"", "three": b"!xyz", "four": b"abcd\0xyzwxyz", "none": b""}
SAID = {"one": "set white", "two": "soon", "three": "p", "four": None, "none": None}


def listing(folder: Path) -> Listing:
    folder.mkdir(exist_ok=True)
    for name, content in CLIPS.items():
        (folder / f"{name}.bin").write_bytes(content)
    clips = tuple(Clip(n, folder / f"{n}.bin", SAID[n]) for n in CLIPS)
    labels = {"label": np.array(["x", "y", "x", "", "x"]), "score": np.array([0.5, np.nan, -1.0, 2.0, 0.0])}
    return Listing(clips, labels, {}, {"speaker": list("abcde")}, ("train", "train", "valid", "test", ""))


def only(found: Listing, *ids: str) -> Listing:
    rows = [i for i, c in enumerate(found.clips) if c.id in ids]
    return Listing(tuple(found.clips[i] for i in rows), {}, {}, {}, ("",) * len(rows))


def content(store: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(store.iterdir())}


def anew(found: Summary) -> set[tuple[str, str]]:
    return {(o.clip, o.modality) for o in found.outcomes if o.anew}


def test_what_a_clip_lacks_is_missing_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    found = extract(listing(tmp_path / "clips"), [Letters(), Bytes()], tmp_path / "store")
    told = {(o.clip, o.modality): o for o in found.outcomes}
    assert [told[c, "audio"].state for c in CLIPS] == [EXTRACTED, ABSENT, FAILED, EXTRACTED, ABSENT]
    assert told["three", "audio"].reason == "clip 'three' cannot be read"
    assert told["one", "audio"].notes == ("8 bytes",) and told["four", "audio"].valid == 2
    assert found.clips == ("one", "two", "three", "four")
    assert found.left_out == {"none": "clip 'none' has no transcript; clip 'none' is empty"}
    store = open_store(tmp_path / "store")
    assert tuple(store.ids) == found.clips and verify_store(tmp_path / "store") == []
    assert store.present.tolist() == [[True, True], [True, False], [True, False], [False, True]]
    assert store.split.tolist() == [0, 0, 1, 2] and list(store.groups["speaker"]) == list("abcd")
    assert store.label("label").values.tolist() == [0, 1, 0, -1]
    np.testing.assert_array_equal(store.label("score").values, [0.5, np.nan, -1.0, 2.0])
    audio = store.modalities["audio"]
    assert audio.valid.tolist() == [True, True, True, False, True]
    np.testing.assert_array_equal(audio.values[:2], [[97, 98, 99, 100], [101, 102, 103, 104]])
    times = open_intervals(tmp_path / "store")
    np.testing.assert_allclose(times["audio"], [[0, 0.1], [0.1, 0.2], [0, 0.1], [0.1, 0.2], [0.2, 0.3]], atol=1e-6)
    assert np.isnan(times["text"]).all() and len(times["text"]) == 4
    assert store.source["front_ends"] == {"text": "letters@1", "audio": "bytes@1"}


def test_a_rerun_does_what_is_new_or_has_changed_alone(tmp_path: Path) -> None:
    found, out = listing(tmp_path / "clips"), tmp_path / "store"
    first = extract(found, [Letters(), Bytes()], out)
    assert len(anew(first)) == 10
    again = extract(found, [Letters(), Bytes()], out)
    assert anew(again) == {("three", "audio")}  # what failed is tried again
    assert [o.state for o in again.outcomes] == [o.state for o in first.outcomes]
    (tmp_path / "clips" / "one.bin").write_bytes(b"ABCD")
    mended = replace(found, clips=(*found.clips[:1], replace(found.clips[1], transcript="now"), *found.clips[2:]))
    assert anew(extract(mended, [Letters(), Bytes()], out)) == {("one", "audio"), ("two", "text"), ("three", "audio")}
    newer = extract(mended, [Letters(), Bytes(fingerprint="bytes@2")], out)
    assert {m for _, m in anew(newer)} == {"audio"}
    assert open_store(out).modalities["audio"].sample(0)[0].tolist() == [65, 66, 67, 68]


def test_a_key_depends_on_everything_that_the_frames_depend_on(tmp_path: Path) -> None:
    clip = listing(tmp_path / "clips").clips[0]
    content = content_of(clip)
    assert len(content) == 64 and content != content_of(replace(clip, media=tmp_path / "clips" / "four.bin"))
    assert content_of(replace(clip, media=tmp_path / "nowhere")) == content_of(replace(clip, media=None)) == ""
    voice = key_of(clip, Bytes(), content, "")
    assert voice != key_of(clip, Bytes(fingerprint="bytes@2"), content, "")
    assert voice != key_of(clip, Bytes(modality="vision"), content, "")
    assert voice != key_of(clip, Bytes(), content_of(replace(clip, media=tmp_path / "clips" / "two.bin")), "")
    assert voice != key_of(replace(clip, id="renamed"), Bytes(), content, "")  # reasons and notes name the clip
    assert voice == key_of(replace(clip, transcript="other"), Bytes(), content, "words")
    said = key_of(clip, Letters(), content, "")
    assert said != key_of(replace(clip, transcript="other"), Letters(), content, "")
    assert said != key_of(clip, Letters(), content, "words") and said == key_of(clip, Letters(), "other", "")
    gesture = key_of(clip, Bytes(modality="gesture"), content, "")
    assert gesture != key_of(replace(clip, transcript="other"), Bytes(modality="gesture"), content, "")
    timed = words_key(clip, content, "even@1")
    others = [
        words_key(clip, content, "even@2"),
        words_key(clip, "other", "even@1"),
        words_key(replace(clip, transcript="other"), content, "even@1"),
        words_key(replace(clip, id="renamed"), content, "even@1"),
        words_key(replace(clip, words=(Word("set", 0.0, 1.0),)), content, "even@1"),
    ]
    assert len({timed, *others}) == 6


def test_words_are_found_once_and_frames_averaged_over_them(tmp_path: Path) -> None:
    found, out = listing(tmp_path / "clips"), tmp_path / "store"
    assert isinstance(Even(), Aligner)
    first = extract(found, [Letters(), Bytes()], out, step="word", aligner=Even(0.2))
    told = {(o.clip, o.modality): o for o in first.outcomes}
    assert told["one", WORDS].state == EXTRACTED and told["one", WORDS].frames == 2
    assert told["three", WORDS].reason == "the words of clip 'three' are not in its sound"
    assert ("four", WORDS) not in told  # nothing is said in it
    audio, times = open_store(out).modalities["audio"], open_intervals(out)
    np.testing.assert_array_equal(audio.sample(0), [[99, 100, 101, 102], [0, 0, 0, 0]])
    assert audio.valid[:2].tolist() == [True, False]  # the second word has no frame in it
    np.testing.assert_allclose(times["audio"][:2], times["text"][:2])
    np.testing.assert_allclose(times["text"][:2], [[0, 0.2], [0.2, 0.4]])
    # Without words: windows about as long as words, said so.
    assert len(audio.sample(3)) == 1
    assert "no words in time: averaged over 0.3 s each" in told["four", "audio"].notes
    assert anew(extract(found, [Letters(), Bytes()], out, step="word", aligner=Even(0.2))) == {
        ("three", WORDS),
        ("three", "text"),  # its times may be found with the words
        ("three", "audio"),
    }
    assert ("one", "audio") not in anew(extract(found, [Letters(), Bytes()], out))
    changed = anew(extract(found, [Letters(), Bytes()], out, step="word", aligner=Even(0.3, "even@2")))
    assert ("one", WORDS) in changed and ("one", "text") in changed and ("one", "audio") not in changed


def test_words_that_come_with_a_clip_are_not_looked_for(tmp_path: Path) -> None:
    found = only(listing(tmp_path / "clips"), "one")
    given = (Word("Set", 0.0, 0.1), Word("white", 0.1, 0.2))
    timed = replace(found, clips=(replace(found.clips[0], words=given),))
    told = extract(timed, [Letters(), Bytes()], tmp_path / "store", step="word", aligner=Even(7.0))
    assert [o.modality for o in told.outcomes] == ["text", "audio"]
    np.testing.assert_array_equal(
        open_store(tmp_path / "store").modalities["audio"].values, [[97, 98, 99, 100], [101, 102, 103, 104]]
    )
    assert open_intervals(tmp_path / "store")["text"].max() == pytest.approx(0.2)


def test_frames_are_averaged_over_so_many_seconds(tmp_path: Path) -> None:
    found = only(listing(tmp_path / "clips"), "one", "four")
    extract(found, [Bytes()], tmp_path / "store", step=0.2)
    audio = open_store(tmp_path / "store").modalities["audio"]
    assert audio.lengths.tolist() == [1, 2] and audio.valid.all()
    np.testing.assert_array_equal(
        audio.values[:2], [[99, 100, 101, 102], [97, 98, 99, 100]]
    )  # the invalid one is not read
    np.testing.assert_allclose(open_intervals(tmp_path / "store")["audio"], [[0, 0.2], [0, 0.2], [0.2, 0.4]])


def test_progress_is_told_part_by_part(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    extract(
        listing(tmp_path / "clips"),
        [Letters(), Bytes()],
        tmp_path / "store",
        progress=lambda done, count, o: told.append((done, count, f"{o.clip} {o.modality}")),
    )
    assert [d for d, _, _ in told] == list(range(1, 11)) and {c for _, c, _ in told} == {10}
    assert told[3][2] == "two audio"


def test_what_was_not_foreseen_costs_one_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MD2N_DEBUG", raising=False)
    found = only(listing(tmp_path / "clips"), "one", "two")
    (tmp_path / "clips" / "two.bin").write_bytes(b"?")
    told = extract(found, [Bytes()], tmp_path / "store")
    assert told.outcomes[1].reason.startswith("unforeseen IndexError: out of range") and told.clips == ("one",)
    monkeypatch.setenv("MD2N_DEBUG", "1")
    with pytest.raises(IndexError):
        extract(found, [Bytes()], tmp_path / "store")


def test_ctrl_c_keeps_what_was_extracted(tmp_path: Path) -> None:
    class Impatient(Bytes):
        def extract(self, clip: Clip) -> Track:
            if clip.id == "four":
                raise KeyboardInterrupt
            return super().extract(clip)

    with pytest.raises(InterruptedRun, match="what was extracted is kept"):
        extract(listing(tmp_path / "clips"), [Impatient()], tmp_path / "store")
    assert len(list(piece_folder(tmp_path / "store").glob("*.npz"))) == 2
    assert not (tmp_path / "store").exists()


def test_a_full_disk_is_named_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = listing(tmp_path / "clips")
    extract(only(found, "one"), [Bytes()], tmp_path / "store")
    before, writing = content(tmp_path / "store"), durable._write

    def full(path: Path, told: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(durable, "_write", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        extract(found, [Bytes()], tmp_path / "store")
    assert "make room" in caught.value.hint and content(tmp_path / "store") == before
    monkeypatch.setattr(durable, "_write", writing)
    assert ("one", "audio") not in anew(extract(found, [Bytes()], tmp_path / "store"))


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    found = listing(tmp_path / "clips")
    with pytest.raises(UsageError, match="there is nothing to extract"):
        extract(found, [], tmp_path / "store")
    with pytest.raises(UsageError, match="two front ends make the same modality"):
        extract(found, [Bytes(), Bytes()], tmp_path / "store")
    for step in ("words", 0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="is nothing to align to"):
            extract(found, [Bytes()], tmp_path / "store", step=step)
    with pytest.raises(UsageError, match="bytes are not installed"):
        extract(found, [Bytes(fingerprint="not installed")], tmp_path / "store")
    with pytest.raises(DataError, match=r"no clip has anything .*two: clip 'two' is empty"):
        extract(only(found, "two"), [Bytes()], tmp_path / "store")
    assert not (tmp_path / "store").exists()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="exists and is not a store"):
        extract(found, [Bytes()], tmp_path / "store")


def test_a_kept_file_that_was_cut_off_or_is_damaged_is_made_again(tmp_path: Path) -> None:
    found = only(listing(tmp_path / "clips"), "one")
    extract(found, [Bytes()], tmp_path / "store")
    [path] = piece_folder(tmp_path / "store").glob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    assert anew(extract(found, [Bytes()], tmp_path / "store")) == {("one", "audio")}
    damaged = bytearray(whole)
    damaged[whole.index(np.float32(97).tobytes())] ^= 255
    path.write_bytes(bytes(damaged))
    assert anew(extract(found, [Bytes()], tmp_path / "store")) == {("one", "audio")}
    assert path.read_bytes() == whole


def test_processes_that_cannot_begin_are_told(tmp_path: Path) -> None:
    found = only(listing(tmp_path / "clips"), "one")
    with pytest.raises(UsageError, match="bytes are not installed") as caught:
        extract(found, [Bytes(fingerprint="not installed")], tmp_path / "store", workers=1)
    assert caught.value.hint == "pip install bytes"
    with pytest.raises(RunError, match="was killed by SIGKILL"):
        extract(found, [Bytes(fingerprint="cannot begin")], tmp_path / "store", workers=1)
