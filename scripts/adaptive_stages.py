"""Do stages that depend on what is available help?  On the latents of trained md2n, networks alone are trained anew.

    python -m scripts.adaptive_stages RUN... [--seeds 2] [--steps 300]

Below t2 stages matter by the angle between signal and noise alone (``tests/laws/test_clock.py``): by how often each
angle is trained, and by which angles a walk visits.  Compared, at equal steps of training:

- ``STAGES``: pairs of t1 and t2, trained at uniform t; one for all sets of given modalities, and one for each set,
  chosen by CRPS on the validation split;
- ``angle``: trained at uniform angles;
- ``learned: loss``: how often each angle is trained is predicted from the set, by the loss that the networks have;
- ``learned: variance``: the same, by the second moment of an unbiased estimate of the loss at uniform angles.

A learned one is a clock that rises from 0 to t2 with both ends pinned, which is what a learned w_t would be.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from md2n.data.folds import group_names
from md2n.diffusion.process import make_process
from md2n.experiment.loading import LoadedRun, evaluation_data, load_run
from md2n.methods.md2n.model import MD2N
from md2n.methods.md2n.recovery import DuplexRecovery
from md2n.missing import draw_available, incomplete_patterns, pattern_flags
from md2n.noise import SampleNoise
from md2n.seeding import generator
from scripts.recovery_tally import by_frame, margin
from scripts.refusals import in_two_lines

STAGES = {"200 to 800": (200, 800), "20 to 800": (20, 800), "400 to 800": (400, 800), "200 to 300": (200, 300),
          "200 to 1000": (200, 1000)}  # fmt: skip
DEFAULT = "200 to 800"
LEARNED = ("learned: loss", "learned: variance")
ARMS = (*STAGES, "angle", *LEARNED)
CHOSEN = ("one for all, chosen", "one for each set, chosen")
BINS, BATCH, DRAWS, CALLS, MOST = 12, 64, 8, 2, 100

Scores = dict[tuple[int, int], tuple[Tensor, Tensor]]  # pattern and target -> samples, and the score of each


@dataclass(frozen=True)
class Latents:
    """Clean latents of a split, ``[N, M, L, D]``, what each sample holds, and whose it is."""

    clean: Tensor
    present: Tensor
    groups: np.ndarray


class Clock(nn.Module):
    """Angles at which networks are trained: their distribution over equal bins, a function of the given set.

    Args:
        modalities: M.
        angles: of the steps 0..t2, rising from 0 to pi/2.
        kind: ``time``, ``angle`` or one of ``LEARNED``.
    """

    def __init__(self, modalities: int, angles: Tensor, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.angles = angles / angles[-1]
        self.share = nn.Linear(modalities, BINS)
        nn.init.zeros_(self.share.weight)
        nn.init.zeros_(self.share.bias)

    def draw(self, side: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Steps of rows that are given ``side``, and the log of how much likelier each is than at uniform angles."""
        if self.kind == "time":
            return torch.randint(1, len(self.angles), (len(side),), generator=g), torch.zeros(len(side))
        log = self.share(side.float()).log_softmax(dim=1) + np.log(BINS)
        chosen = torch.multinomial(log.detach().exp(), 1, generator=g)
        fraction = (chosen[:, 0] + torch.rand(len(side), generator=g)) / BINS
        step = torch.searchsorted(self.angles, fraction.double()).clamp(1, len(self.angles) - 1)
        return step, log.gather(1, chosen)[:, 0]

    def loss(self, error: Tensor, log: Tensor) -> Tensor:
        """What the clock is trained on; ``error`` and ``log`` as drawn, one number a row."""
        if self.kind == "learned: loss":
            return (error.detach() * log).mean()
        return -((error * (-log).exp()).detach().square() * log).mean()


def latents_of(run: LoadedRun, split: str) -> Latents:
    """Of a whole training split, or of ``MOST`` samples of another, evenly chosen."""
    samples, data, _ = evaluation_data(run, split, None)
    assert isinstance(run.model, MD2N)
    count = len(data) if split == "train" else min(len(data), MOST)
    rows = np.unique(np.linspace(0, len(data) - 1, count).astype(np.int64))
    batch = data.batch(rows).complete()
    with torch.no_grad():
        clean = run.model.eval().backbone.encode_in_use(batch)
    groups = np.unique(group_names(samples), return_inverse=True)[1][batch.rows.numpy()]
    return Latents(torch.where(batch.present[:, :, None, None], clean, 0.0), batch.present, groups)


def trained(run: LoadedRun, data: Latents, arm: str, seed: int, steps: int) -> tuple[DuplexRecovery, Clock]:
    """Networks of their own for each target, trained in both directions as ``duplex_loss`` trains them."""
    assert isinstance(run.model, MD2N)
    t1, t2 = STAGES.get(arm, STAGES[DEFAULT])
    config = replace(run.model.config.diffusion, t1=t1, t2=t2, strides="angle")
    process = make_process(config.steps, t1, t2, config.schedule, config.transfer, config.variance)
    torch.manual_seed(seed)
    _, m, tokens, width = data.clean.shape
    recovery = DuplexRecovery(m, tokens, width, process, config)
    clock = Clock(m, process.angle(t2)[: t2 + 1], "time" if arm in STAGES else arm)
    rate = run.config.trainer.learning_rate
    parts: list[dict[str, Any]] = [{"params": recovery.parameters()}, {"params": clock.parameters(), "lr": 1e-2}]
    optimiser = torch.optim.AdamW(parts, rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, steps)
    g = generator(seed, "adaptive stages")
    for _ in range(steps):
        rows = torch.randint(len(data.clean), (BATCH,), generator=g)
        clean, present = data.clean[rows], data.present[rows]
        side = draw_available(present, g)
        errors, clocks = [], []
        for k, network in enumerate(recovery.networks):
            given = torch.where(side[:, k, None], present & ~side, side)
            chosen = (present[:, k] & given.any(dim=1)).nonzero()[:, 0]
            x, given, end = clean[chosen], given[chosen], clean[chosen, k]
            partner = recovery.mix(x, given)
            t, log = clock.draw(given, g)
            state = process.sample(end, partner, t, torch.randn(end.shape, generator=g))
            error = (network(state, t, network.encode(x, given, partner, k)) - end).square().mean(dim=(1, 2))
            clocks.append(clock.loss(error, log))
            errors.append(error * ((-log).exp().detach() if arm == "learned: variance" else 1.0))
        loss = torch.cat(errors).mean() + (torch.stack(clocks).mean() if arm in LEARNED else 0.0)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return recovery.eval(), clock


def views(data: Latents, names: tuple[str, ...]) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Every pattern: its number, the samples that have something of it, and what these are given."""
    for number, pattern in enumerate(incomplete_patterns(names)):
        given = torch.tensor(pattern_flags(pattern, names))[None] & data.present
        rows = given.any(dim=1).nonzero()[:, 0]
        yield number, rows, given[rows]


def scores(recovery: DuplexRecovery, data: Latents, names: tuple[str, ...], calls: int) -> Scores:
    """CRPS of every hidden latent; squared error of the estimate where ``calls`` is 1."""
    out: Scores = {}
    for number, rows, given in views(data, names):
        noise, clean = SampleNoise.of(rows, generator(number, "adaptive draws")), data.clean[rows]
        with torch.no_grad():
            best, drawn = recovery.recover(clean, given, noise, calls, DRAWS if calls > 1 else 1)
        draws = drawn.view(-1, *clean.shape)
        for k in (data.present[rows] & ~given).any(dim=0).nonzero()[:, 0].tolist():
            hidden = data.present[rows, k] & ~given[:, k]
            truth = clean[hidden, k].flatten(1)
            each = (best[hidden, k].flatten(1) - truth).square().mean(dim=1)
            if calls > 1:
                each = torch.from_numpy(by_frame(truth.numpy(), draws[:, hidden, k].flatten(2).numpy()))
            out[number, k] = rows[hidden], each
    return out


def fit_spread(recovery: DuplexRecovery, data: Latents, names: tuple[str, ...]) -> None:
    """c^2 of the sampler, on validation samples under every pattern."""
    assert recovery.variance is not None
    for _, rows, side in views(data, names):
        clean = data.clean[rows]
        noise = SampleNoise.of(rows, generator(0, "adaptive spread"))
        with torch.no_grad():
            estimate = recovery.estimate(clean, side, noise)
        recovery.variance.add(estimate, clean, side, data.present[rows] & ~side)
    recovery.variance.fit()


def by_sample(of: Scores, size: int) -> np.ndarray:
    """Mean over the patterns and targets that a sample takes part in, NaN where there is none."""
    total, count = np.zeros(size), np.zeros(size)
    for rows, values in of.values():
        total[rows.numpy()] += values.numpy()
        count[rows.numpy()] += 1
    return total / np.where(count > 0, count, np.nan)


@dataclass
class Measured:
    """Scores by arm, network calls and split, one for each seed; and where learned clocks went."""

    scores: dict[tuple[str, int, str], list[Scores]]
    shares: dict[str, list[np.ndarray]]

    def level(self, arm: str, calls: int, places: Sequence[tuple[int, int]]) -> float:
        """Mean score on the validation split."""
        return float(np.mean([one[p][1].mean() for one in self.scores[arm, calls, "valid"] for p in places]))

    def choose(self, calls: int, one_for_all: bool) -> dict[tuple[int, int], str]:
        """The stages that are best on the validation split, for each pattern and target."""
        places = list(self.scores[DEFAULT, calls, "valid"][0])
        best = {}
        for place in places:
            own = [p for p in places if one_for_all or p[0] == place[0]]
            levels = {arm: self.level(arm, calls, own) for arm in STAGES}
            best[place] = min(levels, key=levels.__getitem__)
        return best


def measured(run: LoadedRun, data: dict[str, Latents], seeds: int, steps: int) -> Measured:
    """Trains every arm, and adds what validation chooses of the stages."""
    names, out = run.schema.names, Measured({}, {})
    sides = torch.tensor([pattern_flags(p, names) for p in incomplete_patterns(names)]).float()
    for arm in ARMS:
        for seed in range(seeds):
            recovery, clock = trained(run, data["train"], arm, seed, steps)
            fit_spread(recovery, data["valid"], names)
            with torch.no_grad():
                out.shares.setdefault(arm, []).append(clock.share(sides).softmax(dim=1).numpy())
            for calls in (1, CALLS):
                for split in ("valid", "test"):
                    out.scores.setdefault((arm, calls, split), []).append(scores(recovery, data[split], names, calls))
            sys.stderr.write(f"{arm}, seed {seed}: done\n")
    for calls in (1, CALLS):
        for name in CHOSEN:
            arms = out.choose(calls, name == CHOSEN[0])
            mixed = [{p: out.scores[arm, calls, "test"][seed][p] for p, arm in arms.items()} for seed in range(seeds)]
            out.scores[name, calls, "test"] = mixed
            sys.stderr.write(f"{name}, {calls} calls: {', '.join(sorted(set(arms.values())))}\n")
    return out


def table(run: LoadedRun, seeds: int, steps: int) -> Iterator[str]:
    """Lines on one data set: how much each arm differs from the default stages."""
    data = {split: latents_of(run, split) for split in ("train", "valid", "test")}
    test, of = data["test"], measured(run, data, seeds, steps)
    yield f"| {run.config.data.name}, {len(test.clean)} test samples | error of the estimate | CRPS, {CALLS} calls |"
    yield "| --- | ---: | ---: |"
    for arm in (*ARMS, *CHOSEN):
        cells = []
        for calls in (1, CALLS):
            ours, base = (
                np.mean([by_sample(one, len(test.clean)) for one in of.scores[a, calls, "test"]], axis=0)
                for a in (arm, DEFAULT)
            )
            known, unit = np.isfinite(base), np.nanmean(base) / 100
            gap = (ours - base)[known] / unit
            change = f" ({gap.mean():+.1f} ± {margin(gap, test.groups[known]):.1f} %)"
            cells.append(f"{np.nanmean(ours):.4f}" + (change if arm != DEFAULT else ""))
        yield f"| {arm} | {' | '.join(cells)} |"
    for arm in LEARNED:
        thirds = np.mean(of.shares[arm], axis=0).reshape(-1, 3, BINS // 3).sum(axis=2)
        spans = [f"{100 * a:.0f} to {100 * b:.0f} %" for a, b in zip(thirds.min(axis=0), thirds.max(axis=0))]
        yield f"{arm}: the lower, middle and upper third of angles are trained {', '.join(spans)} of the time"


@in_two_lines()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", help="trained md2n")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=300)
    options: Any = parser.parse_args()
    torch.set_num_threads(1)
    for path in options.runs:
        sys.stdout.write("\n".join(table(load_run(path), options.seeds, options.steps)) + "\n\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
