"""Where the models are kept, how they come there, and what is said where they are not."""

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from md2n.errors import DataError, StorageError, UsageError
from md2n.extraction.vision import models
from md2n.extraction.vision.models import check_models, get_models, model_folder

CONTENTS = {models.DETECTOR.file: b"a detector", models.LANDMARKS.file: b"landmarks"}


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> tuple[models.Model, ...]:
    """The two models with other contents, small ones, and their checksums."""
    made = tuple(replace(m, sha256=hashlib.sha256(CONTENTS[m.file]).hexdigest()) for m in models.MODELS)
    monkeypatch.setattr(models, "MODELS", made)
    return made


class Pip:
    """In place of a process: writes a wheel, or fails with what pip would say."""

    def __init__(self, contents: dict[str, bytes] | None = None, said: str = "") -> None:
        self.contents, self.said = contents, said
        self.calls: list[list[str]] = []

    def __call__(self, called: list[str], **_: Any) -> "subprocess.CompletedProcess[bytes]":
        self.calls.append(called)
        if self.contents is not None:
            into = Path(called[called.index("--dest") + 1])
            with zipfile.ZipFile(into / "mediapipe-0.10.21-any.whl", "w") as wheel:
                for name, content in self.contents.items():
                    wheel.writestr(name, content)
        return subprocess.CompletedProcess(called, int(self.contents is None), b"", self.said.encode())


def pip(monkeypatch: pytest.MonkeyPatch, made: Pip) -> Pip:
    monkeypatch.setattr(models.subprocess, "run", made)
    return made


def wheel_of(pinned: tuple[models.Model, ...]) -> dict[str, bytes]:
    return {m.inside: CONTENTS[m.file] for m in pinned}


def test_the_folder_is_the_one_that_the_person_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("MD2N_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(models.Path, "home", lambda: tmp_path / "home")
    assert model_folder() == tmp_path / "home" / ".cache" / "md2n" / "faces"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert model_folder() == tmp_path / "xdg" / "md2n" / "faces"
    monkeypatch.setenv("MD2N_CACHE", str(tmp_path / "own"))
    assert model_folder() == tmp_path / "own" / "faces"


def test_absent_models_are_named_with_the_command_that_gets_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MD2N_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"face_detection_short_range\.tflite is not in .*faces") as caught:
        check_models()
    assert "md2n extract --get-models" in caught.value.hint


def test_another_file_under_the_model_s_name_is_refused(tmp_path: Path) -> None:
    for name, content in CONTENTS.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"face_detection_short_range\.tflite is not the model that geoAU@1"):
        check_models(tmp_path)


def test_models_come_out_of_the_wheel_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pinned: tuple[models.Model, ...]
) -> None:
    monkeypatch.setenv("MD2N_CACHE", str(tmp_path / "a cache, schön"))
    ran = pip(monkeypatch, Pip(wheel_of(pinned) | {"mediapipe/other.tflite": b"x"}))
    folder = get_models()
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == CONTENTS
    assert ran.calls[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert "mediapipe==0.10.21" in ran.calls[0] and "--no-deps" in ran.calls[0]
    assert get_models() == check_models() == folder and len(ran.calls) == 1


def test_a_damaged_model_is_fetched_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pinned: tuple[models.Model, ...]
) -> None:
    pip(monkeypatch, Pip(wheel_of(pinned)))
    get_models(tmp_path)
    (tmp_path / pinned[1].file).write_bytes(b"half")
    get_models(tmp_path)
    assert (tmp_path / pinned[1].file).read_bytes() == CONTENTS[pinned[1].file]


def test_what_pip_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pip(monkeypatch, Pip(None, "WARNING: retrying\nERROR: No matching distribution found\n[notice] a new pip"))
    with pytest.raises(DataError, match=r"could not fetch mediapipe==0\.10\.21: ERROR: No matching") as told:
        get_models(tmp_path / "models")
    assert "face_landmark.tflite" in told.value.hint


@pytest.mark.parametrize("broken", ["absent", "other"])
def test_a_wheel_without_the_pinned_models_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pinned: tuple[models.Model, ...], broken: str
) -> None:
    contents = wheel_of(pinned)
    if broken == "absent":
        del contents[pinned[1].inside]
    else:
        contents[pinned[1].inside] = b"something else"
    pip(monkeypatch, Pip(contents))
    said = "does not hold the face models" if broken == "absent" else "is not the one that was pinned"
    with pytest.raises(DataError, match=said):
        get_models(tmp_path / "models")
    assert not list((tmp_path / "models").iterdir())


def test_a_cache_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot write"):
        get_models(tmp_path / "file" / "models")
