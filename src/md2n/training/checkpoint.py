"""Checkpoints: everything a stopped run needs to go on with the same bits, in safetensors and JSON.

``checkpoints/phase00-step00000045/`` holds ``tensors.safetensors`` (names begin with ``weights/``, ``average/`` or
``optimizer/``) and ``state.json``: the counters of training, and the size and sha256 of the former.  The folder is
written beside and renamed, so a kill leaves the previous one as it was.

There is no state of a random generator: every draw comes from a stream named by the run's seed and the step or epoch
(``md2n.seeding``), and those numbers are here.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from md2n.brief import brief
from md2n.durable import BESIDE, encode_json, make_directory, refused, write_directory
from md2n.errors import RunError
from md2n.reading import parse_json, read_bytes, reading
from md2n.shapes import Tensor
from md2n.training.versions import changed_versions, versions
from md2n.training.weights import decode_tensors, encode_tensors, load_parameters, load_weights

FORMAT = 1
LARGEST_BYTES = 1 << 36  # of a checkpoint
NEWEST = 2  # checkpoints that stay, and the best one of each
STATE, TENSORS = "state.json", "tensors.safetensors"


@dataclass(frozen=True)
class Best:
    """The checkpoint that validation prefers so far in a phase.

    Args:
        checkpoint: its name.
        epoch: whole epochs done, over all phases.
        score: of validation, higher is better.
        loss: of validation.
    """

    checkpoint: str
    epoch: int
    score: float
    loss: float


@dataclass
class Progress:
    """The counters of training: how much is done.

    Args:
        phase: index of the phase.
        epoch: whole stretches, over all phases: epochs, or what lies between two validations (``stretches_of``).
        phase_epoch: whole stretches of this phase.
        position: batches of the current stretch.
        step: steps, over all phases; names the random streams.
        phase_step: steps of this phase; fixes the learning rate.
        fitted: whether this phase's closed-form fit is done.
        best: what validation prefers in this phase.
        stale: validations since then.
        sums: of the loss parts over the current epoch's samples.
        samples: of the current epoch.
        log_offset: bytes of ``log.jsonl`` that belong to what is done.
    """

    phase: int = 0
    epoch: int = 0
    phase_epoch: int = 0
    position: int = 0
    step: int = 0
    phase_step: int = 0
    fitted: bool = False
    best: Best | None = None
    stale: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    samples: int = 0
    log_offset: int = 0

    @property
    def name(self) -> str:
        """The name of a checkpoint taken now; names sort in the order of training."""
        return f"phase{self.phase:02d}-step{self.step:08d}"


@dataclass(frozen=True)
class Checkpoint:
    """A moment of training.

    Args:
        progress: its counters.
        weights: the model's whole state, buffers included.
        average: parameters by name, averaged.
        optimizer: AdamW's moments (``optimizer_tensors``).
    """

    progress: Progress
    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]

    __repr__ = brief

    def show(self, model: nn.Module) -> None:
        """Gives the model the averaged weights of this moment, and its buffers."""
        load_weights(model, self.weights)
        load_parameters(model, self.average)


class DamagedCheckpoint(RunError):  # noqa: N818 - it says what it is
    """A checkpoint that is truncated or was altered."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"checkpoint {folder} is damaged: {why}", "restore the file, or remove that checkpoint")


class CheckpointStore:
    """The ``checkpoints`` folder of a run.

    Args:
        folder: need not exist yet.
        notice: receives a sentence when a damaged checkpoint is passed over or another version wrote one.
    """

    def __init__(self, folder: Path, notice: Callable[[str], None]) -> None:
        self.folder = folder
        self.notice = notice

    def names(self) -> list[str]:
        """Names of the checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if p.is_dir() and p.suffix != BESIDE)

    def save(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint and removes those no longer needed.

        Raises:
            StorageError: it cannot be written; the ones before are untouched.
        """
        make_directory(self.folder)
        kinds = {"weights": checkpoint.weights, "average": checkpoint.average, "optimizer": checkpoint.optimizer}
        content = encode_tensors({f"{kind}/{k}": v for kind, tensors in kinds.items() for k, v in tensors.items()})
        facts = {"bytes": len(content), "sha256": _sha(content)}
        body = {"progress": asdict(checkpoint.progress), "tensors": facts, "versions": versions()}
        state = {"format": FORMAT, "sha256": _sha(_canonical(body)), **body}
        # The state last: it has the sha256 of the tensors.
        write_directory(self.folder / checkpoint.progress.name, {TENSORS: content, STATE: encode_json(state)})
        self._prune()

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint; None where there is none at all.

        Raises:
            RunError: another version wrote it, or all are damaged.
        """
        self.tidy()
        names = self.names()
        for name in reversed(names):
            try:
                checkpoint = self.load(name)
            except DamagedCheckpoint as error:
                self.notice(f"{error.message}; trying the one before")
                continue
            if changed := changed_versions(self._state(name).get("versions")):
                self.notice(f"{name} was written under other versions ({changed}): bits may differ from here on")
            return checkpoint
        if names:
            raise RunError(
                f"none of the {len(names)} checkpoints in {self.folder} is whole",
                "remove that folder to train from the beginning",
            )
        return None

    def load(self, name: str) -> Checkpoint:
        """The checkpoint of that name, checked to the byte.

        Raises:
            DamagedCheckpoint: truncated or altered.
            RunError: written in another format.
        """
        state = self._state(name)
        path = self.folder / name / TENSORS
        content = _read(path)
        with reading(path.parent, self._damaged(name)):
            expected = (state["tensors"]["bytes"], state["tensors"]["sha256"])
        if expected != (len(content), _sha(content)):
            raise DamagedCheckpoint(path.parent, f"{TENSORS} is not what was written")
        with reading(path.parent, self._damaged(name)):
            tensors: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}, "optimizer": {}}
            for key, value in decode_tensors(content, path).items():
                kind, _, own = key.partition("/")
                tensors[kind][own] = value
            best = state["progress"].pop("best")
            progress = Progress(**state["progress"], best=Best(**best) if best else None)
            return Checkpoint(progress, **tensors)

    def _damaged(self, name: str) -> Callable[[str, str], DamagedCheckpoint]:
        return lambda message, _: DamagedCheckpoint(self.folder / name, message.rpartition("cannot be read: ")[2])

    def _state(self, name: str) -> dict[str, Any]:
        path = self.folder / name / STATE
        content = _read(path)
        with reading(path, lambda *_: DamagedCheckpoint(path.parent, f"{STATE} is not readable")):
            state = parse_json(content)
            written, checksum = state.pop("format"), state.pop("sha256")
        if written != FORMAT:
            versions = state.get("versions")
            by = versions.get("md2n", "unknown") if isinstance(versions, dict) else "unknown"
            raise RunError(
                f"checkpoint {path.parent} has format {written} (md2n {by}); this md2n reads format {FORMAT}",
                "go on with the md2n that wrote it, or train into another folder",
            )
        if checksum != _sha(_canonical(state)):
            raise DamagedCheckpoint(path.parent, f"{STATE} is not what was written")
        return dict(state)

    def clear(self) -> None:
        """Removes them all.

        Raises:
            StorageError: one cannot be removed.
        """
        self.tidy()
        for name in self.names():
            self._remove(name)

    def tidy(self) -> None:
        """Removes what a killed process was writing or removing here; call it under the run's lock."""
        for leftover in self.folder.glob(f"*{BESIDE}"):
            shutil.rmtree(leftover, ignore_errors=True)

    def _prune(self) -> None:
        names = self.names()
        needed = set(names[-NEWEST:])
        for name in names[-NEWEST:]:
            with suppress(DamagedCheckpoint):  # nothing goes on from it
                state = self._state(name)
                with reading(self.folder / name, self._damaged(name)):
                    best = state["progress"]["best"]
                    needed |= {best["checkpoint"]} if best else set()
        for name in names:
            if name not in needed:
                self._remove(name)

    def _remove(self, name: str) -> None:
        # Renamed first: a kill while deleting must not leave something that looks like a checkpoint.
        doomed = self.folder / (name + BESIDE)
        try:
            (self.folder / name).rename(doomed)
            shutil.rmtree(doomed)
        except OSError as error:
            raise refused(doomed, error) from error


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, LARGEST_BYTES)
    except OSError as error:
        raise DamagedCheckpoint(path.parent, f"{path.name} cannot be read") from error


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
