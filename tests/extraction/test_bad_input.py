"""One folder with everything that can be wrong with clips: each is named and listed, and the rest goes on."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from md2n.data.store import open_store
from md2n.extraction.audio.extractors import CovarepLike
from md2n.extraction.base import Clip, ModalityAbsentError, Track
from md2n.extraction.cache import ABSENT, EXTRACTED, FAILED, Outcome
from md2n.extraction.listing import read_clips
from md2n.extraction.media import pictures
from md2n.extraction.pipeline import Summary, extract
from tests.extraction.audio.test_extractors import voice
from tests.extraction.pretended import Letters
from tests.extraction.test_media import write

pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")


@dataclass
class Shades:
    """How light each picture is; a dark one is one without a face."""

    modality: str = "vision"
    fingerprint: str = "shades@1"
    name: str = "shades@1"
    columns: tuple[str, ...] = ("shade",)

    def prepare(self) -> None:
        pass

    def extract(self, clip: Clip) -> Track:
        if clip.media is None:
            raise ModalityAbsentError(f"clip '{clip.id}' has no media file")
        seen = [(p.time_s, p.rgb.mean()) for p in pictures(clip.media)]
        values = np.array([[shade] for _, shade in seen], np.float32)
        at = np.array([t for t, _ in seen])
        return Track(values, values[:, 0] > 80, np.stack([at, at + 0.04], axis=1))


EVEN = tuple(i / 25 for i in range(25))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("bad input")
    heard = voice(1.0, 120.0)[None]
    clips = folder / "my clips ☃"
    clips.mkdir()
    write(clips / "good.mp4", heard, 16_000, EVEN)
    write(clips / "ein Ding, schön ☃.mp4", heard, 16_000, EVEN)
    (clips / "no video.mp4").write_bytes(b"this is a letter, not a film. " * 99)
    (clips / "zero.mp4").write_bytes(b"")
    whole = write(clips / "whole.mp4", voice(4.0, 120.0)[None], 16_000, tuple(i / 25 for i in range(100)))
    (clips / "truncated.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    write(clips / "no sound.mp4", times_s=EVEN)
    write(clips / "silent.wav", np.zeros((1, 16_000), np.float32), 16_000, codec="pcm_s16le")
    write(clips / "no picture.wav", heard, 16_000, codec="pcm_s16le")
    write(clips / "no face.mp4", heard, 16_000, (0.0, 0.04))
    write(clips / "8 kHz.wav", heard[:, ::2], 8_000, codec="pcm_s16le")
    write(clips / "96 kHz float.wav", np.repeat(heard, 6, axis=1), 96_000, codec="pcm_f32le")
    write(clips / "stereo.wav", np.concatenate([heard, heard / 2]), 16_000, codec="pcm_s16le")
    write(clips / "variable.mp4", heard, 16_000, (0.0, 0.04, 0.2, 0.5, 0.9, 1.2))
    rows = [(p.name, p.stem, "set white") for p in sorted(clips.iterdir()) if p.stem != "whole"]
    rows += [("absent.mp4", "absent", "set white"), ("good.mp4", "nothing said", "")]
    rows += [("good.mp4", "too much said", "word " * 10_000), ("good.mp4", "twice", "a"), ("zero.mp4", "twice", "b")]
    rows += [("", "only said", "so it is"), ("zero.mp4", "nothing at all", "")]
    table = "".join(f'"{file}","{one}","{said}"\n' for file, one, said in rows)
    (clips / "labels.csv").write_text(f"file,id,transcript\n{table}", encoding="utf-8")
    return folder / "store", extract(read_clips(clips), [Letters(), CovarepLike(), Shades()], folder / "store")


def of(done: tuple[Path, Summary], clip: str) -> dict[str, Outcome]:
    return {o.modality: o for o in done[1].outcomes if o.clip == clip}


@pytest.mark.parametrize(
    ("clip", "audio", "vision"),
    [
        ("good", "", ""),
        ("ein Ding, schön ☃", "", ""),
        ("no video", "failed: .* cannot be read as a video or sound file", "failed: .* cannot be read as a video"),
        ("zero", "failed: .*zero.mp4 is empty", "failed: .*zero.mp4 is empty"),
        ("truncated", "failed: .*truncated.mp4", "failed: .*truncated.mp4"),
        ("absent", "failed: there is no file .*absent.mp4", "failed: there is no file .*absent.mp4"),
        ("no sound", "absent: no sound.mp4 has no audio track", ""),
        ("silent", "absent: clip 'silent' is silent throughout", "absent: silent.wav has no video track"),
        ("no picture", "", "absent: no picture.wav has no video track"),
        ("no face", "", "absent: none of its 2 frames could be measured"),
        ("8 kHz", "", "absent: 8 kHz.wav has no video track"),
        ("96 kHz float", "", "absent: 96 kHz float.wav has no video track"),
        ("stereo", "", "absent: stereo.wav has no video track"),
        ("variable", "", ""),
        ("only said", "absent: clip 'only said' has no sound or video file", "absent: .* has no media file"),
    ],
)
def test_what_is_wrong_with_a_clip_is_named(clip: str, audio: str, vision: str, done: tuple[Path, Summary]) -> None:
    found = of(done, clip)
    for expected, outcome in ((audio, found["audio"]), (vision, found["vision"])):
        state, _, reason = expected.partition(": ")
        assert outcome.state == (state or EXTRACTED), outcome
        assert not state or re.search(reason, outcome.reason), outcome
    assert found["text"].state == EXTRACTED  # what is said is known of all of these
    assert clip in done[1].clips


def test_a_transcript_may_be_missing_or_too_long(done: tuple[Path, Summary]) -> None:
    assert of(done, "nothing said")["text"].reason == "clip 'nothing said' has no transcript"
    assert of(done, "too much said")["text"].frames == 10_000
    assert any("'too much said' has a transcript of 10000 words" in n for n in done[1].notes)


def test_what_cannot_be_kept_is_left_out_and_listed(done: tuple[Path, Summary]) -> None:
    left = done[1].left_out
    assert set(left) == {"twice", "nothing at all"}
    assert "id 'twice' is that of lines" in left["twice"] and "zero.mp4 is empty" in left["nothing at all"]


def test_the_store_holds_the_rest(done: tuple[Path, Summary]) -> None:
    store = open_store(done[0])
    ids = store.ids.tolist()
    assert tuple(ids) == done[1].clips and len(ids) == 17
    audio = store.modalities["audio"]
    seconds = {clip: audio.lengths[ids.index(clip)] / 100 for clip in ("good", "8 kHz", "96 kHz float", "stereo")}
    assert all(abs(s - 1) < 0.08 for s in seconds.values()), seconds
    vision = store.modalities["vision"]
    assert vision.lengths[ids.index("variable")] == 6 and not vision.valid.all()
    assert {o.state for o in done[1].outcomes} == {EXTRACTED, ABSENT, FAILED}
