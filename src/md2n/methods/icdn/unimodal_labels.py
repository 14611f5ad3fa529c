r"""Labels of single modalities by self-supervision: the sample's label, moved by how far its modality leans elsewhere.

Representations ``r_k`` of the modalities and ``r_m`` of all together are compared with centres of classes (of labels
above and below zero, for regression), running means of training.  With ``D_c = |r - centre_c| / sqrt(width)``,

    regression   a = (D_low - D_high) / (D_low + D_high),       y_k = y + s (a_k - a_m), inside the declared range
    classes      a = softmax_c(-D_c / mean_c D_c),              y_k = max(0, onehot(y) + a_k - a_m), summing to one,

so a modality that leans as the whole does has the whole's label.  ``s`` is the deviation of the labels; zero is their
mean, or zero itself for sentiment.  Real labels come and go in units of ``Task.scale`` from ``Task.centre``, as heads
have them.

The public code of Self-MM (Yu, Xu, Yuan, Wu: Learning Modality-Specific Representations with Self-Supervised
Multi-Task Learning for Multimodal Sentiment Analysis. AAAI 2021) divides by the distance to the positive centre,
averages this difference with the quotient ``y a_k / a_m``, groups a modality's samples by its own labels, and keeps
representations and a moving mean of labels of each training sample.  Here a is bounded, there is no quotient (it bursts
where the whole is undecided), groups are by the sample's label, and what moves slowly are the centres, so that nothing
is kept of single samples.
"""

from collections.abc import Sequence

import torch
from torch import nn

from md2n.fusion.head import standardised
from md2n.modality import Task
from md2n.shapes import Bool, Float, Int, Tensor

WINDOW = 1000.0  # representations that a centre is the mean of, once it has seen as many
ENOUGH = 20.0  # representations before a centre is believed


class UnimodalLabels(nn.Module):
    """Centres and the labels made with them; representation 0 is that of all modalities together.

    Args:
        widths: of the representations.
        task: what is predicted.
    """

    seen: Tensor
    moments: Tensor

    def __init__(self, widths: Sequence[int], task: Task) -> None:
        super().__init__()
        self.task = task
        self.groups = task.output_dim if task.kind == "classification" else 2
        self.low, self.high = ((end - task.centre) / task.scale for end in (task.low, task.high))
        for r, width in enumerate(widths):
            self.register_buffer(f"centre_{r}", torch.zeros(self.groups, width))
        self.register_buffer("seen", torch.zeros(len(widths), self.groups))
        # Number, mean and mean square of the labels.
        self.register_buffer("moments", torch.zeros(3))

    @torch.no_grad()
    def follow(
        self,
        representations: Sequence[Float[Tensor, "batch _width"]],
        there: Bool[Tensor, "batch representation"],
        labels: Float[Tensor, " batch"] | Int[Tensor, " batch"],
    ) -> None:
        """Moves centres (and the mean and deviation of labels) toward a training batch.

        Args:
            representations: of the whole and of each modality.
            there: which of them stand for something, and whose label is known.
            labels: real ones standardised; where ``there`` says no they may be unknown.
        """
        if self.task.kind == "regression":
            self._measure(labels[there.any(dim=1)])
        group = self._group(labels)
        for r, representation in enumerate(representations):
            centre = getattr(self, f"centre_{r}")
            member = nn.functional.one_hot(group, self.groups).to(centre) * there[:, r, None]
            count = member.sum(dim=0)
            self.seen[r] += count
            share = (count / self.seen[r].clamp(min=1, max=WINDOW)).clamp(max=1)[:, None]
            mean = member.T @ representation.to(centre) / count.clamp(min=1)[:, None]
            centre.lerp_(mean, share)

    def _measure(self, labels: Tensor) -> None:
        values = labels.to(self.moments)
        if not len(values):
            return
        self.moments[0] += len(values)
        share = float(len(values) / self.moments[0].clamp(max=WINDOW))
        now = torch.stack([values.mean(), values.square().mean()])
        self.moments[1:] = self.moments[1:].lerp(now, min(share, 1.0))

    @property
    def middle(self) -> Float[Tensor, ""]:
        """The label that is neither high nor low."""
        mean = self.moments[1]
        return standardised(torch.zeros_like(mean)[None], self.task)[0] if self.task.sentiment else mean

    @property
    def deviation(self) -> Float[Tensor, ""]:
        """Root mean square of the labels around the middle."""
        square = self.moments[2] - 2 * self.middle * self.moments[1] + self.middle.square()
        return square.clamp(min=0).sqrt()

    def _group(self, labels: Tensor) -> Int[Tensor, " batch"]:
        if self.task.kind == "classification":
            return labels.long().clamp(min=0)
        # Neutral as the labels have it, or rounding would decide where a neutral label belongs.
        middle = standardised(torch.zeros_like(labels), self.task) if self.task.sentiment else self.middle
        return (torch.nan_to_num(labels) > middle).long()

    @property
    def ready(self) -> bool:
        """Whether all centres have seen enough; a class that the training split lacks keeps labels as they are."""
        return bool((self.seen >= ENOUGH).all())

    @torch.no_grad()
    def lean(self, representation: Float[Tensor, "batch width"], r: int) -> Float[Tensor, "batch group"]:
        """Which way each sample leans, a: a number from -1 to 1 (regression), or a distribution over classes."""
        centre = getattr(self, f"centre_{r}")
        distance = torch.cdist(representation.detach().to(centre), centre) / centre.shape[1] ** 0.5
        if self.task.kind == "classification":
            lean: Tensor = (-distance / distance.mean(dim=1, keepdim=True).clamp(min=1e-6)).softmax(dim=1)
        else:
            low, high = distance[:, :1], distance[:, 1:]
            lean = (low - high) / (low + high).clamp(min=1e-6)
        return lean

    @torch.no_grad()
    def targets(
        self,
        representation: Float[Tensor, "batch _width"],
        r: int,
        whole: Float[Tensor, "batch _whole"],
        labels: Float[Tensor, " batch"] | Int[Tensor, " batch"],
    ) -> tuple[Float[Tensor, "batch group"], Float[Tensor, " batch"]]:
        """The modality's own labels, and how far they are from the whole's.

        Args:
            representation: of modality r - 1.
            r: its number.
            whole: the representation of all together.
            labels: of the whole, real ones standardised; arbitrary values where unknown come back as arbitrary finite
                ones.

        Returns:
            Values ``[B, 1]`` or distributions ``[B, C]``; and the gap, in deviations of the labels or as total
            variation.  Until the centres are ready: the whole's labels, and no gap.
        """
        moved = self.lean(representation, r) - self.lean(whole, 0)
        if not self.ready:
            moved = torch.zeros_like(moved)
        if self.task.kind == "classification":
            sure = nn.functional.one_hot(self._group(labels), self.groups).to(moved)
            soft = (sure + moved).clamp(min=0)
            soft = soft / soft.sum(dim=1, keepdim=True)
            return soft, (soft - sure).abs().sum(dim=1) / 2
        known = torch.nan_to_num(labels).to(moved)[:, None]
        value = (known + self.deviation * moved).clamp(self.low, self.high)
        return value, ((value - known).abs() / self.deviation.clamp(min=1e-6))[:, 0]
