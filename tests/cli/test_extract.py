"""``md2n extract`` as a person types it: files made here, front ends that need no package, every kind of bad input."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from md2n.data.store import open_store
from md2n.extraction import front_ends
from md2n.extraction.pipeline import piece_folder
from md2n.registry import Registry
from md2n.training.lock import FolderLock
from tests.cli.commands import ask, refused


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Front ends that read bytes in the place of the real ones."""
    for modality, name, target in (("text", "bert", "Letters"), ("audio", "covarep-like", "Bytes")):
        entries = {name: f"tests.extraction.pretended:{target}"}
        monkeypatch.setitem(front_ends.FRONT_ENDS, modality, Registry(f"{modality} front end", entries))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "my clips, ü"
    folder.mkdir()
    for name, content in (("a b", b"abcdefgh"), ("ö", b"abcd"), ("broken", b"!abc"), ("empty", b"")):
        (folder / f"{name}.bin").write_bytes(content)
    (folder / "labels.csv").write_text(
        "file,label,transcript,split,speaker\n"
        "a b.bin,x,set white,train,s1\n"
        "ö.bin,y,,test,s2\n"
        "broken.bin,x,blue,train,s1\n"
        "empty.bin,x,,train,s1\n"
        "absent.bin,y,so soon,valid,s1\n"
        "twice.bin,x,,train,s1\n"
        "twice.bin,y,,train,s1\n",
        encoding="utf-8",
    )
    return folder


@pytest.mark.usefixtures("pretended")
def test_what_is_wrong_is_named_and_listed_and_the_rest_goes_on(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "store"
    said = ask(capsys, "extract", clips, "--out", out, "--vision", "none", "--workers", 2, "--pictures", 0)
    assert said.code == 0, said.err
    assert said.out == f"{out}\n"
    for told in (
        "text (letters@1): 3 extracted, 2 absent, 0 failed; 5 anew",
        "audio (bytes@1): 2 extracted, 1 absent, 2 failed; 5 anew",
        "broken: audio failed: clip 'broken' cannot be read",
        "ö: text absent: clip 'ö' has no transcript",
        f"absent: audio failed: there is no file {clips / 'absent.bin'}",
        "empty was left out: clip 'empty' has no transcript; clip 'empty' is empty",
        "twice was left out: id 'twice' is that of lines 7, 8 of",
        "4 clips in the store, 2 left out",
        f"next: md2n data check {out}",
    ):
        assert told in said.err, said.err
    found = open_store(out)
    assert list(found.ids) == ["a b", "ö", "broken", "absent"]
    assert found.present.tolist() == [[True, True], [False, True], [True, False], [True, False]]
    assert found.default_label == "label" and list(found.groups["speaker"]) == ["s1", "s2", "s1", "s1"]
    beside = tmp_path / "store.extraction"
    assert {p.name for p in beside.iterdir()} == {"extraction.html", "summary.csv", "summary.json"}
    told = json.loads((beside / "summary.json").read_text(encoding="utf-8"))
    assert told["counts"]["audio"]["failed"] == 2 and set(told["left_out"]) == {"empty", "twice"}
    again = ask(capsys, "extract", clips, "--out", out, "--vision", "none", "--pictures", 0, "--quiet")
    assert "0 failed; 0 anew" in again.err and "audio (bytes@1): 2 extracted, 1 absent, 2 failed; 2 anew" in again.err
    assert ask(capsys, "data", "check", out).code in (0, 3)


@pytest.mark.usefixtures("pretended")
def test_a_column_out_of_file_names_can_be_the_label(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clips / "labels.csv").unlink()
    (clips / "manifest.csv").write_text("file,transcript\na b.bin,set white\nö.bin,blue\n", encoding="utf-8")
    options = ("--column", "first=^(.)", "--label", "first", "--text", "none", "--vision", "none", "--pictures", 0)
    said = ask(capsys, "extract", clips, "--out", tmp_path / "store", "--name", "named", "--align", "0.2", *options)
    assert said.code == 0, said.err
    assert "note: no column 'split': made 70/15/15 %" in said.err
    found = open_store(tmp_path / "store")
    assert found.name == "named" and found.label("first").task.classes == ("a", "ö")
    assert found.modalities["audio"].lengths.tolist() == [1, 1] and found.source["align"] == 0.2


@pytest.mark.usefixtures("pretended")
@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--text", "none", "--audio", "none", "--vision", "none"), 2, "there is nothing to extract"),
        (("--audio", "covarep"), 2, "did you mean 'covarep-like'?"),
        (("--audio", "covarep-like:folder"), 2, "is no audio front end"),
        (("--text", "brt"), 2, "did you mean 'bert'?"),
        (("--label", "lable"), 2, "did you mean 'label'?"),
        (("--group", "speeker"), 2, "did you mean 'speaker'?"),
        (("--labels", "nowhere.csv"), 3, "nowhere.csv"),
        (("--align", "wrod"), 2, "did you mean 'word'?"),
        (("--align", "-1"), 2, "'-1.0' is nothing to align to"),
        (("--column", "speaker"), 2, "is not NAME=VALUE"),
        (("--check", "a c"), 2, "did you mean 'a b'?"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    options: tuple[str, ...], code: int, said: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / ("p.png" if "--check" in options else "store")
    given = [*options, *(() if "--vision" in options else ("--vision", "none"))]
    answer = ask(capsys, "extract", clips, "--out", out, *given)
    assert answer.code == code and said in answer.err and not answer.out
    assert not out.exists()


def test_what_is_not_given_is_asked_for(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, 2, "the folder of the clips is not given", "extract")
    refused(capsys, 2, "--out is not given", "extract", clips)
    refused(capsys, 3, "there is no folder", "extract", tmp_path / "none", "--out", tmp_path / "store")


@pytest.mark.usefixtures("pretended")
def test_a_place_that_is_taken_is_refused_before_the_work(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "store"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    said = ask(capsys, "extract", clips, "--out", out, "--vision", "none")
    assert said.code == 3 and "exists and is not a store" in said.err
    assert not piece_folder(out).exists()
    other = tmp_path / "other"
    piece_folder(other).mkdir()
    with FolderLock(piece_folder(other) / "lock", "extracting into"):
        said = ask(capsys, "extract", clips, "--out", other, "--vision", "none")
    assert said.code == 5 and "is extracting into" in said.err


def test_one_clip_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib (extra 'plot') is not installed")
    pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")
    clips = tmp_path / "clips"
    clips.mkdir()
    noise = np.random.default_rng(0).normal(0, 0.1, 4_000).astype(np.float32)
    wavfile.write(clips / "a b.wav", 8_000, noise)
    picture = tmp_path / "new" / "a b.png"
    said = ask(capsys, "extract", clips, "--check", "a b", "--out", picture, "--text", "none", "--vision", "none")
    assert said.code == 0, said.err
    assert picture.read_bytes().startswith(b"\x89PNG") and said.out == f"{picture}\n"
    refused_name = ask(
        capsys, "extract", clips, "--check", "a b", "--out", tmp_path / "x", "--text", "none", "--vision", "none"
    )
    assert refused_name.code == 2 and "is no .png" in refused_name.err


def test_sounds_become_a_store_and_the_page_shows_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")
    clips = tmp_path / "clips"
    clips.mkdir()
    rng = np.random.default_rng(0)
    for name, seconds in (("a b", 0.3), ("ö", 0.2)):
        wavfile.write(clips / f"{name}.wav", 8_000, rng.normal(0, 0.1, int(8_000 * seconds)).astype(np.float32))
    (clips / "broken.wav").write_bytes(b"no sound at all")
    (clips / "empty.wav").write_bytes(b"")
    said = ask(capsys, "extract", clips, "--out", tmp_path / "store", "--text", "none", "--vision", "none")
    assert said.code == 0, said.err
    assert "audio (covarep-like@1): 2 extracted, 0 absent, 2 failed; 4 anew" in said.err
    assert "broken: audio failed:" in said.err and "cannot be read as a video or sound file" in said.err
    assert open_store(tmp_path / "store").modalities["audio"].values.shape == (30 + 20, 74)
    page = (tmp_path / "store.extraction" / "extraction.html").read_text(encoding="utf-8")
    assert "empty.wav is empty" in page
    assert page.count("data:image/png") == (2 if importlib.util.find_spec("matplotlib") else 0)
