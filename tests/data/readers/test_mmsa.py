"""The MMSA layout: what counts as a frame, which labels, which errors."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from md2n.data.readers.mmsa import read_mmsa
from md2n.data.ready import data_root
from md2n.errors import DataError, UnsafeFileError, UsageError

ROOT = data_root()


def part(rng: np.random.Generator, count: int, start: int = 0, unaligned: bool = True) -> dict:
    mask = np.zeros((count, 3, 6), np.float32)
    for i in range(count):
        mask[i, 1, : 2 + i % 5] = 1
    made = {
        "text": rng.normal(size=(count, 6, 4)).astype(np.float32),
        "text_bert": mask,
        "audio": rng.normal(size=(count, 8, 3)),
        "vision": rng.normal(size=(count, 5, 2)).astype(np.float32),
        "id": [f"vid{(start + i) // 2}$_${i}" for i in range(count)],
        "raw_text": ["words"] * count,
        "annotations": [("Negative", "Neutral", "Positive")[i % 3] for i in range(count)],
        "classification_labels": np.arange(count, dtype=np.float32) % 3,
        "regression_labels": rng.uniform(-3, 3, count).astype(np.float32),
    }
    if unaligned:
        made["audio_lengths"] = [1 + i % 8 for i in range(count)]
        made["vision_lengths"] = np.full(count, 5)
    return made


def content(unaligned: bool = True) -> dict:
    rng = np.random.default_rng(3)
    return {s: part(rng, n, start, unaligned) for s, n, start in (("train", 9, 0), ("valid", 4, 100), ("test", 5, 200))}


def save(tmp_path: Path, data: object) -> Path:
    path = tmp_path / "set.pkl"
    path.write_bytes(pickle.dumps(data))
    return path


def test_everything_arrives_in_its_place(tmp_path):
    data = content()
    samples = read_mmsa(save(tmp_path, data), known="mosi")
    assert samples.name == "set"
    assert samples.names == ("text", "audio", "vision")
    assert samples.split.tolist() == [0] * 9 + [1] * 4 + [2] * 5
    assert samples.ids[0] == "vid0$_$0"
    assert samples.groups["video"][9:11].tolist() == ["vid50", "vid50"]
    assert samples.default_label == "regression_labels"
    task = samples.label().task
    assert (task.kind, task.low, task.high, task.sentiment) == ("regression", -3, 3, True)
    assert np.array_equal(samples.label().values[:9], data["train"]["regression_labels"])
    classes = samples.label("classification_labels")
    assert classes.task.classes == ("Negative", "Neutral", "Positive")
    assert classes.values[9:13].tolist() == [0, 1, 2, 0]
    assert samples.source["left_out"] == ["annotations", "raw_text", "text_bert"]
    assert samples.source["files"][0]["name"] == "set.pkl"
    assert np.array_equal(samples.modalities["audio"].sample(10), data["valid"]["audio"][1, :2].astype(np.float32))


def test_lengths_and_attention_say_which_frames_are_real(tmp_path):
    samples = read_mmsa(save(tmp_path, content()), known="")
    assert samples.modalities["text"].lengths[:9].tolist() == [2 + i % 5 for i in range(9)]
    assert samples.modalities["audio"].lengths[:9].tolist() == [1 + i % 8 for i in range(9)]
    assert samples.modalities["vision"].lengths.tolist() == [5] * 18


def test_lengths_beyond_the_frames_are_cut_and_told(tmp_path):
    data = content()
    data["valid"]["audio_lengths"] = [9, 8, 400, 1]
    samples = read_mmsa(save(tmp_path, data), known="")
    assert samples.modalities["audio"].lengths[9:13].tolist() == [8, 8, 8, 1]
    assert samples.source["cut_lengths"] == {"audio": 2}
    assert "valid/audio: 2 lengths exceed the 8 frames there are; cut to them" in samples.notes


def test_zeros_inside_a_length_are_data_and_a_length_of_zero_is_absence(tmp_path):
    data = content()
    data["train"]["vision"][0] = 0
    data["train"]["audio_lengths"][1] = 0
    samples = read_mmsa(save(tmp_path, data), known="")
    assert samples.modalities["vision"].valid[:5].all()
    assert samples.present[1].tolist() == [True, False, True]


def test_without_lengths_outer_zeros_are_padding(tmp_path):
    data = content(unaligned=False)
    audio = data["train"]["audio"]
    audio[0, :3] = 0  # padded in front, as MulT does
    audio[1, 6:] = 0  # padded behind
    audio[2, 4] = 0  # a frame of silence between others
    audio[3] = 0
    samples = read_mmsa(save(tmp_path, data), known="")
    ragged = samples.modalities["audio"]
    assert ragged.lengths[:4].tolist() == [5, 6, 8, 0]
    assert np.array_equal(ragged.sample(0), audio[0, 3:].astype(np.float32))
    assert ragged.valid[: ragged.offsets[3]].all()
    assert not samples.present[3, 1]
    assert "train/audio: 1 samples are zeros alone and count as absent" in samples.notes


def test_nan_and_infinity_are_counted_and_never_zeros(tmp_path):
    data = content()
    data["train"]["vision"][0, 2, 1] = np.nan
    data["train"]["vision"][1, 0] = [np.inf, -np.inf]
    data["test"]["vision"][0, 3] = np.nan
    data["train"]["audio"][0, 7] = np.nan  # beyond its length of 1: padding, no news
    samples = read_mmsa(save(tmp_path, data), known="")
    assert samples.modalities["vision"].valid[:5].tolist() == [True] * 5
    assert samples.modalities["vision"].known()[2].tolist() == [True, False]
    assert samples.present[1, 2]  # of its first frame nothing is known, of others all is
    assert samples.source["nonfinite"] == {"vision": {"nan": 1, "infinite": 2, "frames": 2, "empty": 1}}
    note = next(n for n in samples.notes if n.startswith("vision"))
    assert "1 NaN and 2 infinite values in 2 frames are unknown" in note
    assert "1 frames hold NaN alone" in note


def test_numbers_beyond_float32_are_infinities(tmp_path):
    data = content()
    data["train"]["audio"][0, 0, 0] = 1e300
    samples = read_mmsa(save(tmp_path, data), known="")
    assert samples.source["nonfinite"]["audio"]["infinite"] == 1
    assert not samples.modalities["audio"].known()[0, 0]
    assert samples.modalities["audio"].known()[0, 1:].all()


def test_ch_sims_keeps_the_labels_of_each_modality(tmp_path):
    data = content()
    for p in data.values():
        for k in "TAV":
            p[f"regression_labels_{k}"] = np.clip(p["regression_labels"] / 3, -1, 1)
    samples = read_mmsa(save(tmp_path, data), known="ch-sims", label="regression_labels_A")
    assert set(samples.labels) == {
        "regression_labels",
        "regression_labels_T",
        "regression_labels_A",
        "regression_labels_V",
        "classification_labels",
    }
    assert samples.label().task.label == "regression_labels_A"
    assert samples.label().task.high == 1


def test_mult_layout_labels_and_ids(tmp_path):
    data = content(unaligned=False)
    for p in data.values():
        p["labels"] = p.pop("regression_labels")[:, None, None]
        p["id"] = np.array([[b"abc", b"0.1", b"%d" % i] for i in range(len(p["labels"]))])
        del p["classification_labels"], p["text_bert"]
    samples = read_mmsa(save(tmp_path, data), known="mosei")
    assert samples.default_label == "labels"
    assert samples.ids[1] == "abc_0.1_1"


def test_mult_iemocap_is_four_binary_emotions(tmp_path):
    data = content(unaligned=False)
    rng = np.random.default_rng(0)
    for p in data.values():
        count = len(p.pop("regression_labels"))
        p["labels"] = np.eye(2)[rng.integers(0, 2, (count, 4))]
        del p["classification_labels"]
    samples = read_mmsa(save(tmp_path, data), known="iemocap")
    assert list(samples.labels) == ["neutral", "happy", "sad", "angry"]
    assert samples.label("sad").task.classes == ("no", "yes")
    assert np.array_equal(samples.label("sad").values[:9], data["train"]["labels"][:, 2, 1])


def test_text_bert_alone_is_features_only_if_it_is_no_token_ids(tmp_path):
    data = content()
    for p in data.values():
        p["text_bert"] = p.pop("text")
    assert read_mmsa(save(tmp_path, data), known="").modalities["text"].dim == 4
    data = content()
    for p in data.values():
        del p["text"]
    assert read_mmsa(save(tmp_path, data), known="").names == ("audio", "vision")


def without(data: dict, *keys: str) -> dict:
    return {s: {k: v for k, v in p.items() if k not in keys} for s, p in data.items()}


def broken(change) -> dict:
    data = content()
    change(data)
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2], "holds a list, not a dictionary of splits"),
        ({"audio": 1, "text": 2}, "has no split train, valid or test; it holds audio, text"),
        ({"train": [1]}, "split 'train' is a list"),
        (broken(lambda d: d["test"].pop("audio")), "split 'test' has no audio"),
        (broken(lambda d: d["test"].update(audio=d["test"]["audio"][:, :, :2])), "audio differs between splits.*2, 3"),
        (broken(lambda d: d["train"].update(audio=d["train"]["audio"][:7])), "train/audio has 7 samples.*9 ids"),
        (broken(lambda d: d["train"].update(audio=np.zeros(9))), r"train/audio has shape \(9,\)"),
        (broken(lambda d: d["train"].update(audio=["x"] * 9)), "train/audio holds values of dtype <U1"),
        (broken(lambda d: d["train"].update(audio_lengths=[1])), "1 lengths for 9 samples"),
        (broken(lambda d: d["train"].update(audio_lengths=[-1] * 9)), "a length is -1"),
        (broken(lambda d: d["train"].update(regression_labels=np.zeros(8))), "8 labels for 9 samples"),
        (broken(lambda d: d["train"].update(regression_labels=np.zeros((9, 2)))), "regression_labels has shapes"),
        (
            broken(lambda d: [p["vision"].fill(np.nan) for p in d.values()]),
            "'vision' holds no usable number.*NaN alone",
        ),
        (
            broken(lambda d: [p.update(vision_lengths=[0] * len(p["id"])) for p in d.values()]),
            "modality 'vision' is in no sample",
        ),
        (without(content(), "text", "audio", "vision"), "holds no modality"),
    ],
)
def test_errors_name_what_is_wrong(tmp_path, data, message):
    with pytest.raises(DataError, match=message):
        read_mmsa(save(tmp_path, data), known="")


def test_a_sample_without_any_modality_is_refused_or_left_out(tmp_path):
    data = without(content(), "text", "text_bert")
    data["train"]["audio_lengths"][2] = data["train"]["vision_lengths"][2] = 0
    path = save(tmp_path, data)
    with pytest.raises(DataError, match=r"1 of 18 samples have no modality at all \(vid1\$_\$2\)\n.*--drop-empty"):
        read_mmsa(path, known="")
    samples = read_mmsa(path, known="", drop_empty=True)
    assert len(samples) == 17
    assert "vid1$_$2" not in samples.ids
    assert "1 samples without any modality were left out" in samples.notes


def test_names_that_do_not_exist(tmp_path):
    path = save(tmp_path, content())
    with pytest.raises(UsageError, match=r"no known data set is called 'mosl'\n  next: did you mean 'mosi'"):
        read_mmsa(path, known="mosl")
    with pytest.raises(UsageError, match=r"no label column 'regression'.*\n.*did you mean 'regression_labels'"):
        read_mmsa(path, label="regression")


def test_a_hostile_file_is_refused_through_the_reader(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"cposix\nsystem\n(S'touch canary'\ntR.")
    with pytest.raises(UnsafeFileError, match=r"posix\.system"):
        read_mmsa(path)


@pytest.mark.skipif(ROOT is None, reason="the shared data are not here (MD2N_DATA_ROOT)")
def test_the_real_file():
    samples = read_mmsa(ROOT / "mosi" / "mmsa_layout_unaligned.pkl")
    assert [len(samples.rows(s)) for s in ("train", "valid", "test")] == [1284, 229, 686]
    assert samples.source["schema"] == "mosi"
    assert "recognised as CMU-MOSI by its split sizes" in samples.notes
    assert {m.name: (m.dim, m.length) for m in samples.schema().modalities} == {
        "text": (64, 50),
        "audio": (73, 1),
        "vision": (100, 1),
    }
    assert len(set(samples.groups["video"])) == 93
    assert samples.label("classification_labels").task.classes == ("Negative", "Neutral", "Positive")
    # 2 = start and end token and nothing between cannot be: every segment has words
    assert samples.modalities["text"].lengths.min() >= 3


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("id", 5, r"train/id is a single int"),
        ("id", "abc", r"train/id is a single str"),
        ("regression_labels", 1.5, r"train/regression_labels is a single value"),
        ("regression_labels", [10**400] * 2, r"train/regression_labels holds objects, not numbers"),
        ("text_bert", [[1], [1, 2]], r"train/text_bert is ragged"),
        ("text", None, r"has no text"),
        ("audio", 3, r"train/audio has shape \(\)"),
        ("audio_lengths", {"a": 1}, r"train/audio_lengths holds"),
    ],
)
def test_a_value_of_another_kind_is_named_with_file_and_key(tmp_path, key, value, message):
    one = {
        "text": np.ones((2, 3, 4)),
        "text_bert": np.ones((2, 3, 3)),
        "audio": np.ones((2, 3, 4)),
        "vision": np.ones((2, 3, 4)),
        "id": ["a", "b"],
        "regression_labels": [0.5, 1.0],
        "classification_labels": [0, 1],
        "annotations": None,
    }
    parts = {split: dict(one, id=[f"{split}{i}" for i in range(2)]) for split in ("train", "valid", "test")}
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(parts))
    assert len(read_mmsa(tmp_path / "m.pkl")) == 6
    parts["train"][key] = value
    if value is None:
        del parts["train"]["text_bert"]
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(parts))
    with pytest.raises(DataError, match=message) as caught:
        read_mmsa(tmp_path / "m.pkl")
    assert "m.pkl'" in caught.value.message
