"""Prints how well a trained md2n recovers every modality, with and without its calibration, beside closed forms.

    python -m scripts.recovery RUN... [--split test] [--every 1] [--folds 2] [--brief]

Per modality, pooled over the incomplete patterns of the fixed protocol (every n-th of them): R², fair CRPS, share of
the truth in intervals of 50 and 90 %, energy score of whole vectors (root mean square distance; fair), of 20 draws;
and CPU-ms per sample and hidden modality.  On the validation split the calibration is fitted on one half of the rows
and judged on the other, both ways.  A run of an md2n that did not calibrate is calibrated here.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from md2n.batch import SequenceBatch
from md2n.data.dataset import MultimodalDataset
from md2n.evaluation.inference import hidden_batch, to_numpy
from md2n.evaluation.protocols import COMPLETE, fixed_conditions
from md2n.evaluation.recovery import coverage, crps, r2
from md2n.experiment.loading import LoadedRun, evaluation_data, load_run
from md2n.methods.base import Recovers
from md2n.methods.catalogue import build, config_class
from md2n.methods.md2n.model import MD2N
from md2n.seeding import generator

DRAWS = 20
METHODS = ("before", "after", "regression_fill", "neighbours")
BATCH = 64
Array = npt.NDArray[Any]


def energy_score(truth: Array, draws: Array) -> float:
    """E|x_s - x| - E|x_s - x_r| / 2, s != r, of whole rows; |.| the root mean square over features."""
    count = len(draws)
    away = float(np.sqrt(np.square(draws - truth).mean(axis=2)).mean())
    pairs = [float(np.sqrt(np.square(draws - np.roll(draws, s, 0)).mean(axis=2)).mean()) for s in range(1, count)]
    return away - float(np.mean(pairs)) / 2


def complete(data: MultimodalDataset, rows: Array) -> Iterator[SequenceBatch]:
    for start in range(0, len(rows), BATCH):
        yield data.batch(rows[start : start + BATCH]).complete()


class Tally:
    """What a method answered, modality by modality."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.parts: dict[str, list[tuple[Array, Array, Array]]] = {name: [] for name in names}
        self.cpu_s, self.hidden = 0.0, 0

    def ask(self, model: Recovers, data: MultimodalDataset, rows: Array, every: int) -> None:
        names = tuple(self.parts)
        present = data.batch(rows).present.numpy()
        for condition in fixed_conditions(present, names)[::every]:
            if condition.name == COMPLETE:
                continue
            for start in range(0, len(rows), BATCH):
                place = np.arange(start, min(start + BATCH, len(rows)))
                shown = hidden_batch(data.batch(rows[place]), condition, place)
                if shown is None:
                    continue
                inputs, whole = shown
                begun = time.process_time()
                with torch.no_grad():
                    back = model.recover(inputs, generator(0, "recover", condition.name), draws=DRAWS)
                self.cpu_s += time.process_time() - begun
                hidden = whole.present & ~inputs.available
                self.hidden += int(hidden.sum())
                for k, name in enumerate(names):
                    frames = to_numpy(whole.valid[name] & hidden[:, k, None])
                    draws = to_numpy(back.draws[name])[:, frames]
                    self.parts[name].append(
                        (to_numpy(whole.truth(name))[frames], to_numpy(back.features[name])[frames], draws)
                    )

    def lines(self) -> Iterator[tuple[str, dict[str, float]]]:
        for name, parts in self.parts.items():
            truth, point = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
            draws = np.concatenate([p[2] for p in parts], axis=1)
            if not len(truth):  # the chosen patterns hide it from nobody
                continue
            yield (
                name,
                {
                    "r2": r2(truth, point),
                    "crps": crps(truth, draws),
                    "in50": 100 * coverage(truth, draws, 0.5),
                    "in90": 100 * coverage(truth, draws, 0.9),
                    "energy": energy_score(truth, draws),
                },
            )


def tallies(run: LoadedRun, split: str, every: int, folds: int, brief: bool) -> dict[str, Tally]:
    model, names = run.model, run.schema.names
    assert isinstance(model, MD2N)
    (_, train, _), (_, valid, _), (_, judged, _) = (evaluation_data(run, s, None) for s in ("train", "valid", split))
    everyone, all_train = np.arange(len(judged)), np.arange(len(train))
    out = {name: Tally(names) for name in (METHODS[1:2] if brief else METHODS)}
    for name in () if brief else METHODS[2:]:
        other: Any = build(name, run.schema, config_class(name)()).eval()
        with torch.no_grad():
            other.fit(complete(train, all_train))
        out[name].ask(other, judged, everyone, every)
    features, model.features = model.features, None
    if not brief:
        out["before"].ask(model, judged, everyone, every)
    model.features = features
    for fold in range(folds if split == "valid" else 1):
        mine = everyone if split != "valid" else everyone[everyone % folds == fold]
        others = np.arange(len(valid)) if split != "valid" else np.setdiff1d(everyone, mine)
        with torch.no_grad():
            begun = time.process_time()
            for note in model.calibrate(complete(train, all_train), list(complete(valid, others))):
                print(note)
            print(f"calibration took {time.process_time() - begun:.1f} CPU-s")
        if model.features is not None:
            c = model.features.calibration
            for k, name in enumerate(names):
                weights = " ".join(f"{w:.2f}" for w in c.weights[k].tolist())
                print(f"  {name}: a b c h {weights}, s {float(c.factor[k]):.2f}, K {int(c.count[k])}")
        out["after"].ask(model, judged, mine, every)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--brief", action="store_true", help="only what was calibrated")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for path in given.runs:
        run = load_run(path)
        result = tallies(run, given.split, given.every, given.folds, given.brief)
        print(f"{path.name}, {given.split}")
        for method, tally in result.items():
            print(f"  {method}: {1000 * tally.cpu_s / max(1, tally.hidden):.2f} CPU-ms per sample and hidden modality")
            for name, m in tally.lines():
                print(
                    f"    {name:9} R2 {m['r2']:.3f}  CRPS {m['crps']:.4f}  in50 {m['in50']:.0f}  in90 {m['in90']:.0f}"
                    f"  energy {m['energy']:.4f}"
                )


if __name__ == "__main__":
    main()
