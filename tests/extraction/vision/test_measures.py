"""The columns follow what they are named after, and nothing else: laws on made heads."""

import numpy as np
import pytest

from md2n.extraction.vision.columns import COLUMNS, DEGREES, EYES, INDEX, NAMES, SQUARE, Along
from md2n.extraction.vision.measures import heads, measures
from tests.extraction.vision.heads import made_head, mirrored, turned

POSE = tuple(i for i, c in enumerate(COLUMNS) if c.unit == DEGREES)
SHAPE = tuple(i for i in range(len(COLUMNS)) if i not in POSE)


@pytest.fixture
def head() -> np.ndarray:
    return made_head(np.random.default_rng(0))


def one(points: np.ndarray) -> np.ndarray:
    return measures(points[None])[0]


def test_there_are_35_columns_of_landmarks_that_exist() -> None:
    assert len(NAMES) == len(set(NAMES)) == 35
    for column in COLUMNS:
        assert all(0 <= i < 468 for i in (*column.of, *column.from_)), column.name
        posed = column.along in (Along.PITCH, Along.YAW, Along.ROLL)
        assert column.unit == (DEGREES if posed else SQUARE if column.along is Along.AREA else EYES)
        assert bool(column.from_) is not (posed or column.along is Along.AREA), column.name


def test_no_column_is_a_sum_of_others() -> None:
    values = measures(made_head(np.random.default_rng(1)) + np.random.default_rng(2).normal(0, 2, (400, 468, 3)))
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    assert np.linalg.svd(standard, compute_uv=False).min() > 0.1


def test_place_size_and_turns_of_a_head_change_nothing_but_its_pose(head: np.ndarray) -> None:
    straight = one(head)
    np.testing.assert_allclose(straight[list(POSE)], 0, atol=1e-9)
    seen = one(turned(head, pitch=12, yaw=-25, roll=7) * 1.7 + (30, -20, 5))
    np.testing.assert_allclose(seen[list(SHAPE)], straight[list(SHAPE)], atol=1e-9)
    np.testing.assert_allclose(seen[list(POSE)], [12, -25, 7], atol=1e-9)


@pytest.mark.parametrize(("axis", "sign"), [("pitch", 1), ("yaw", 1), ("roll", 1)])
def test_the_signs_of_the_pose(head: np.ndarray, axis: str, sign: int) -> None:
    """By what is seen: the face points up, or to the picture's right, or its left eye is the lower one."""
    seen = turned(head, **{axis: 20.0})
    ahead = np.array([0, 0, -100.0])  # a stick that the face points with
    pointed = turned(head + ahead, **{axis: 20.0}) - seen
    told = {"pitch": -pointed[0, 1], "yaw": pointed[0, 0], "roll": (seen[263] - seen[33])[1]}
    assert told[axis] * sign > 20
    assert one(seen)[INDEX[f"head_{axis}"]] == pytest.approx(20)


def test_a_mirrored_head_exchanges_right_and_left(head: np.ndarray) -> None:
    uneven = head + np.random.default_rng(3).normal(0, 1, head.shape)
    across = mirrored()
    other = uneven.copy()
    for i, j in across.items():
        other[i] = uneven[j] * (-1, 1, 1)
    straight, seen = one(uneven), one(other)
    for name, at in INDEX.items():
        twin = name.replace("_right", "_left") if "_right" in name else name.replace("_left", "_right")
        turns = name in ("head_yaw", "head_roll", "jaw_sideways")
        assert seen[at] == pytest.approx(straight[INDEX[twin]] * (-1 if turns else 1), abs=1e-9), name


MOVES = [
    ("brow_inner_raise_right", (107, 55), (0, -1, 0), {"brow_apart"}),
    ("brow_outer_raise_left", (300, 276), (0, -1, 0), set()),
    ("lid_aperture_right", (160, 159, 158), (0, -1, 0), set()),
    ("upper_lip_raise_left", (267, 269), (0, -1, 0), {"upper_lip_height"}),
    ("lip_corner_raise_right", (61,), (0, -1, 0), {"lower_lip_depress"}),
    ("lip_corner_stretch_right", (61,), (-1, 0, 0), set()),
    ("lip_corner_stretch_left", (291,), (1, 0, 0), set()),
    ("jaw_drop", (152,), (0, 1, 0), {"chin_raise"}),
    ("jaw_sideways", (152,), (1, 0, 0), set()),
    ("upper_lip_forward", (0, 13), (0, 0, -1), {"upper_lip_height", "lips_part"}),
    ("chin_raise", (18, 200), (0, -1, 0), set()),
]


@pytest.mark.parametrize(("name", "points", "way", "beside"), MOVES)
def test_a_movement_is_seen_in_its_column(
    head: np.ndarray, name: str, points: tuple[int, ...], way: tuple[int, int, int], beside: set[str]
) -> None:
    """A tenth of the distance between the eyes, the right way: so much in the column, nothing in the others."""
    distance = heads(head[None]).eye_distance[0]
    moved = head.copy()
    moved[list(points)] += np.array(way) * 0.1 * distance
    change = one(moved) - one(head)
    assert change[INDEX[name]] == pytest.approx(0.1)
    assert {n for n, i in INDEX.items() if abs(change[i]) > 1e-9} <= {name, *beside}


def test_the_mouth_opens(head: np.ndarray) -> None:
    """A made mouth: lips on a line, then on an ellipse half an eye distance wide and a fifth high."""
    d = heads(head[None]).eye_distance[0]
    contour = next(c for c in COLUMNS if c.name == "mouth_area").of
    angle = np.pi + 2 * np.pi * np.arange(len(contour)) / len(contour)  # from the right corner, over the upper lip
    closed, opened = head.copy(), head.copy()
    for points, height in ((closed, 0.0), (opened, 0.1)):
        points[list(contour)] = head[2] + np.stack(
            [0.25 * d * np.cos(angle), 0.3 * d + height * d * np.sin(angle), 0 * angle], axis=1
        )
    area, part = INDEX["mouth_area"], INDEX["lips_part"]
    assert one(closed)[area] == pytest.approx(0, abs=1e-9)
    polygon = len(contour) / (2 * np.pi) * np.sin(2 * np.pi / len(contour))
    assert one(opened)[area] == pytest.approx(np.pi * 0.25 * 0.1 * polygon)
    assert one(closed)[part] == pytest.approx(0, abs=1e-9) and 0.19 < one(opened)[part] < 0.2
