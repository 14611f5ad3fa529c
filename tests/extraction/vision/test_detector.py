"""Anchors, decoding and blending of detections: known answers."""

from collections.abc import Callable

import numpy as np
import pytest

from md2n.extraction.vision.detector import Detection, FaceDetector, anchors, blend, decode, overlap

N = 896


def seen(left: float, top: float, side: float, score: float) -> Detection:
    return Detection(np.array([left, top, left + side, top + side], float), np.full((6, 2), float(left)), score)


def test_anchors_are_the_middles_of_two_grids() -> None:
    places = anchors()
    assert places.shape == (N, 2)
    np.testing.assert_allclose(places[:4] * 16, [[0.5, 0.5], [0.5, 0.5], [1.5, 0.5], [1.5, 0.5]])
    np.testing.assert_allclose(places[512:519] * 8, [[0.5, 0.5]] * 6 + [[1.5, 0.5]])
    np.testing.assert_allclose(places.mean(axis=0), 0.5)


def test_decoding_adds_what_is_told_to_the_anchor() -> None:
    told, logits = np.zeros((N, 16), np.float32), np.full(N, -200, np.float32)
    told[512, :6] = [12.8, 25.6, 64, 32, -12.8, 0]
    logits[512] = 3.0
    points, score = decode(told, logits)
    middle = 0.0625 + np.array([0.1, 0.2])
    half = np.array([0.25, 0.125])
    np.testing.assert_allclose(points[0, :4], [*(middle - half), *(middle + half)], atol=1e-6)
    np.testing.assert_allclose(points[0, 4:6], [0.0625 - 0.1, 0.0625], atol=1e-6)
    assert score == pytest.approx([1 / (1 + np.exp(-3))])


def test_scores_below_a_half_are_no_face() -> None:
    assert len(decode(np.zeros((N, 16), np.float32), np.full(N, -0.01, np.float32))[1]) == 0


def test_what_overlaps_is_averaged_by_score_and_the_rest_kept_apart() -> None:
    faces = blend([seen(0, 0, 10, 0.9), seen(200, 0, 30, 0.6), seen(2, 0, 10, 0.6)])
    assert [round(f.box[0], 3) for f in faces] == [200, 0.8]  # the largest first
    assert faces[1].score == 0.9 and faces[1].points[0, 0] == pytest.approx(0.8)


def test_of_two_faces_of_one_size_the_clearer_comes_first() -> None:
    assert [f.score for f in blend([seen(0, 0, 31, 0.55), seen(90, 0, 30, 0.95)])] == [0.95, 0.55]


def test_overlap_is_shared_over_covered() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2], [5, 5, 5, 5]], float)
    np.testing.assert_allclose(overlap(boxes[0], boxes), [1, 1 / 3, 0, 0])
    np.testing.assert_allclose(overlap(boxes[3], boxes[3:]), [0])


class Pretended:
    """A network that sees a face wherever one part of its view is bright enough."""

    side = 128

    def __init__(self, found: Callable[[np.ndarray], bool]) -> None:
        self.found, self.looks = found, 0

    def __call__(self, view: np.ndarray) -> list[np.ndarray]:
        assert view.shape == (128, 128, 3) and view.min() >= -1 and view.max() <= 1
        self.looks += 1
        told, logits = np.zeros((N, 16), np.float32), np.full((N, 1), -9.0, np.float32)
        if self.found(view):
            y, x = np.argwhere(view[..., 0] > 0.5).mean(axis=0)
            told[512, :4] = x - 7.5, y - 7.5, 20, 20  # the anchor's place is at 8
            logits[512] = 5.0
        return [told, logits]


def bright(height: int, width: int, x: int, y: int, side: int) -> np.ndarray:
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[y : y + side, x : x + side] = 255
    return rgb


def test_a_face_is_placed_in_pixels_of_the_picture() -> None:
    network = Pretended(lambda view: True)
    faces = FaceDetector(network)(bright(240, 320, 200, 60, 40))
    assert len(faces) == 1 and network.looks == 1
    box = faces[0].box
    np.testing.assert_allclose([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], [220, 80], atol=2)
    assert box[2] - box[0] == pytest.approx(20 / 128 * 320)


@pytest.mark.parametrize(("height", "width"), [(180, 320), (320, 180)])
def test_small_faces_are_looked_for_in_squares(height: int, width: int) -> None:
    """Too small in the whole picture, large enough in a square of its short side; found once, where it is."""
    network = Pretended(lambda view: (view[..., 0] > 0.5).sum() > 14**2)
    faces = FaceDetector(network)(bright(height, width, width - 60, height - 60, 24))
    assert len(faces) == 1 and network.looks > 1
    box = faces[0].box
    np.testing.assert_allclose([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], [width - 48, height - 48], atol=2)


def test_an_empty_picture_has_no_face() -> None:
    network = Pretended(lambda view: bool((view > 0.5).any()))
    assert FaceDetector(network)(np.zeros((90, 160, 3), np.uint8)) == []
