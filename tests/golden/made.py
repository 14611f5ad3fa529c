"""What is computed: the process, the sampler and every registered method, on made data, in float64.

python -m tests.golden.made          writes outputs.json anew; its difference is what a reviewer looks at
"""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import torch

from md2n.batch import SequenceBatch
from md2n.diffusion.process import make_process
from md2n.diffusion.sampler import Start, make_sampler
from md2n.methods.base import Calibrates, Recovers
from md2n.methods.catalogue import MODELS, build, config_class
from md2n.noise import SequentialNoise
from md2n.seeding import generator
from tests.laws.worlds import make_world
from tests.steps import few_steps
from tests.worlds import WORLDS, every_pattern, make_batch

KEPT = Path(__file__).with_name("outputs.json")
Numbers = dict[str, list[float]]
STEPS = 3
# Draws behind a calibration; a hundred network calls each.  Predictions do not read it, and recoveries have two below.
CHEAPER: dict[str, dict[str, Any]] = {"imder": {"recover_draws": 2}}
STARTS: tuple[Start, ...] = ("partner", "noise")


def process() -> Numbers:
    """Weights of the two ends and the deviation, at the ends and in the middle of each stage."""
    told = {}
    for schedule, transfer in product(("vp_linear", "scaled_linear", "cosine"), ("constant", "linear", "none")):
        made = make_process(1000, 200, 800, schedule, transfer, "exact")
        t = torch.tensor([0, 1, 100, 200, 201, 500, 799, 800, 900, 1000])
        one, zero = torch.ones(len(t), 1).double(), torch.zeros(len(t), 1).double()
        told[f"{schedule}, {transfer}"] = flat(
            torch.cat([made.mean(one, zero, t), made.mean(zero, one, t), made.std(t, one)], dim=1)
        )
    return told


def samplers() -> Numbers:
    """Four draws of each sampler with the ideal network of a Gaussian world."""
    world, partner = make_world()
    made = make_process(1000, 200, 800, "scaled_linear", "constant", "exact")
    rows = partner.expand(4, -1)

    def noise() -> SequentialNoise:
        return SequentialNoise(generator(0, "golden"))

    return {
        f"{name} from the {start}": flat(
            make_sampler(name, made).sample(world.estimator(made, rows), rows, noise(), 8, start)
        )
        for name, start in product(("multistep", "deterministic", "ancestral"), STARTS)
    }


def in_double(batch: SequenceBatch) -> SequenceBatch:
    return replace(batch, features={k: x.double() for k, x in batch.features.items()})


def method(name: str) -> Numbers:
    """Loss terms, predictions and recovered features of a method after a few steps in each of its phases."""
    schema = WORLDS["mixed"]
    torch.manual_seed(0)
    model = build(name, schema, replace(config_class(name)(), **CHEAPER.get(name, {}))).double()
    batch = in_double(make_batch(schema))
    told: Numbers = {}
    for phase, losses in few_steps(model, batch, STEPS, "golden").items():
        told |= {f"{phase}: {part}": [float(x.detach())] for part, x in losses.parts.items()}
    if isinstance(model, Calibrates):
        with torch.no_grad():
            model.calibrate([batch], [in_double(make_batch(schema, seed=1))])
    asked = every_pattern(batch)
    with torch.no_grad():
        told["output"] = flat(model.predict(asked, generator(7, "golden")).output)
        if isinstance(model, Recovers):
            recovery = model.recover(asked, generator(8, "golden"), draws=2, steps=2)
            for k, modality in enumerate(schema.modalities):
                gap = asked.missing[:, k]
                told[f"features of {modality.name}"] = flat(recovery.features[modality.name][gap].mean(dim=(1, 2)))
                if recovery.std:
                    told[f"spread of {modality.name}"] = flat(recovery.std[modality.name][gap].mean(dim=(1, 2)))
    return told


def flat(x: torch.Tensor) -> list[float]:
    """Rounded to what another machine repeats."""
    return [float(f"{v:.10g}") for v in x.double().flatten().tolist()]


CASES: dict[str, Callable[[], Numbers]] = {
    "process": process,
    "samplers": samplers,
    **{f"model {name}": lambda name=name: method(name) for name in MODELS.names()},  # type: ignore[misc]
}


def main() -> None:
    torch.set_num_threads(1)
    KEPT.write_text(json.dumps({k: make() for k, make in CASES.items()}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
