"""Quality against the number of network calls, for a trained run: recovery R2, CRPS, coverage, and accuracy."""

from dataclasses import replace
from pathlib import Path

import torch

from md2n.evaluation.evaluator import evaluate, evaluate_recovery
from md2n.evaluation.metrics import primary
from md2n.evaluation.protocols import fixed_conditions
from md2n.experiment.loading import evaluation_data, load_run

CALLS = (1, 2, 4, 10, 50, 200, 800)


def report(run: str) -> None:
    """Validation means over the incomplete patterns (never the test split: this is what defaults are chosen on)."""
    torch.set_num_threads(1)
    loaded = load_run(Path(run))
    _, dataset, _ = evaluation_data(loaded, "valid", None)
    conditions = [c for c in fixed_conditions(dataset.present, loaded.schema.names) if c.name != "complete"]
    metric = primary(loaded.schema.task)
    print(f"{run}, validation split\n\n| calls | {metric} | recovery R2 | CRPS | coverage 90% |\n|---|---|---|---|---|")
    for calls in CALLS:
        model = loaded.model
        model.config = replace(model.config, predict_steps=calls, predict_draws=1 if calls == 1 else 4)
        told = evaluate(model, dataset, conditions)
        back = evaluate_recovery(model, dataset, conditions, draws=8, steps=calls)
        means = [sum(r.measures[k] for r in back) / len(back) for k in ("r2", "crps", "coverage90")]
        score = sum(r.measures[metric] for r in told) / len(told)
        print(f"| {calls} | {score:.4f} | {means[0]:.3f} | {means[1]:.3f} | {means[2]:.3f} |")
