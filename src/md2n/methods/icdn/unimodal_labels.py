r"""Unimodal labels by self-supervision: the label of the sample, shifted by the relative distances of a modality.

The representation ``r_k`` of each modality and the multimodal representation ``r_m`` are compared with the centres of
classes, which are running means of training representations.  Regression has two classes, the labels above (high) and
below (low) a midpoint: zero for a sentiment, else the mean label.  With ``D_c = |r - centre_c| / sqrt(width)`` and the
deviation s, the root mean square of labels around the midpoint, relative distances a and unimodal labels y_k are

    regression   a = (D_low - D_high) / (D_low + D_high),       y_k = y + s (a_k - a_m), inside the declared range
    classes      a = softmax_c(-D_c / mean_c D_c),              y_k = max(0, onehot(y) + a_k - a_m), summing to one.

If a modality has the same relative distances as the multimodal representation, it has the label of the sample.  Real
labels are standardised by ``Task.centre`` and ``Task.scale``, as in the heads.

The public code of Self-MM (Yu, Xu, Yuan, Wu: Learning Modality-Specific Representations with Self-Supervised
Multi-Task Learning for Multimodal Sentiment Analysis. AAAI 2021) divides by the distance to the positive centre and
averages the difference with the quotient ``y a_k / a_m``.  It groups the samples of a modality by unimodal labels, and
stores the representations and a moving mean of the labels of each training sample.  Here a is bounded.  There is no
quotient, because it diverges for a_m near zero.  Samples are grouped by their own label.  The centres are moving means,
so nothing is stored of single samples.
"""

from collections.abc import Sequence

import torch
from torch import nn

from md2n.fusion.head import standardised
from md2n.modality import Task
from md2n.shapes import Bool, Float, Int, Tensor

WINDOW = 1000.0  # number of representations that a centre averages over
ENOUGH = 20.0  # representations that a centre needs before it is used


class UnimodalLabels(nn.Module):
    """Class centres and unimodal labels; representation 0 is the multimodal one, k + 1 that of modality k.

    Args:
        widths: widths of the representations.
        task: kind and scale of the labels.
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
        # Count, mean and mean square of the labels.
        self.register_buffer("moments", torch.zeros(3))

    @torch.no_grad()
    def update(
        self,
        representations: Sequence[Float[Tensor, "batch _width"]],
        valid: Bool[Tensor, "batch representation"],
        labels: Float[Tensor, " batch"] | Int[Tensor, " batch"],
    ) -> None:
        """Updates the centres, and the mean and standard deviation of labels, with a training batch.

        Args:
            representations: the multimodal one, then that of each modality.
            valid: True if the representation is of available modalities and the label is known.
            labels: standardised if real; may be unknown where ``valid`` is False.
        """
        if self.task.kind == "regression":
            self._update_moments(labels[valid.any(dim=1)])
        group = self._group(labels)
        for r, representation in enumerate(representations):
            centre = getattr(self, f"centre_{r}")
            member = nn.functional.one_hot(group, self.groups).to(centre) * valid[:, r, None]
            count = member.sum(dim=0)
            self.seen[r] += count
            share = (count / self.seen[r].clamp(min=1, max=WINDOW)).clamp(max=1)[:, None]
            mean = member.T @ representation.to(centre) / count.clamp(min=1)[:, None]
            centre.lerp_(mean, share)

    def _update_moments(self, labels: Tensor) -> None:
        values = labels.to(self.moments)
        if not len(values):
            return
        self.moments[0] += len(values)
        share = float(len(values) / self.moments[0].clamp(max=WINDOW))
        current = torch.stack([values.mean(), values.square().mean()])
        self.moments[1:] = self.moments[1:].lerp(current, min(share, 1.0))

    @property
    def midpoint(self) -> Float[Tensor, ""]:
        """The standardised label between low and high labels."""
        mean = self.moments[1]
        return standardised(torch.zeros_like(mean)[None], self.task)[0] if self.task.sentiment else mean

    @property
    def deviation(self) -> Float[Tensor, ""]:
        """Root mean square of the labels around the midpoint."""
        square = self.moments[2] - 2 * self.midpoint * self.moments[1] + self.midpoint.square()
        return square.clamp(min=0).sqrt()

    def _group(self, labels: Tensor) -> Int[Tensor, " batch"]:
        if self.task.kind == "classification":
            return labels.long().clamp(min=0)
        # Zero is standardised like the labels; otherwise rounding would decide the group of a neutral label.
        midpoint = standardised(torch.zeros_like(labels), self.task) if self.task.sentiment else self.midpoint
        return (torch.nan_to_num(labels) > midpoint).long()

    @property
    def ready(self) -> bool:
        """Whether every centre has averaged enough representations; never, if the training split lacks a class."""
        return bool((self.seen >= ENOUGH).all())

    @torch.no_grad()
    def relative_distances(self, representation: Float[Tensor, "batch width"], r: int) -> Float[Tensor, "batch group"]:
        """The relative distances a: a number from -1 to 1 (regression) or a distribution over classes."""
        centre = getattr(self, f"centre_{r}")
        distance = torch.cdist(representation.detach().to(centre), centre) / centre.shape[1] ** 0.5
        if self.task.kind == "classification":
            relative: Tensor = (-distance / distance.mean(dim=1, keepdim=True).clamp(min=1e-6)).softmax(dim=1)
        else:
            low, high = distance[:, :1], distance[:, 1:]
            relative = (low - high) / (low + high).clamp(min=1e-6)
        return relative

    @torch.no_grad()
    def targets(
        self,
        representation: Float[Tensor, "batch _width"],
        r: int,
        multimodal: Float[Tensor, "batch _multimodal"],
        labels: Float[Tensor, " batch"] | Int[Tensor, " batch"],
    ) -> tuple[Float[Tensor, "batch group"], Float[Tensor, " batch"]]:
        """The unimodal labels, and their distance to the labels of the samples.

        Args:
            representation: of modality r - 1.
            r: number of the representation.
            multimodal: the multimodal representation.
            labels: of the samples, standardised if real.  The result for an unknown label is arbitrary but finite.

        Returns:
            Values ``[B, 1]`` or distributions ``[B, C]``; and the distance, in standard deviations of the labels or as
            total variation.  Until the centres are ready: the labels of the samples, and distance zero.
        """
        shift = self.relative_distances(representation, r) - self.relative_distances(multimodal, 0)
        if not self.ready:
            shift = torch.zeros_like(shift)
        if self.task.kind == "classification":
            hard = nn.functional.one_hot(self._group(labels), self.groups).to(shift)
            soft = (hard + shift).clamp(min=0)
            soft = soft / soft.sum(dim=1, keepdim=True)
            return soft, (soft - hard).abs().sum(dim=1) / 2
        known = torch.nan_to_num(labels).to(shift)[:, None]
        value = (known + self.deviation * shift).clamp(self.low, self.high)
        return value, ((value - known).abs() / self.deviation.clamp(min=1e-6))[:, 0]
