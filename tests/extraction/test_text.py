"""States of words, of a tiny BERT that is made here."""

from pathlib import Path

import numpy as np
import pytest
import torch

from md2n.errors import DataError
from md2n.extraction.base import Clip, ModalityAbsentError, Word
from md2n.extraction.text import BertText, windows

transformers = pytest.importorskip("transformers", reason="transformers (extra 'text') is not installed")

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "set", "white", "with", "two", "soon", "##er", "un"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bert") / "tiny"
    path.mkdir()
    (path / "vocab.txt").write_text("\n".join(VOCABULARY))
    transformers.BertTokenizerFast(vocab={w: i for i, w in enumerate(VOCABULARY)}).save_pretrained(path)
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def tiny(folder: Path) -> BertText:
    return BertText(folder)


def test_a_word_is_the_mean_of_its_pieces(tiny: BertText, folder: Path) -> None:
    track = tiny.extract(Clip("one", None, "set sooner two"))
    model = transformers.BertModel.from_pretrained(folder).eval()
    ids = torch.tensor([[2, 5, 9, 10, 8, 3]])  # [CLS] set soon ##er two [SEP]
    with torch.inference_mode():
        states = model(input_ids=ids).last_hidden_state[0].numpy()
    expected = np.stack([states[1], states[2:4].mean(axis=0), states[4]])
    np.testing.assert_allclose(track.values, expected, atol=1e-6)
    assert track.valid.all() and np.isnan(track.intervals_s).all()
    assert tiny.columns == tuple(f"state_{i}" for i in range(8)) and tiny.name == "bert:tiny"


def test_words_in_time_come_before_the_transcript(tiny: BertText) -> None:
    clip = Clip("one", None, "something else", (Word("set", 0.5, 0.7), Word("two", 0.7, 1.0)))
    track = tiny.extract(clip)
    np.testing.assert_array_equal(track.intervals_s, [[0.5, 0.7], [0.7, 1.0]])
    np.testing.assert_array_equal(track.values, tiny.extract(Clip("two", None, "set two")).values)


def test_a_long_transcript_is_read_in_windows_with_both_sides_in_view(tiny: BertText) -> None:
    words = ["set", "white", "with", "two", "soon"] * 40
    values, valid = tiny.states(words)
    assert valid.all()
    # A word in the middle is read in one window: what stands far away does not matter, what stands near does.
    far, near = list(words), list(words)
    far[0], near[98] = "un", "un"
    np.testing.assert_array_equal(tiny.states(far)[0][100], values[100])
    assert float(np.abs(tiny.states(near)[0][100] - values[100]).max()) > 1e-5  # rounding is at 1e-7


@pytest.mark.parametrize(("count", "size"), [(1, 4), (4, 4), (5, 4), (10, 4), (100, 30), (10_000, 510), (7, 1)])
def test_windows_keep_every_piece_once_and_never_at_an_edge_inside_the_text(count: int, size: int) -> None:
    kept = []
    for start, (low, high), stop in windows(count, size):
        assert stop - start <= size and start <= low < high <= stop
        assert high == count or size < 4 or stop - high >= size // 4
        assert low == 0 or size < 4 or low - start >= size // 4
        kept += range(low, high)
    assert kept == list(range(count))


def test_nothing_said_is_nothing_there(tiny: BertText) -> None:
    for said in (None, "", "  \n"):
        with pytest.raises(ModalityAbsentError, match="clip 'one' has no transcript"):
            tiny.extract(Clip("one", None, said))


def test_what_is_no_word_for_the_alignment_is_none_here(tiny: BertText) -> None:
    clip = Clip("one", None, "set [laughter] white \u2014 two sp")
    assert len(tiny.extract(clip).values) == 3
    with pytest.raises(ModalityAbsentError, match="clip 'one' has no transcript"):
        tiny.extract(Clip("one", None, "[noise] ..."))


def test_a_word_without_any_piece_is_invalid(tiny: BertText) -> None:
    values, valid = tiny.states(["set", "\u200b", "two"])
    assert valid.tolist() == [True, False, True]
    assert not values[1].any()


def test_the_fingerprint_is_of_the_weights(tiny: BertText, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "tiny"
    other.mkdir()
    for path in folder.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    assert BertText(other).fingerprint == tiny.fingerprint
    assert "@2 " in tiny.fingerprint
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    assert BertText(other).fingerprint != tiny.fingerprint


def test_a_folder_without_a_model_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no model of the BERT family"):
        BertText(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(DataError, match="cannot be loaded"):
        BertText(tmp_path).prepare()
