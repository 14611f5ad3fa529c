"""Tiny trained runs, made once per test session: methods on sixty digits, a group-normalised one, an aligned one."""

from pathlib import Path
from typing import Any

import numpy as np

from md2n.data.digits import load_digits
from md2n.data.samples import LabelColumn, Ragged, Samples
from md2n.data.store import write_store
from md2n.experiment.config import resolve
from md2n.experiment.pipeline import run_training
from md2n.modality import Task
from md2n.seeding import numpy_generator
from tests.experiment.made import fitting

SHORT = (
    "trainer.epochs=1",
    "trainer.batch_size=16",
    "latent.length=4",
    "latent.width=8",
    "latent.hidden=16",
    "transformer.layers=1",
    "transformer.width=16",
)
DIFFUSION = ("model.diffusion.network.layers=1", "model.diffusion.network.width=16")
FEW = ("model.recover_draws=2", "model.recover_steps=2")
PEOPLE = ("ann", "bob", "cyd")


def settings(model: str) -> tuple[str, ...]:
    """``--set`` values of a tiny method."""
    fusion = "model.fusion." if model == "md2n" else "model."
    sizes = tuple(s if s.startswith("trainer") else fusion + s for s in SHORT)
    return (*sizes, *DIFFUSION, *FEW) if model == "md2n" else sizes


def sixty_digits() -> Samples:
    """Thirty training, fifteen validation and fifteen test digits."""
    digits = load_digits()
    return digits.select(np.concatenate([digits.rows(s)[:n] for s, n in (("train", 30), ("valid", 15), ("test", 15))]))


def people(count: int = 90, seed: int = 0) -> Samples:
    """Aligned audio and video with gaps, a vector, a real label, and people with levels of their own."""
    rng = numpy_generator(seed, "people")
    who = np.asarray([PEOPLE[i % 3] for i in range(count)])
    level = np.asarray([{"ann": 50.0, "bob": -20.0, "cyd": 0.0}[w] for w in who])
    cause = rng.normal(size=count)
    lengths = rng.integers(3, 7, count)

    def sequence(i: int, dim: int) -> np.ndarray:
        return np.asarray(level[i] + cause[i] + rng.normal(size=(lengths[i], dim)), np.float32)

    return Samples(
        name="people",
        modalities={
            "audio": Ragged.from_arrays([sequence(i, 3) for i in range(count)]),
            "video": Ragged.from_arrays([None if i % 5 == 0 else sequence(i, 2) for i in range(count)]),
            "pulse": Ragged.from_arrays([level[i] + cause[i] + rng.normal(size=4) for i in range(count)]),
        },
        labels={"mood": LabelColumn(cause.astype(np.float32), Task("regression", "mood"))},
        split=np.repeat(np.asarray([0, 1, 2], np.uint8), count // 3),
        ids=np.asarray([f"p{i}" for i in range(count)]),
        groups={"subject": who},
        default_label="mood",
        normalise_by="subject",
    )


def quick() -> dict[str, Any]:
    """Keyword arguments of a tiny MD2N."""
    sets = dict(one.split("=") for one in settings("md2n"))
    return {k: int(v) for k, v in sets.items()}


def trained(folder: Path, model: str, samples: Samples, *sets: str) -> Path:
    """A finished run."""
    store = folder / f"store-{samples.name}"
    if not store.exists():
        write_store(store, samples)
    run = folder / f"{samples.name}-{model}"
    return run_training(
        resolve("default", [*fitting(model, settings(model)), *sets], data=str(store), model=model), run
    )
