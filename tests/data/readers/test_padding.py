"""Zeros at the ends of sequences: what lengths beside them are worth, and what becomes of them in every reader."""

import numpy as np
import pytest

from md2n.data.readers.mmsa import read_mmsa
from md2n.data.readers.padding import agreement, between_ends, drop_frames, role_of_zeros, zero_ends
from md2n.data.samples import Ragged
from tests.data.readers.test_mmsa import save

TIME, DIM = 10, 4


def cube(starts: list[int], lengths: list[int]) -> np.ndarray:
    """``[N, TIME, DIM]`` of numbers that are not zero from a start on, for some frames; zeros elsewhere."""
    content = np.zeros((len(starts), TIME, DIM))
    for i, (start, length) in enumerate(zip(starts, lengths)):
        content[i, start : start + length] = np.random.default_rng(i).uniform(1, 2, (length, DIM))
    return content


def claims(lengths: list[int]) -> np.ndarray:
    return np.arange(TIME)[None, :] < np.asarray(lengths)[:, None]


def frames(valid: np.ndarray) -> list[list[int]]:
    return [np.flatnonzero(v).tolist() for v in valid]


LENGTHS = [3, 7, 10, 5]


@pytest.mark.parametrize(
    ("starts", "claimed", "front", "wrong"),
    [
        ([0, 0, 0, 0], LENGTHS, 0, 0),
        ([7, 3, 0, 5], LENGTHS, 3, 0),
        ([4, 1, 0, 2], LENGTHS, 0, 0),  # in the middle: as many as were claimed
        ([7, 3, 0, 5], [2, 6, 10, 4], 0, 3),
        ([0, 0, 0, 0], [2, 6, 9, 4], 0, 4),
        ([7, 3, 0, 5], [0, 0, 0, 0], 0, 4),
    ],
    ids=["behind", "in front", "both", "wrong in front", "wrong behind", "all zero"],
)
def test_lengths_are_believed_where_the_array_agrees(starts, claimed, front, wrong):
    agreed = agreement(cube(starts, LENGTHS), claims(claimed))
    assert frames(agreed.valid) == [list(range(s, s + n)) for s, n in zip(starts, LENGTHS)]
    assert (agreed.front, agreed.wrong, agreed.other) == (front, wrong, 0)


def test_zeros_inside_a_length_stay_wherever_the_padding_is():
    array = cube([7, 3, 0, 5], LENGTHS)
    array[1, 3] = array[1, 5] = array[3, 9] = 0  # first, between, last
    assert frames(agreement(array, claims(LENGTHS)).valid) == [
        [7, 8, 9],
        [*range(3, 10)],
        [*range(10)],
        [*range(5, 10)],
    ]
    behind = cube([0, 0, 0, 0], LENGTHS)
    behind[1, 0] = behind[1, 4] = behind[3, 4] = 0
    assert frames(agreement(behind, claims(LENGTHS)).valid) == [[*range(n)] for n in LENGTHS]


def test_a_sample_that_fits_both_ways_follows_the_others():
    array = cube([7, 3, 0, 4], [3, 7, 10, 2])
    assert frames(agreement(array, claims([3, 7, 10, 8])).valid)[3] == list(range(2, 10))
    array = cube([0, 0, 0, 4], [3, 7, 10, 2])
    assert frames(agreement(array, claims([3, 7, 10, 8])).valid)[3] == list(range(8))


def test_a_length_of_zero_is_absence_where_nothing_is_there():
    agreed = agreement(cube([0, 0, 0], [3, 0, 0]), claims([3, 0, 4]))
    assert frames(agreed.valid) == [[0, 1, 2], [], [0, 1, 2, 3]]
    assert (agreed.front, agreed.wrong) == (0, 0)


def test_impossible_lengths_leave_it_to_the_zeros():
    agreed = agreement(cube([7, 0], [3, 4]), claims([12, 4]), np.array([True, False]))
    assert frames(agreed.valid) == [[7, 8, 9], [0, 1, 2, 3]]


def test_padding_that_is_not_zeros_is_left_to_the_lengths():
    array = np.random.default_rng(0).normal(size=(4, TIME, DIM))
    agreed = agreement(array, claims(LENGTHS))
    assert frames(agreed.valid) == [list(range(n)) for n in LENGTHS]
    assert (agreed.wrong, agreed.other) == (0, 3)


def test_padding_of_nan_agrees_with_lengths():
    array = cube([0, 0, 0, 0], LENGTHS)
    for i, n in enumerate(LENGTHS):
        array[i, n:] = np.nan
    agreed = agreement(array, claims(LENGTHS))
    assert frames(agreed.valid) == [list(range(n)) for n in LENGTHS]
    assert (agreed.front, agreed.wrong, agreed.other) == (0, 0, 0)


@pytest.mark.parametrize("length", [1, 3])
def test_a_vector_is_real_unless_its_length_is_zero(length):
    vectors = np.array([[[1.0, 2]], [[0, 0]], [[0, 0]]])
    claimed = np.arange(1)[None, :] < np.array([length, length, 0])[:, None]
    agreed = agreement(vectors, claimed, np.array([length, length, 0]) > 1)
    assert agreed.valid.tolist() == [[True], [True], [False]]


def test_what_zeros_are():
    array = cube([0, 0], [4, 10])
    assert role_of_zeros(array, claims([4, 10])) == "padding"
    assert role_of_zeros(array, claims([10, 10])) == "measurement"
    assert role_of_zeros(array[1:], claims([10])) == ""
    inside = array.copy()
    inside[1, 5] = 0
    assert role_of_zeros(inside[1:], claims([10])) == ""
    assert role_of_zeros(np.zeros((2, 1, 3)), np.ones((2, 1), bool)) == ""


def test_ends_of_zeros_are_taken_off_with_what_belongs_to_them():
    values = np.array([[0, 0], [1, 0], [0, 0], [2, 2], [0, 0], [0, 0], [3, 0]], np.float32)
    valid = np.array([1, 1, 1, 1, 1, 1, 0], bool)
    ragged = Ragged(values, np.array([0, 5, 5, 6, 7]), valid)
    ends = zero_ends(ragged)
    assert ends.tolist() == [True, False, False, False, True, True, True]
    less = drop_frames(ragged, ends)
    assert less.offsets.tolist() == [0, 3, 3, 3, 3]
    assert less.values.tolist() == [[1, 0], [0, 0], [2, 2]]
    assert less.present.tolist() == [True, False, False, False]
    assert between_ends(np.array([[0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)).tolist() == [[0, 1, 1, 1, 0], [0] * 5]


# --- through the reader of pickles -----------------------------------------------------------------------------------


def padded(place: str, *, lengths: bool = True, tokens: bool = False) -> dict:
    """Splits of one sequence modality and one vector, padded in a place; lengths are right."""
    counts = {"train": [3, 7, 10, 5], "valid": [4, 6], "test": [2, 9]}
    content = {}
    for split, real in counts.items():
        starts = [{"behind": 0, "front": TIME - n, "both": (TIME - n) // 2}[place] for n in real]
        part = {"text": cube(starts, real), "audio": cube(starts, real), "vision": np.ones((len(real), 1, 2))}
        part["regression_labels"] = np.arange(len(real)) / 2
        if lengths:
            part["audio_lengths"], part["vision_lengths"] = list(real), [1] * len(real)
        if tokens:
            part["text_bert"] = np.repeat(claims(real)[:, None], 3, axis=1).astype(int)
        content[split] = part
    return content


@pytest.mark.parametrize("place", ["behind", "front", "both"])
@pytest.mark.parametrize("lengths", [True, False])
@pytest.mark.parametrize("tokens", [True, False])
def test_a_pickle_gives_the_real_frames_wherever_it_is_padded(tmp_path, place, lengths, tokens):
    data = padded(place, lengths=lengths, tokens=tokens)
    samples = read_mmsa(save(tmp_path, data), known="")
    for name in ("text", "audio"):
        ragged = samples.modalities[name]
        assert ragged.lengths.tolist() == [3, 7, 10, 5, 4, 6, 2, 9]
        real = np.concatenate([p[name][p[name].any(axis=2)] for p in data.values()]).astype(np.float32)
        assert np.array_equal(ragged.values, real)
        assert ragged.valid.all()
    assert samples.modalities["vision"].lengths.tolist() == [1] * 8
    assert samples.source["zeros"] == {"text": "padding", "audio": "padding"}
    notes = [n for n in samples.notes if "padded in front" in n]
    assert len(notes) == (place == "front") * 3 * (lengths + tokens)
    assert sum("the attention rows count from the end" in n for n in notes) == (place == "front") * 3 * tokens


def test_wrong_lengths_are_told(tmp_path):
    data = padded("front")
    data["train"]["audio_lengths"] = [1, 2, 3, 4]
    data["valid"]["audio_lengths"] = [40, 6]
    samples = read_mmsa(save(tmp_path, data), known="")
    assert samples.modalities["audio"].lengths.tolist() == [3, 7, 10, 5, 4, 6, 2, 9]
    assert any(n.startswith("train/audio: 4 lengths contradict the array") for n in samples.notes)
    assert any(n.endswith("cut to them, less frames of zeros alone at the start and end") for n in samples.notes)


def test_lengths_go_by_the_name_of_the_array_too(tmp_path):
    data = padded("behind")
    for part in data.values():
        part["acoustic"], part["acoustic_lengths"] = part.pop("audio"), part.pop("audio_lengths")
    data["train"]["acoustic"][0, 2] = 0  # the last of three: only a length tells it from padding
    samples = read_mmsa(save(tmp_path, data), known="")
    assert samples.modalities["audio"].lengths[0] == 3
    assert "acoustic_lengths" not in samples.source["left_out"]


# --- one clip --------------------------------------------------------------------------------------------------------


def clip(**more) -> dict:
    rng = np.random.default_rng(0)
    return {
        "audio": rng.normal(5, 1, (7, 4)),
        "vision": rng.normal(5, 1, (9, 5)),
        "text": rng.normal(5, 1, (4, 6)),
        "config": {"audio": {}},
        **more,
    }


def test_a_pickle_of_one_clip_is_one_sample_without_split_and_label(tmp_path):
    samples = read_mmsa(save(tmp_path, clip()))
    assert (len(samples), samples.ids.tolist(), samples.split.tolist(), samples.labels) == (1, ["set"], [255], {})
    assert {k: r.lengths.tolist() for k, r in samples.modalities.items()} == {"text": [4], "audio": [7], "vision": [9]}
    assert np.array_equal(samples.modalities["audio"].values, clip()["audio"].astype(np.float32))
    assert samples.source["left_out"] == ["config"]
    assert any(n.startswith("read as one clip") for n in samples.notes)


@pytest.mark.parametrize("tokens", [np.ones((4, 3)), np.ones((3, 4)), [[1, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0]]])
def test_tokens_of_one_clip_are_no_features(tmp_path, tokens):
    samples = read_mmsa(save(tmp_path, clip(text_bert=tokens, id="me", regression_labels=0.5, audio_lengths=7)))
    assert samples.modalities["text"].dim == 6
    assert samples.ids.tolist() == ["me"]
    assert samples.label().values.tolist() == [0.5]
    without_text = clip(text_bert=tokens)
    del without_text["text"]
    assert read_mmsa(save(tmp_path, without_text)).names == ("audio", "vision")


def test_a_clip_of_vectors_and_of_padded_arrays(tmp_path):
    vectors = {k: np.asarray(v)[0] for k, v in clip().items() if k != "config"}
    assert {r.lengths.tolist()[0] for r in read_mmsa(save(tmp_path, vectors)).modalities.values()} == {1}
    front = clip(audio=cube([6], [4])[0], audio_lengths=4)
    assert read_mmsa(save(tmp_path, front)).modalities["audio"].lengths.tolist() == [4]


def test_several_samples_without_splits(tmp_path):
    cubes = {"audio": cube([0, 0], [4, 5]), "vision": np.ones((2, 3, 2))}
    samples = read_mmsa(save(tmp_path, cubes))
    assert (samples.ids.tolist(), samples.split.tolist()) == (["0", "1"], [255, 255])
    named = {"audio": np.ones((2, 4)), "vision": np.ones((2, 3)), "id": ["a", "b"]}
    assert read_mmsa(save(tmp_path, named)).ids.tolist() == ["a", "b"]
    alone = {"test": {"audio": np.ones((2, 4, 3)), "vision": np.ones((2, 3))}}
    assert read_mmsa(save(tmp_path, alone)).split.tolist() == [2, 2]
