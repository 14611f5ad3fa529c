"""Files that were cut off, and files whose heads are wrong: told apart, and told."""

import csv
import struct
from pathlib import Path

import numpy as np
import pytest

from md2n.data.store import open_store
from md2n.errors import DataError
from md2n.extraction.audio.extractors import CovarepLike
from md2n.extraction.listing import read_clips
from md2n.extraction.media import pictures, sound
from md2n.extraction.pipeline import extract
from md2n.extraction.summary import write_summary
from md2n.extraction.whole import check_whole
from tests.extraction.audio.test_extractors import voice
from tests.extraction.test_media import tone, write

pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")
PCM = (voice(2.0, 120.0) * 8_000).astype("<i2").tobytes()
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(14) + b"\xff" * 99
HEAD = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)


def wav(
    path: Path,
    data: int | None = None,
    riff: int | None = None,
    pcm: bytes = PCM,
    behind: bytes = b"",
    long: bool = False,
) -> Path:
    """A .wav whose head promises so many bytes of sound and of file; as many as there are, if not given."""
    size = len(pcm) if data is None else data
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, len(pcm) + 72, len(pcm), len(pcm) // 2, 0) if long else b""
    body = b"WAVE" + ds64 + b"fmt " + struct.pack("<I", len(HEAD)) + HEAD + b"data" + struct.pack("<I", size)
    body += pcm + behind
    whole = len(body) if riff is None else riff
    path.write_bytes((b"RF64" if long else b"RIFF") + struct.pack("<I", whole) + body)
    return path


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    return path


def test_a_wav_that_was_cut_off_is_refused(tmp_path):
    path = cut(wav(tmp_path / "a.wav"), 0.3)
    with pytest.raises(DataError, match=r"a\.wav was cut off: \d+ of 64044 bytes are there"):
        check_whole(path)
    with pytest.raises(DataError, match="was cut off"):
        sound(path)
    # Without a length of the whole, that of the sound is believed.
    with pytest.raises(DataError, match="was cut off"):
        check_whole(cut(wav(tmp_path / "a.wav", riff=0), 0.5))
    with pytest.raises(DataError, match="was cut off"):
        check_whole(cut(wav(tmp_path / "a.wav", 0xFFFF_FFFF, 0xFFFF_FFFF, long=True), 0.5))


def test_a_wav_that_lacks_a_little_is_read_with_a_note(tmp_path):
    path = cut(wav(tmp_path / "a.wav"), 0.95)
    assert check_whole(path) == ("it was cut off: the last 3202 of 64044 bytes are not there",)
    assert sound(path).duration_s == pytest.approx(1.9, abs=0.01)


def test_a_head_that_promises_more_sound_than_the_whole_file_has_is_wrong_itself(tmp_path):
    path = wav(tmp_path / "a.wav", 2 * len(PCM))
    assert check_whole(path) == ("its head promises 128044 bytes, and 64044 are there; the file itself looks whole",)
    assert sound(path).duration_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"data": 0, "riff": 0},
        {"data": 0},
        {"data": 0xFFFF_FFFF, "riff": 0xFFFF_FFFF},
        {"data": 0x7FFF_F000, "riff": 0x7FFF_F024},
        {"behind": b"LIST" + struct.pack("<I", 4) + b"INFO"},
        {"pcm": PCM + b"\1"},
        {"data": 0xFFFF_FFFF, "riff": 0xFFFF_FFFF, "long": True},
        {"pcm": b""},
    ],
)
def test_a_writer_that_did_not_know_promises_nothing(tmp_path, sizes):
    assert check_whole(wav(tmp_path / "a.wav", **sizes)) == ()


@pytest.mark.parametrize("name", ["a.wav", "a.w64", "a.caf", "a.avi", "a.wmv", "a.aiff", "a.au", "a.mp3", "a.mka"])
def test_every_container_that_says_how_long_it_is_is_held_to_it(tmp_path, name):
    kinds = {"aiff": "pcm_s16be", "au": "pcm_s16be", "mp3": "libmp3lame", "avi": "mp2", "wmv": "mp2", "mka": "aac"}
    times = tuple(i / 25 for i in range(100)) if name in ("a.avi", "a.wmv") else ()
    path = write(tmp_path / name, tone(44_100, 4.0)[None], 44_100, times, kinds.get(name[2:], "pcm_s16le"))
    assert check_whole(path) == () and sound(path).duration_s == pytest.approx(4.0, abs=0.1)
    cut(path, 0.5)
    with pytest.raises(DataError, match=name):
        sound(path)
    if times:
        with pytest.raises(DataError, match=name):
            list(pictures(path))


def test_an_ogg_file_without_its_last_page_is_told(tmp_path):
    path = write(tmp_path / "a.opus", tone(48_000, 4.0)[None], 48_000, codec="libopus")
    assert check_whole(path) == ()
    assert "may have been cut off" in check_whole(cut(path, 0.6))[0]


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\x10\0\0\0WAVE" + bytes(99), b"caff" + b"\xff" * 99, b"OggS", ASF]
)
def test_what_is_no_whole_head_is_left_to_its_reader(tmp_path, content):
    for name in ("a.wav", "a.ogg"):
        (tmp_path / name).write_bytes(content)
        check_whole(tmp_path / name)
    assert check_whole(tmp_path / "none.wav") == ()


def test_an_extraction_lists_what_was_cut_off(tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    wav(clips / "whole.wav")
    wav(clips / "wrong head.wav", 2 * len(PCM))
    cut(wav(clips / "a little.wav"), 0.95)
    cut(wav(clips / "cut.wav"), 0.3)
    names = ("whole", "wrong head", "a little", "cut")
    table = "".join(f"{one}.wav,so it is,gone.csv\n" if one == "cut" else f"{one}.wav,so it is,\n" for one in names)
    (clips / "labels.csv").write_text(f"file,transcript,words\n{table}")
    out = tmp_path / "store"
    listing = read_clips(clips)
    done = extract(listing, [CovarepLike()], out)
    assert done.clips == ("whole", "wrong head", "a little") and set(done.left_out) == {"cut"}
    with (write_summary(tmp_path / "told", done) / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    audio = {r["clip"]: (r["state"], r["reason"] + r["notes"]) for r in rows if r["modality"] == "audio"}
    assert audio["whole"] == ("extracted", "")
    assert audio["cut"][0] == "failed" and "was cut off" in audio["cut"][1]
    assert "the file itself looks whole" in audio["wrong head"][1] and "the last 3202" in audio["a little"][1]
    assert [r["reason"] for r in rows if r["state"] == "note"] == list(listing.notes)
    assert any("clip 'cut'" in note and "gone.csv' does not exist" in note for note in listing.notes)
    # Nothing is done again that was done, and the same is told; what was cut off is tried again.
    again = extract(listing, [CovarepLike()], out)
    assert [o.anew for o in again.outcomes] == [False, False, False, True]
    assert [o.notes for o in again.outcomes] == [o.notes for o in done.outcomes]
    assert np.isfinite(open_store(out).modalities["audio"].values).all()
