r"""What validation rows say of a recovery: how far to trust each of its parts, and how wide its draws have to be.

With P the decoded latent, t the translation, e the mean residual and f the mean leave-one-out answer of the K matched
rows (``translation``), and mu the training mean, the estimate of a missing modality is

    xhat = mu + a (P - mu) + b (t - mu) + c e + h (f - mu),      a, b, c, h >= 0,  a + b + h <= 1,  c <= 1,

with one quadruple for each modality, by least squares on validation rows under drawn patterns: n rows count n parts,
and ``PRIOR`` more rows say that the translation is right alone.  So the network is listened to as far as rows that it
was not trained on say so, and a + b + h below 1 shrinks toward the training mean.  Number by number xhat stays within
the range of t + e + dev: where all matched rows agree, as on the dark border of an image, so does it.

Draws are ``xhat + s dev``, dev made of d_i = (e_i - e) + h (f_i - f): the residual of a matched row, and with h its own
answer; where h = c = 1, xhat + d_i is that row's value.  A draw has the ranks of one d_i and lies in the gaps between
the K values (``rows.between``).  An interval of probability p that dev promises
holds the truth in p of the validation numbers if s is the p-quantile of what each of them needs: the conformal score of
Lei et al. (J. Am. Stat. Assoc. 113, 2018), relative to the width that is promised.  s is the geometric mean over
``LEVELS``, log s shrunk toward 0 as the weights are.  Where validation rows and new ones are exchangeable, intervals
hold what they say but for this pooling; where other people are in the test split, as far as those are alike.

K is the one of ``COUNTS`` whose intervals have the best score (Gneiting, Raftery: J. Am. Stat. Assoc. 102, 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from md2n.brief import brief
from md2n.shapes import Float, Tensor

COUNTS = (40, 20, 80)  # matched rows that are drawn from; the first where nothing speaks for another
PARTS = 4  # decoded latent, translation, mean residual and mean answer of matched rows
LEVELS = (0.5, 0.8, 0.9)
PRIOR = 20  # rows
FEWEST = 5  # validation rows of which nothing is learned
NUMBERS = 256  # of a row whose intervals are looked at
LEAST = 1e-6  # width below which draws are all alike
NARROWEST, WIDEST = 0.5, 2.0  # of the factor s

Ends = tuple[Tensor, Tensor]  # lower and upper ends of intervals, ``[level, ...]`` each


class Calibration(nn.Module):
    """Weights, factor and K of every modality; the factor is 0 where nothing was calibrated.

    Args:
        modalities: M.
    """

    weights: Tensor
    factor: Tensor
    count: Tensor

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(modalities, PARTS))
        self.register_buffer("factor", torch.zeros(modalities))
        self.register_buffer("count", torch.full((modalities,), COUNTS[0]))

    def ready(self, k: int) -> bool:
        """Whether modality k was calibrated."""
        return bool(self.factor[k] > 0)

    def put(self, k: int, weights: Float[Tensor, " part"], factor: float, count: int) -> None:
        """Sets what is known of modality k."""
        self.weights[k], self.factor[k], self.count[k] = weights.to(self.weights), factor, count

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: object) -> None:
        for name in ("weights", "factor", "count"):  # a model saved before there was a calibration has none
            state_dict.setdefault(prefix + name, getattr(self, name))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def combination(parts: Float[Tensor, "part *rest"], weights: Float[Tensor, " part"]) -> Float[Tensor, "*rest"]:
    """Xhat - mu of the parts less mu."""
    return (weights.to(parts).view(-1, *[1] * (parts.dim() - 1)) * parts).sum(dim=0)


@dataclass
class Squares:
    """Second moments of the parts and the truth, less mu, over validation numbers; in float64."""

    square: Tensor = field(default_factory=lambda: torch.zeros(PARTS, PARTS, dtype=torch.float64))
    cross: Tensor = field(default_factory=lambda: torch.zeros(PARTS, dtype=torch.float64))
    count: int = 0

    __repr__ = brief

    def add(self, parts: Float[Tensor, "part n"], truth: Float[Tensor, " n"]) -> None:
        """Takes in n numbers."""
        x, y = parts.double().cpu(), truth.double().cpu()
        self.square, self.cross, self.count = self.square + x @ x.T, self.cross + x @ y, self.count + len(y)

    def weights(self, rows: int, first: int, network: bool = True) -> Float[Tensor, " part"]:
        """(a, b, c, h) by least squares with the prior, on a lattice: thousands of quadruples, all of them allowed.

        Args:
            rows: how many samples the numbers are of.
            first: which of the parts the prior trusts.
            network: False holds a at 0.
        """
        square, cross = self.square / max(self.count, 1), self.cross / max(self.count, 1)
        steps = torch.arange(21, dtype=torch.float64) / 20
        every = torch.cartesian_prod(steps if network else steps[:1], steps, steps[::5], steps[::2])
        every = every[every[:, 0] + every[:, 1] + every[:, 3] <= 1 + 1e-9]
        away = every - torch.eye(PARTS, dtype=torch.float64)[first]
        error = ((every @ square) * every).sum(dim=1) - 2 * every @ cross
        error = error + PRIOR / rows * ((away @ square) * away).sum(dim=1)
        best: Tensor = every[error.argmin()]
        return best


@dataclass
class Intervals:
    """What validation numbers say of intervals: the factors that they need, and the intervals' score."""

    ratios: list[Tensor] = field(default_factory=list)
    score: float = 0.0

    __repr__ = brief

    def add(self, error: Float[Tensor, " n"], ends: Ends) -> None:
        """Takes in n errors of the point and the intervals that were promised around it."""
        low, high = ends
        self.ratios.append(needs(error, low, high))
        tail = (1 - torch.tensor(LEVELS).to(error)) / 2
        outside = (low - error).clamp(min=0) + (error - high).clamp(min=0)
        self.score += float((tail[:, None] * (high - low) + outside).sum())

    def factor(self, rows: int) -> float:
        """s; 1 where nothing can be said."""
        logs = []
        for level, ratio in zip(LEVELS, torch.cat(self.ratios, dim=1)):
            usable = ratio[~ratio.isnan()].sort().values
            if not len(usable):
                return 1.0
            place = min(int(level * (len(usable) + 1)), len(usable)) - 1
            logs.append(float(usable[max(place, 0)].clamp(NARROWEST, WIDEST).log()))
        shrunk = sum(logs) / len(logs) * rows / (rows + PRIOR)
        return float(torch.tensor(shrunk).exp())


def needs(
    error: Float[Tensor, " n"], low: Float[Tensor, "level n"], high: Float[Tensor, "level n"]
) -> Float[Tensor, "level n"]:
    """The factor that would bring each error just inside its interval; NaN where draws are all alike."""
    end = torch.where(error > 0, high, low)
    ratio = torch.where(error == 0, 0.0, torch.where(end * error > 0, error / end, torch.inf))
    return torch.where(high - low > LEAST, ratio, torch.nan)


def ends_of(dev: Float[Tensor, "draw *rest"]) -> Ends:
    """Central intervals of K equally likely values, at ranks p (K + 1)."""
    ordered, count = dev.sort(dim=0).values, len(dev)
    tail = torch.tensor([(1 - level) / 2 for level in LEVELS], dtype=torch.float64)
    rank = (tail * (count + 1) - 1).clamp(0, count - 1)
    below = rank.floor().long().clamp(max=max(count - 2, 0))
    part = (rank - below).to(dev).view(-1, *[1] * (dev.dim() - 1))
    above = (below + 1).clamp(max=count - 1)
    low = ordered[below].lerp(ordered[above], part)
    return low, ordered[count - 1 - below].lerp(ordered[count - 1 - above], part)


def normal_ends(deviation: Float[Tensor, "*rest"]) -> Ends:
    """The same of a normal distribution around 0."""
    reach = torch.special.ndtri(torch.tensor([(1 + level) / 2 for level in LEVELS], dtype=torch.float64))
    high = reach.to(deviation).view(-1, *[1] * deviation.dim()) * deviation
    return -high, high


def thin(x: Tensor) -> Tensor:
    """At most ``NUMBERS`` of the last dimension, evenly chosen."""
    size = x.shape[-1]
    return x[..., :: max(1, -(-size // NUMBERS))]


def best_count(scores: Sequence[float]) -> int:
    """Which of ``COUNTS`` has the least score."""
    return min(range(len(scores)), key=lambda i: scores[i])
