"""What an exported graph has to answer: the model's own answer, by its own code, on made-up samples."""

import numpy as np
import torch

from md2n.batch import SequenceBatch
from md2n.data.normalise import Normaliser
from md2n.evaluation.certainty import LEVELS, Certainty
from md2n.export.graphs import Encode, Graph, Predict, Recover
from md2n.noise import Noise
from md2n.shapes import Float, Int, Tensor

SEED = 0


class FixedNoise(Noise):
    """Noise that is handed in, whatever it is asked for.

    Args:
        values: ``[B, M, L, D]``, or ``[B, L, D]`` once a modality was chosen.
    """

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def like(self, x: Float[Tensor, "batch *rest"], *names: str | int) -> Float[Tensor, "batch *rest"]:
        return self.values.to(x)

    def fork(self, *names: str | int) -> "FixedNoise":
        return FixedNoise(self.values[:, names[0]]) if isinstance(names[0], int) else self

    def rows(self, index: Int[Tensor, " chosen"]) -> "FixedNoise":
        return FixedNoise(self.values[index])

    def draws(self, count: int) -> "FixedNoise":
        return FixedNoise(self.values.repeat(count, *[1] * (self.values.dim() - 1)))


def example(graph: Graph, rows: int, short: bool = False) -> tuple[Tensor, ...]:
    """Inputs of a graph, in the units of the data: normal features, every pattern, sequences of every length.

    Args:
        graph: whose inputs.
        rows: B.
        short: sequences of two thirds of the longest in training, at most.
    """
    generator = torch.Generator().manual_seed(SEED + rows)
    features = []
    for k, modality in enumerate(graph.schema.modalities):
        frames = max(1, 2 * modality.length // 3) if short else modality.length
        x = graph.read.towards_data(k, torch.randn(rows, frames, modality.dim, generator=generator))
        length = torch.randint(1, frames + 1, (rows,), generator=generator)
        length[0] = frames
        x = torch.where((torch.arange(frames) < length[:, None])[..., None], x, torch.nan)
        features.append(x[:, 0] if modality.is_vector else x)
    count = len(features)
    available = torch.rand(rows, count, generator=generator) < 0.5
    available[torch.arange(rows), torch.arange(rows) % count] = True
    tensors: tuple[Tensor, ...] = (*features, available)
    if isinstance(graph, Recover):
        tensors += (torch.randn(rows, *graph.noise_shape, generator=generator),)
    return tensors


def reference(
    graph: Graph, tensors: tuple[Tensor, ...], normaliser: Normaliser, certainty: Certainty | None
) -> list[Tensor]:
    """The outputs of ``graph`` by the code that trains, evaluates and predicts, with its shapes that depend on data.

    Args:
        graph: of the model.
        tensors: see ``example``.
        normaliser: of the run.
        certainty: of the run, or None.
    """
    count = len(graph.schema.names)
    features, available = tensors[:count], tensors[count]
    with torch.inference_mode():
        batch = graph.read.batch(features, available)
        if isinstance(graph, Encode):
            latents = graph.backbone.encode(batch)
            return [torch.where(batch.available[:, :, None, None], latents, 0.0)]
        if isinstance(graph, Predict):
            return _predicted(graph, batch, certainty)
        assert isinstance(graph, Recover)
        return _recovered(graph, batch, features, tensors[-1], normaliser)


def _predicted(graph: Predict, batch: SequenceBatch, certainty: Certainty | None) -> list[Tensor]:
    output = graph.model.predict(batch, torch.Generator(), draws=1).output.numpy()
    number = batch.available.sum(dim=1).numpy()
    if certainty is None:
        return [torch.from_numpy(output)]
    if graph.schema.task.classes:
        return [torch.from_numpy(certainty.probabilities(output, number))]
    return [torch.from_numpy(x) for x in (output, *(certainty.interval(level, output, number) for level in LEVELS))]


def _recovered(
    graph: Recover, batch: SequenceBatch, features: tuple[Tensor, ...], noise: Tensor, normaliser: Normaliser
) -> list[Tensor]:
    latents = graph.backbone.encode(batch)
    both = graph.recovery.recovery.recover(latents, batch.available, FixedNoise(noise), graph.calls)
    answers = []
    for each in both:
        for k, (modality, x) in enumerate(zip(graph.schema.modalities, features)):
            time = 1 if modality.is_vector else x.shape[1]
            decoded = graph.decoders[k](each[:, k], time).clamp(-normaliser.limit, normaliser.limit)
            own = torch.from_numpy(np.array(normaliser.invert(modality.name, decoded.numpy())))
            there = batch.available[:, k].view(-1, 1, 1)
            own = torch.where(there, x[:, None] if modality.is_vector else x, own)
            answers.append(own[:, 0] if modality.is_vector else own)
    return answers


def gap(answers: list[Tensor], wanted: list[Tensor]) -> float:
    """The largest difference, relative to numbers above one; infinite where one is NaN and the other is not."""
    worst = 0.0
    for x, y in zip(answers, wanted, strict=True):
        x, y = x.double(), y.double()
        if x.shape != y.shape or bool((x.isnan() != y.isnan()).any()):
            return float("inf")
        worst = max(worst, float(((x - y).abs() / y.abs().clamp(min=1)).nan_to_num().max()))
    return worst
