"""Which face is followed, and when it is looked for again: scenes of made faces, seen by a made finder."""

import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from md2n.extraction.media import Picture
from md2n.extraction.vision.detector import Detection
from md2n.extraction.vision.region import Region
from md2n.extraction.vision.tracker import MARGIN, Face, Sighting, around, sightings
from tests.extraction.vision.heads import made_head

HEAD = made_head(np.random.default_rng(0))
HEAD[:, :2] -= (HEAD[:, :2].min(axis=0) + HEAD[:, :2].max(axis=0)) / 2
HEAD /= np.ptp(HEAD[:, :2], axis=0).max()


@dataclass(frozen=True)
class Person:
    """A face in a scene, and what can be seen of it."""

    x: float
    y: float = 50
    size: float = 30
    detected: bool = True
    present: bool = True

    @property
    def face(self) -> Face:
        return Face((HEAD * self.size + (self.x, self.y, 0)).astype(np.float32), 0.99)


class Finder:
    """Sees the persons of a scene, which is found in the first pixel of its picture."""

    def __init__(self, scenes: Sequence[Sequence[Person]]) -> None:
        self.scenes, self.searches = scenes, 0

    def _scene(self, rgb: np.ndarray) -> Sequence[Person]:
        return self.scenes[int(rgb[0, 0, 0])]

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        self.searches += 1
        found = [p for p in self._scene(rgb) if p.detected]
        found.sort(key=lambda p: -p.size)
        return [Detection(p.face.box, np.zeros((6, 2)), 0.9) for p in found]

    def landmarks(self, rgb: np.ndarray, region: Region) -> Face | None:
        near = [p for p in self._scene(rgb) if p.present and np.hypot(p.x - region.x, p.y - region.y) < p.size / 2]
        return near[0].face if near else None

    def detected(self, rgb: np.ndarray, detection: Detection) -> Face | None:
        x, y = (detection.box[:2] + detection.box[2:]) / 2
        return self.landmarks(rgb, Region(float(x), float(y), 1.0))


def shown(count: int, step_s: float = 0.04) -> Iterator[Picture]:
    for i in range(count):
        yield Picture(i * step_s, np.full((2, 2, 3), i, np.uint8))


def followed(scenes: Sequence[Sequence[Person]]) -> tuple[list[Sighting], Finder]:
    finder = Finder(scenes)
    return list(sightings(shown(len(scenes)), finder)), finder


def at(seen: Sighting) -> float | None:
    return None if seen.face is None else round(float(seen.face.box[[0, 2]].mean()))


def test_the_largest_face_is_followed_while_it_moves() -> None:
    seen, finder = followed([[Person(20 + i), Person(90, size=40), Person(150)] for i in range(20)])
    assert [at(s) for s in seen] == [90] * 20
    assert seen[0].faces == 3 and {s.faces for s in seen[1:]} == {None} and finder.searches == 1


def test_a_short_gap_is_bridged_and_its_frames_are_not_invented() -> None:
    gone = [Person(150, size=29)]
    seen, _ = followed([[Person(50), *gone]] * 5 + [gone] * 10 + [[Person(60), *gone]] * 5)
    assert [at(s) for s in seen] == [50] * 5 + [None] * 10 + [60] * 5


def test_after_a_long_gap_the_largest_is_taken() -> None:
    other = [Person(150, size=29)]
    seen, _ = followed([[Person(50), *other]] * 5 + [other] * 20)
    assert [at(s) for s in seen] == [50] * 5 + [None] * 12 + [150] * 8  # half a second at 25 pictures a second


def test_a_cut_that_leaves_the_face_about_where_it_was_costs_no_frame() -> None:
    seen, _ = followed([[Person(50)]] * 5 + [[Person(70, size=36)]] * 5)
    assert [at(s) for s in seen] == [50] * 5 + [70] * 5


def test_a_face_that_the_detector_misses_is_followed_all_the_same() -> None:
    seen, finder = followed([[Person(50)]] + [[Person(50, detected=False)]] * 60)
    assert all(s.face is not None for s in seen)
    assert finder.searches == 3 and [s.faces for s in seen if s.faces is not None] == [1, 1, 1]


@pytest.mark.parametrize(("size", "expected"), [(36, 50), (50, 150)])
def test_a_face_far_larger_takes_over_and_one_a_little_larger_does_not(size: float, expected: int) -> None:
    seen, _ = followed([[Person(50)]] * 5 + [[Person(50), Person(150, size=size)]] * 45)
    assert at(seen[-1]) == expected


def test_what_the_detector_takes_for_a_face_and_the_landmarks_do_not_is_none() -> None:
    seen, _ = followed([[Person(50, size=40, present=False), Person(150)]] * 3)
    assert [at(s) for s in seen] == [150] * 3
    assert [at(s) for s in followed([[Person(50, present=False)]] * 3)[0]] == [None] * 3


def test_the_square_around_a_face_is_level_with_its_eyes() -> None:
    straight = around(Person(50, 60, 30).face)
    assert (straight.x, straight.y, straight.size) == pytest.approx((50, 60, 30 * MARGIN), abs=1e-4)
    turn = 0.5
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = Person(50, 60, 30).face.landmarks.astype(np.float64)
    points[:, :2] = (points[:, :2] - (50, 60)) @ spin.T + (50, 60)
    tilted = around(Face(points.astype(np.float32), 0.99))
    assert tilted.angle - straight.angle == pytest.approx(turn, abs=1e-5)
    assert (tilted.x, tilted.y, tilted.size) == pytest.approx((50, 60, 30 * MARGIN), abs=1e-3)


def test_pictures_do_not_pile_up() -> None:
    alive = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def counted() -> Iterator[Picture]:
        nonlocal alive
        for picture in shown(50):
            alive += 1
            weakref.finalize(picture.rgb, gone)
            yield picture

    finder = Finder([[Person(50)]] * 50)
    most = max(alive for _ in sightings(counted(), finder))
    assert 1 <= most <= 2
