"""Quality against the number of network calls, for a trained run: what draws, their mean and predictions gain."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from md2n.evaluation.evaluator import evaluate, evaluate_recovery
from md2n.evaluation.metrics import primary
from md2n.evaluation.protocols import fixed_conditions
from md2n.experiment.loading import evaluation_data, load_run
from md2n.methods.md2n.model import MD2N

CALLS = (1, 2, 4, 10, 50, 200, 800)
DRAWS = 8


class MeanOfDraws:
    """A model whose point estimate is the mean of its draws, to be compared with the one-step estimate."""

    def __init__(self, model: MD2N) -> None:
        self.model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def recover(self, *arguments: Any, **options: Any) -> Any:
        recovery = self.model.recover(*arguments, **options)
        return replace(recovery, features={k: x.mean(dim=0) for k, x in recovery.draws.items()})


def report(run: str) -> None:
    """Validation means over the incomplete patterns (never the test split: this is what defaults are chosen on)."""
    torch.set_num_threads(1)
    loaded = load_run(Path(run))
    _, dataset, _ = evaluation_data(loaded, "valid", None)
    conditions = [c for c in fixed_conditions(dataset.present, loaded.schema.names) if c.name != "complete"]
    metric = primary(loaded.schema.task)
    model = loaded.model
    assert isinstance(model, MD2N)
    point = evaluate_recovery(model, dataset, conditions, draws=2, steps=1)
    mean_r2 = sum(r.measures["recovery_r2"] for r in point) / len(point)
    print(f"{run}, validation split; R2 of the one-step point estimate: {mean_r2:.3f}\n")
    print(f"| calls | {metric} | R2 of the mean of {DRAWS} draws | CRPS | coverage 90% |\n|---|---|---|---|---|")
    for calls in CALLS:
        model.config = replace(model.config, predict_steps=calls, predict_draws=1 if calls == 1 else DRAWS)
        results = evaluate(model, dataset, conditions)
        back = evaluate_recovery(MeanOfDraws(model), dataset, conditions, draws=DRAWS, steps=calls)  # type: ignore[arg-type]
        means = [sum(r.measures[f"recovery_{k}"] for r in back) / len(back) for k in ("r2", "crps", "coverage90")]
        score = sum(r.measures[metric] for r in results) / len(results)
        print(f"| {calls} | {score:.4f} | {means[0]:.3f} | {means[1]:.3f} | {means[2]:.3f} |", flush=True)
