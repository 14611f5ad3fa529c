"""``md2n extract`` as a person types it, with sounds made here."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from md2n.data.store import open_store
from tests.cli.asking import ask

pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "my clips, ü"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, seconds in (("a b", 0.3), ("ö", 0.2)):
        wavfile.write(folder / f"{name}.wav", 8_000, rng.normal(0, 0.1, int(8_000 * seconds)).astype(np.float32))
    (folder / "broken.wav").write_bytes(b"no sound at all")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "labels.csv").write_text(
        "file,label,split\na b.wav,x,train\nö.wav,y,test\nbroken.wav,x,train\nempty.wav,y,\n", encoding="utf-8"
    )
    return folder


def test_clips_become_a_store_and_the_broken_ones_are_listed(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = ask(capsys, "extract", str(clips), "--out", str(tmp_path / "store"), "--text", "none")
    assert said.code == 0, said.err
    assert "audio (covarep-like@1): 2 extracted, 0 absent, 2 failed; 4 anew" in said.err
    assert "broken has no audio:" in said.err and "cannot be read as a video or sound file" in said.err
    assert "2 of 4 clips have nothing at all and were left out" in said.err
    found = open_store(tmp_path / "store")
    assert list(found.ids) == ["a b", "ö"] and found.modalities["audio"].values.shape == (30 + 20, 74)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--text", "none", "--audio", "none"), 2, "there is nothing to extract"),
        (("--text", "none", "--audio", "covarep"), 2, "did you mean 'covarep-like'?"),
        (("--text", "brt"), 2, "did you mean 'bert'?"),
        (("--text", "bert:nowhere"), 3, "holds no model of the BERT family"),
        (("--text", "none", "--label", "lable"), 2, "did you mean 'label'?"),
        (("--text", "none", "--labels", "nowhere.csv"), 3, "nowhere.csv"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    options: tuple[str, ...], code: int, said: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ask(capsys, "extract", str(clips), "--out", str(tmp_path / "store"), *options)
    assert answer.code == code and said in answer.err
    assert not (tmp_path / "store").exists()
