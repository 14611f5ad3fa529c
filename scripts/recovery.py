"""How well md2n recovers, and what each of its parts brings, beside closed forms: docs/recovery.md from one command.

    MD2N_DATA_ROOT=../shared/data python -m scripts.recovery --out runs/recovery [--data digits,mfeat] [--plan]
    python -m scripts.recovery RUN...                                            one trained md2n, printed

The first trains what ``study`` names, measures it on the test split under the fixed protocol, 20 draws each, and writes
results/recovery.json.  What is done already stays, in the folder or in that file by the same code; the same command
goes on.  Of more than ``ROWS`` test samples so many are measured, evenly chosen.  A measure is pooled over the
incomplete patterns that hide the modality.

Parts of md2n are measured with one trained network: its calibration is fitted anew on the validation split for each.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from md2n.batch import Dataset, SequenceBatch
from md2n.data.folds import group_names
from md2n.durable import write_bytes
from md2n.evaluation.inference import hidden_batch
from md2n.evaluation.protocols import COMPLETE, fixed_conditions
from md2n.experiment.config import ExperimentConfig, resolve
from md2n.experiment.loading import LoadedRun, evaluation_data, load_run
from md2n.experiment.pipeline import run_training
from md2n.experiment.source import training_code
from md2n.methods.base import Recovers
from md2n.methods.catalogue import build, config_class
from md2n.methods.md2n.model import MD2N
from md2n.methods.parts.features import FeatureRecovery
from md2n.seeding import generator
from md2n.training.rundir import is_finished, read_run
from scripts.recovery_tally import DRAWS, Tally
from scripts.refusals import in_two_lines

OUT = Path(__file__).parents[1] / "results" / "recovery.json"
ROWS = 1000
BATCH = 64
CLOSED = ("mean_fill", "neighbours", "factor_analysis", "regression_fill")
LARGE = ("trainer.steps=800", "trainer.validations=4", "trainer.batch_size=64", "trainer.learning_rate=2e-3")
MEASURED = "recovery.json"  # in a run folder


@dataclass(frozen=True)
class Part:
    """One way to recover with a trained md2n.

    Args:
        calibration: as in ``model.calibration``.
        steps: network calls of a draw; 1 is the estimate with the decoder's residual around it.
        network: False gives the decoded latent no weight.
    """

    calibration: str
    steps: int
    network: bool = True


PARTS = {
    "estimate": Part("none", 1),
    "walk": Part("none", 2),
    "calibrated walk": Part("walk", 2),
    "translation": Part("translation", 1, network=False),
    "md2n": Part("translation", 2),
}


@dataclass(frozen=True)
class Trained:
    """One training of the study."""

    data: str
    seed: int
    duplex: bool = True
    preset: str = "default"
    sets: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its run folder."""
        return f"{self.data}-{'duplex' if self.duplex else 'one-way'}-{self.seed}"

    @property
    def config(self) -> ExperimentConfig:
        """The whole configuration."""
        sets = [*self.sets, f"model.diffusion.duplex={str(self.duplex).lower()}"]
        return resolve(self.preset, data=self.data, seed=self.seed, sets=sets)

    @property
    def parts(self) -> dict[str, Part]:
        """What is measured of it: of a training in one direction what its walk and its whole recovery are."""
        return PARTS if self.duplex else {name: PARTS[name] for name in ("walk", "md2n")}


def study() -> list[Trained]:
    """Every training: the answers that cost least first."""
    runs = [Trained(data, seed) for data in ("ravdess_av", "stressid") for seed in range(5)]
    runs += [Trained(data, seed, duplex=False) for data in ("ravdess_av", "stressid") for seed in range(3)]
    runs += [Trained("cremad_ratings", seed, sets=LARGE) for seed in range(2)]
    runs += [Trained("mfeat", 0, sets=LARGE), Trained("beijing_air", 0, sets=LARGE)]
    runs += [Trained("digits", seed, preset="digits") for seed in range(5)]
    return [*runs, Trained("mfeat", 1, sets=LARGE), Trained("beijing_air", 1, sets=LARGE)]


def complete(data: Dataset, rows: np.ndarray) -> Iterator[SequenceBatch]:
    """Batches of everything that the data hold."""
    for start in range(0, len(rows), BATCH):
        yield data.batch(rows[start : start + BATCH]).complete()


def answer(model: Recovers, data: Dataset, groups: np.ndarray) -> Tally:
    """What a method recovers of the test split."""
    names = data.batch(np.arange(1)).names
    rows = np.unique(np.linspace(0, len(data) - 1, min(len(data), ROWS)).astype(np.int64))
    tally = Tally(names)
    for condition in fixed_conditions(data.batch(np.arange(len(data))).present.numpy(), names):
        if condition.name == COMPLETE:
            continue
        for start in range(0, len(rows), BATCH):
            place = rows[start : start + BATCH]
            shown = hidden_batch(data.batch(place), condition, place)
            if shown is None:
                continue
            inputs, whole = shown
            begun = time.process_time()
            with torch.no_grad():
                model.recover(inputs, generator(0, "recover", condition.name), draws=1)
            between = time.process_time()
            with torch.no_grad():
                back = model.recover(inputs, generator(0, "recover", condition.name), draws=DRAWS)
            tally.cpu_s[1] += between - begun
            tally.cpu_s[DRAWS] += time.process_time() - between
            tally.add(inputs, whole, back, groups[inputs.rows.numpy()])
    return tally


def set_up(model: MD2N, part: Part, training: list[SequenceBatch], validation: list[SequenceBatch]) -> None:
    """Makes a trained md2n recover by one of its parts; what has to be learned of validation samples is learned."""
    model.config = replace(model.config, calibration=part.calibration, recover_steps=part.steps)  # type: ignore[arg-type]
    model.features = None
    if part.calibration != "none":
        model.features = FeatureRecovery(model.schema, part.calibration == "translation", part.network)
    with torch.no_grad():
        for note in model.calibrate(training, validation):
            sys.stderr.write(f"{note}\n")


def upper_bound(model: MD2N, batches: Sequence[SequenceBatch]) -> dict[str, float]:
    """R² of D_k(E_k(x)): what a latent of this size keeps of a held-out modality."""
    out = {}
    with torch.no_grad():
        for k, (modality, decoder) in enumerate(zip(model.schema.modalities, model.decoders)):
            wrong = total = 0.0
            for batch in batches:
                real, truth = batch.real(modality.name), batch.truth(modality.name)
                back = decoder(model.backbone.encode(batch)[:, k], truth.shape[1])
                wrong += float(((back - truth).square() * real).sum())
                total += float((truth.square() * real).sum())
            out[modality.name] = 1 - wrong / total
    return out


def measure(run: LoadedRun, parts: dict[str, Part], closed: Sequence[str]) -> dict[str, Any]:
    """Everything that is measured of one training; ``closed`` names closed forms to measure beside it."""
    (_, train, _), (_, valid, _), (samples, test, _) = (
        evaluation_data(run, s, None) for s in ("train", "valid", "test")
    )
    groups = np.unique(group_names(samples), return_inverse=True)[1]
    training = list(complete(train, np.arange(len(train))))
    validation = list(complete(valid, np.unique(np.linspace(0, len(valid) - 1, min(len(valid), ROWS)).astype(int))))
    model = run.model
    assert isinstance(model, MD2N)
    tallies, weights = {}, {}
    for name in closed:
        other: Any = build(name, run.schema, config_class(name)()).eval()
        with torch.no_grad():
            phases = [phase for phase in other.phases() if phase.fit is not None]
            for phase in phases:
                phase.fit(iter(training))
        tallies[name] = answer(other, test, groups)
    for name, part in parts.items():
        begun = time.process_time()
        set_up(model, part, training, validation)
        cost = time.process_time() - begun
        if model.features is not None:
            c = model.features.calibration
            weights[name] = {
                m: {
                    "weights": [round(w, 2) for w in c.weights[k].tolist()],
                    "factor": round(float(c.factor[k]), 3),
                    "count": int(c.count[k]),
                    "cpu_s": round(cost, 1),
                }
                for k, m in enumerate(run.schema.names)
            }
        tallies[name] = answer(model, test, groups)
    return {
        "measures": {name: tally.measures() for name, tally in tallies.items()},
        "cost_ms": {name: tally.cost() for name, tally in tallies.items()},
        "against": {
            other: tallies["md2n"].minus(tallies[other])
            for other in tallies
            if other != "md2n" and "md2n" in tallies and tallies[other].same(tallies["md2n"])
        },
        "weights": weights,
        "upper_bound": upper_bound(model, list(complete(test, np.arange(min(len(test), ROWS))))),
    }


def made(one: Trained, out: Path) -> dict[str, Any]:
    """Trains and measures, as far as it is not done."""
    folder = out / one.name
    begun = time.process_time()
    if not is_finished(folder):
        run_training(one.config, folder)
    file = folder / MEASURED
    if not file.is_file():
        run = load_run(folder)
        # Closed forms do not depend on the seed.
        facts = measure(run, one.parts, CLOSED if one.seed == 0 and one.duplex else ())
        facts |= {"data": one.data, "seed": one.seed, "duplex": one.duplex}
        facts |= {"score": read_run(folder)["result"]["score"], "cpu_s": round(time.process_time() - begun, 1)}
        write_bytes(file, json.dumps(facts).encode())
    measured: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return measured | {"code": read_run(folder)["code"]}


def rounded(value: Any) -> Any:
    """Numbers of four decimals, in anything that JSON can hold."""
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return round(value, 4) if isinstance(value, float) else value


def merged(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Both in the study's order; a run that was made again replaces its old numbers."""
    runs = {(run["data"], run["seed"], run["duplex"]): run for run in (*old, *new)}
    keys = [(one.data, one.seed, one.duplex) for one in study()]
    return [runs[key] for key in keys if key in runs]


def saved(file: Path = OUT) -> set[str]:
    """Names of the runs whose numbers are in the project's file, by the installed code."""
    runs = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    code = training_code("md2n")
    return {Trained(r["data"], r["seed"], r["duplex"]).name for r in runs if r.get("code") == code}


def save(runs: Sequence[dict[str, Any]], file: Path = OUT) -> None:
    """Writes the project's file, one run a line; what it has of other runs stays."""
    old = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    lines = ",\n".join(json.dumps(rounded(run), sort_keys=True) for run in merged(old, runs))
    write_bytes(file, f"[\n{lines}\n]\n".encode())


def show(path: Path) -> Iterator[str]:
    """Lines on one trained md2n."""
    facts = measure(load_run(path), PARTS, CLOSED)
    yield f"{path}: R2, CRPS, % in the 50 and 90 % intervals, energy score"
    for name, of in facts["measures"].items():
        yield f"  {name}: {facts['cost_ms'][name][str(DRAWS)]:.2f} CPU-ms per sample and hidden modality"
        for modality, m in of.items():
            yield (
                f"    {modality:10} {m['r2']:6.3f} {m['crps']:.4f} {100 * m['in50']:3.0f} {100 * m['in90']:3.0f} "
                f"{m['energy']:.4f}"
            )


@in_two_lines()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*", help="trained runs to print instead")
    parser.add_argument("--out", type=Path, default=Path("runs/recovery"), help="folder of the study's runs")
    parser.add_argument("--data", default="", help="sets with commas; all if not given")
    parser.add_argument("--plan", action="store_true", help="only say what is done and what is not")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.runs:
        for path in options.runs:
            sys.stdout.write("\n".join(show(path)) + "\n")
        return
    sets = list(dict.fromkeys(one.data for one in study()))
    asked = [name for name in options.data.split(",") if name] or sets
    if unknown := [name for name in asked if name not in sets]:
        parser.error(f"the study has no '{unknown[0]}'; known: {', '.join(sets)}")
    chosen = [one for one in study() if one.data in asked]
    known = saved()
    for one in chosen:
        done = one.name in known or (options.out / one.name / MEASURED).is_file()
        sys.stderr.write(f"{one.name}: {'done' if done else 'to do'}\n")
        if not options.plan and not done:
            made(one, options.out)
    if not options.plan:
        everything = [one for one in study() if (options.out / one.name / MEASURED).is_file()]
        save([made(one, options.out) for one in everything])


if __name__ == "__main__":
    main()
