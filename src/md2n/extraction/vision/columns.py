"""The 35 columns of ``geoAU@1``: what is measured between which landmarks, in which unit, and what it follows.

The table is the definition: ``measures`` computes it.  Places are taken in the head's own axes (``head``)
and divided by the distance between the eyes, so that neither the size of the face in the picture nor a turn of the head
changes them.  Right and left are the person's own.  A value is a place, not a change: what a resting face gives differs
from person to person.

The names follow the action units of the Facial Action Coding System that move the landmarks in question (P. Ekman,
W. V. Friesen and J. C. Hager, 2002); they are geometry, not coded action units, and not those of Facet.
"""

from dataclasses import dataclass
from enum import Enum

EYES = "eye distance"
"""Unit: the distance between the middles of the two eyes, about 63 mm in adults."""
SQUARE = "eye distance squared"
DEGREES = "degrees"


class Along(Enum):
    """How a column is read off the landmarks."""

    UP = "upwards"
    DOWN = "downwards"
    RIGHT = "to the person's right"
    LEFT = "to the person's left"
    FORWARD = "forwards"
    DISTANCE = "distance"
    AREA = "area inside"
    PITCH = "the head's pitch, chin up"
    YAW = "the head's turn to the person's left"
    ROLL = "the head's tilt to the person's left shoulder"


@dataclass(frozen=True)
class Column:
    """One column: how far the middle of some landmarks lies from that of others.

    Attributes:
        name: of the feature.
        follows: the action units that move it, and how.
        along: the direction in which it is measured.
        of: landmarks of the 468; the contour, in order, of an area; the head's own of a pose.
        from_: landmarks from which it is measured; none for an area and a pose.
        unit: ``eye distance``, its square, or degrees.
    """

    name: str
    follows: str
    along: Along
    of: tuple[int, ...]
    from_: tuple[int, ...] = ()
    unit: str = EYES


RIGHT_EYE, LEFT_EYE = (33, 133), (263, 362)
"""Outer and inner corner; their middle is the middle of the eye, which lids do not move."""
BOTH_EYES = (*RIGHT_EYE, *LEFT_EYE)
RIGHT_INNER, LEFT_INNER = (133,), (362,)
"""Inner corners alone: the model lowers the outer ones a little as the eye closes."""
NOSE_BASE = (2,)
"""Where nose and upper lip meet, in the middle: the lowest point that neither lips nor jaw move."""
CHIN = (152,)
"""The lowest point of the jaw's edge."""
SIDES = (
    (33, 263),
    (133, 362),
    (127, 356),
    (234, 454),
    (162, 389),
    (21, 251),
    (54, 284),
    (103, 332),
    (67, 297),
    (109, 338),
)
"""Right and left of what does not move in the head: eye corners, then the outline from the ears to the forehead."""
FOREHEAD = (10, 151)
HEAD = (*(i for pair in SIDES for i in pair), *FOREHEAD, *NOSE_BASE)
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
"""Around the opening of the mouth, from the right corner over the upper lip."""

COLUMNS: tuple[Column, ...] = (
    Column("brow_inner_raise_right", "AU1 raises, AU4 lowers", Along.UP, (107, 55), RIGHT_INNER),
    Column("brow_inner_raise_left", "AU1 raises, AU4 lowers", Along.UP, (336, 285), LEFT_INNER),
    Column("brow_middle_raise_right", "AU1, AU2 raise, AU4 lowers", Along.UP, (105, 52), RIGHT_INNER),
    Column("brow_middle_raise_left", "AU1, AU2 raise, AU4 lowers", Along.UP, (334, 282), LEFT_INNER),
    Column("brow_outer_raise_right", "AU2 raises", Along.UP, (70, 46), RIGHT_INNER),
    Column("brow_outer_raise_left", "AU2 raises", Along.UP, (300, 276), LEFT_INNER),
    Column("brow_apart", "AU4 brings nearer", Along.DISTANCE, (107, 55), (336, 285)),
    Column("lid_aperture_right", "AU5 widens; AU7, AU43, AU45 narrow", Along.UP, (160, 159, 158), (144, 145, 153)),
    Column("lid_aperture_left", "AU5 widens; AU7, AU43, AU45 narrow", Along.UP, (387, 386, 385), (373, 374, 380)),
    Column("lid_tighten_right", "AU7 raises the lower lid", Along.UP, (144, 145, 153), RIGHT_EYE),
    Column("lid_tighten_left", "AU7 raises the lower lid", Along.UP, (373, 374, 380), LEFT_EYE),
    Column("cheek_raise_right", "AU6 raises", Along.UP, (50, 101), RIGHT_INNER),
    Column("cheek_raise_left", "AU6 raises", Along.UP, (280, 330), LEFT_INNER),
    Column("nose_wrinkle_right", "AU9 raises the wing of the nose", Along.UP, (48, 64), RIGHT_INNER),
    Column("nose_wrinkle_left", "AU9 raises the wing of the nose", Along.UP, (278, 294), LEFT_INNER),
    Column("nostrils_apart", "AU38 widens, AU39 narrows", Along.DISTANCE, (48, 64), (278, 294)),
    Column("upper_lip_raise_right", "AU9, AU10 raise", Along.UP, (37, 39), NOSE_BASE),
    Column("upper_lip_raise_left", "AU9, AU10 raise", Along.UP, (267, 269), NOSE_BASE),
    Column("lip_corner_raise_right", "AU12, AU13 raise, AU15 lowers", Along.UP, (61,), NOSE_BASE),
    Column("lip_corner_raise_left", "AU12, AU13 raise, AU15 lowers", Along.UP, (291,), NOSE_BASE),
    Column("lip_corner_stretch_right", "AU12, AU14, AU20 widen, AU18 narrows", Along.RIGHT, (61,), BOTH_EYES),
    Column("lip_corner_stretch_left", "AU12, AU14, AU20 widen, AU18 narrows", Along.LEFT, (291,), BOTH_EYES),
    Column("lips_part", "AU25, AU26, AU27 part", Along.DISTANCE, (82, 13, 312), (87, 14, 317)),
    Column("mouth_area", "AU25 to AU27 open, AU18 rounds", Along.AREA, INNER_LIPS, unit=SQUARE),
    Column("upper_lip_height", "AU23, AU24, AU28 thin it", Along.DISTANCE, (37, 0, 267), (82, 13, 312)),
    Column("lower_lip_height", "AU23, AU24, AU28 thin it", Along.DISTANCE, (84, 17, 314), (87, 14, 317)),
    Column("upper_lip_forward", "AU18, AU22 push out", Along.FORWARD, (0, 13), NOSE_BASE),
    Column("lower_lip_forward", "AU18, AU22 push out, AU28 draws in", Along.FORWARD, (14, 17), NOSE_BASE),
    Column("lower_lip_depress", "AU16 lowers", Along.DOWN, (84, 17, 314), (61, 291)),
    Column("chin_raise", "AU17 raises the skin above the jaw's edge", Along.UP, (18, 200), CHIN),
    Column("jaw_drop", "AU26, AU27 lower", Along.DOWN, CHIN, NOSE_BASE),
    Column("jaw_sideways", "AU30 moves", Along.LEFT, CHIN, BOTH_EYES),
    Column("head_pitch", "AU53 raises, AU54 lowers", Along.PITCH, HEAD, unit=DEGREES),
    Column("head_yaw", "AU51 turns left, AU52 right", Along.YAW, HEAD, unit=DEGREES),
    Column("head_roll", "AU55 tilts left, AU56 right", Along.ROLL, HEAD, unit=DEGREES),
)

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
INDEX: dict[str, int] = {name: index for index, name in enumerate(NAMES)}
