"""Pictures and sound of files made here: their times, their values, and what is told of broken ones."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from md2n.errors import DataError
from md2n.extraction.base import ModalityAbsentError
from md2n.extraction.media import RATE_HZ, pictures, sound

av = pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")


def tone(rate: int, seconds: float, hz: float = 440.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate).astype(np.float32)


def write(
    path: Path,
    heard: np.ndarray | None = None,
    rate: int = 44_100,
    times_s: tuple[float, ...] = (),
    codec: str = "aac",
    late_s: float = 0.0,
    aspect: Fraction | None = None,
    lit: bool = False,
) -> Path:
    """A file with a sound ``[channel, sample]`` and pictures at these times, each lighter, perhaps a corner lit."""
    with av.open(str(path), "w") as file:
        video = audio = None
        if times_s:
            video = file.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            video.codec_context.time_base = Fraction(1, 1000)
            if aspect is not None:
                video.codec_context.sample_aspect_ratio = aspect
        if heard is not None:
            audio = file.add_stream(codec, rate=rate, layout="stereo" if len(heard) == 2 else "mono")
        for i, time_s in enumerate(times_s):
            rgb = np.full((48, 64, 3), 40 + 20 * (i % 8), np.uint8)
            rgb[:16, :16] = 255 if lit else rgb[:16, :16]
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = round(time_s * 1000), Fraction(1, 1000)
            file.mux(video.encode(frame))
        if times_s:
            file.mux(video.encode())
        if heard is not None:
            for start in range(0, heard.shape[1], 1024):
                piece = np.ascontiguousarray(heard[:, start : start + 1024], np.float32)
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=audio.layout.name)
                frame.rate, frame.pts = rate, start + round(late_s * rate)
                frame.time_base = Fraction(1, rate)
                file.mux(audio.encode(frame))
            file.mux(audio.encode())
    return path


@pytest.mark.parametrize(("rate", "codec"), [(8_000, "pcm_s16le"), (44_100, "pcm_f32le"), (96_000, "pcm_s32le")])
def test_a_sound_of_any_rate_and_format_is_the_same_sound(rate: int, codec: str, tmp_path: Path) -> None:
    heard = sound(write(tmp_path / "a tone, schön.wav", tone(rate, 0.5)[None] / 2, rate, codec=codec))
    assert heard.rate_hz == RATE_HZ and heard.duration_s == pytest.approx(0.5, abs=1e-3)
    middle = slice(RATE_HZ // 10, 4 * RATE_HZ // 10)
    np.testing.assert_allclose(heard.signal[middle], tone(RATE_HZ, 0.5)[middle] / 2, atol=0.01)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left = tone(RATE_HZ, 0.2)
    heard = sound(write(tmp_path / "a.wav", np.stack([left, -left / 2]), RATE_HZ, codec="pcm_f32le"))
    np.testing.assert_allclose(heard.signal, left / 4, atol=1e-6)


def test_pictures_come_at_their_own_times(tmp_path: Path) -> None:
    times = (0.0, 0.04, 0.2, 0.24, 1.0)
    seen = list(pictures(write(tmp_path / "a.mp4", times_s=times)))
    assert [p.time_s for p in seen] == pytest.approx(times, abs=1e-3)
    assert seen[0].rgb.shape == (48, 64, 3)
    assert [int(p.rgb.mean() - 40 + 10) // 20 for p in seen] == [0, 1, 2, 3, 4]


def test_pixels_are_square_in_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "wide.mkv", times_s=(0.0, 0.04), aspect=Fraction(3, 2))
    assert next(pictures(path)).rgb.shape == (48, 96, 3)


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [((0, 1, -1, 0), (0, -1)), ((-1, 0, 0, -1), (-1, -1)), ((0, -1, 1, 0), (-1, 0))],
    ids=["clockwise", "upside down", "counterclockwise"],
)
def test_a_video_is_turned_as_the_camera_was_held(
    matrix: tuple[int, int, int, int], corner: tuple[int, int], tmp_path: Path
) -> None:
    """The bright upper left corner comes where the file's display matrix puts it."""
    path = write(tmp_path / "phone.mp4", times_s=(0.0, 0.04), lit=True)
    a, b, c, d = (v * 65536 for v in matrix)
    content = path.read_bytes()
    place = content.index(b"tkhd") + 4 + 40
    assert struct.unpack(">9i", content[place : place + 36]) == (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content[:place] + turned + content[place + 36 :])
    rgb = next(pictures(path)).rgb
    assert rgb.shape == ((48, 64, 3) if a else (64, 48, 3))
    assert rgb[corner].mean() > 150 and rgb.mean() < 100


def test_a_sound_that_begins_late_is_silent_until_then(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", tone(RATE_HZ, 0.5)[None], RATE_HZ, (0.0, 0.5, 1.0), "pcm_s16le", late_s=0.25)
    heard = sound(path).signal
    assert np.abs(heard[: RATE_HZ // 4 - 1]).max() == 0
    np.testing.assert_allclose(heard[RATE_HZ // 4 :][:1000], tone(RATE_HZ, 0.5)[:1000], atol=1e-3)


def test_what_is_not_there_is_told_apart_from_what_cannot_be_read(tmp_path: Path) -> None:
    silent = write(tmp_path / "silent.mp4", times_s=(0.0, 0.04))
    blind = write(tmp_path / "blind.wav", tone(RATE_HZ, 0.1)[None], RATE_HZ, codec="pcm_s16le")
    with pytest.raises(ModalityAbsentError, match=r"silent\.mp4 has no audio track"):
        sound(silent)
    with pytest.raises(ModalityAbsentError, match=r"blind\.wav has no video track"):
        next(pictures(blind))


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "there is no file"), (b"", "is empty"), (b"words, words " * 100, "cannot be read as a video or sound")],
)
def test_what_is_no_media_file_is_refused(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    for read in (sound, lambda p: list(pictures(p))):
        with pytest.raises(DataError, match=said) as caught:
            read(path)
        assert not isinstance(caught.value, ModalityAbsentError)


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mp4", tone(44_100, 4.0)[None], times_s=tuple(i / 25 for i in range(100)))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(DataError, match=r"cut\.mp4"):
        sound(cut)


def test_a_file_whose_end_is_lost_is_refused_by_what_its_head_says(tmp_path: Path) -> None:
    times = tuple(i / 25 for i in range(100))
    whole = write(tmp_path / "whole.mkv", tone(RATE_HZ, 4.0)[None], RATE_HZ, times, "pcm_s16le")
    assert sound(whole).duration_s == pytest.approx(4.0, abs=0.05)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for read in (sound, lambda p: list(pictures(p))):
        with pytest.raises(DataError, match=r"cut\.mkv ends after [12]\.\d of [34]\.\d seconds"):
            read(cut)


def test_ten_minutes_of_pictures_are_one_picture_in_memory(tmp_path: Path) -> None:
    seen = pictures(write(tmp_path / "a.mp4", times_s=(0.0, 0.04, 0.08)))
    assert next(seen).time_s == 0.0
    seen.close()  # and the file with it: it can be removed on every system
    (tmp_path / "a.mp4").unlink()
