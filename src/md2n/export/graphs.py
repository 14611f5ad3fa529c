"""What is exported: three graphs of one model, each from features in the data's own units.

========  ========================================  =================================================================
graph     besides features and ``available``        gives
========  ========================================  =================================================================
predict   nothing                                   ``output``, calibrated; ``interval_50`` and so on for real labels
encode    nothing                                   ``latents``
recover   ``noise``, unit normal                    ``NAME_recovered`` and ``NAME_drawn`` of each modality
========  ========================================  =================================================================
"""

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.data.normalise import Normaliser
from md2n.errors import UsageError, did_you_mean
from md2n.evaluation.certainty import LEVELS, TINY, Certainty
from md2n.export.inputs import Inputs
from md2n.export.recovery import DenseRecovery
from md2n.methods.base import MultimodalModel
from md2n.methods.md2n.recovery import DuplexRecovery
from md2n.methods.parts.backbone import Backbone
from md2n.methods.parts.latent import LatentModel
from md2n.modality import Schema
from md2n.shapes import Tensor

GRAPHS = ("predict", "encode", "recover")
AVAILABLE, NOISE = "available", "noise"


class Graph(nn.Module):
    """A graph: tensors in, tensors out, by position.

    Args:
        model: trained, in evaluation mode, on the CPU.
        schema: its modalities and task.
        normaliser: of its run.
    """

    def __init__(self, model: MultimodalModel, schema: Schema, normaliser: Normaliser) -> None:
        super().__init__()
        self.model, self.schema = model, schema
        self.read = Inputs(schema, normaliser)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what goes in, in order."""
        return (*self.schema.names, AVAILABLE)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what comes out, in order."""
        raise NotImplementedError


class Predict(Graph):
    """Predictions as ``Predictor.predict`` gives them, without deviations.

    Args:
        model: see ``Graph``.
        schema: see ``Graph``.
        normaliser: see ``Graph``.
        certainty: of the run; None where it is not calibrated.
    """

    sharpness: Tensor
    half_widths: Tensor

    def __init__(
        self, model: MultimodalModel, schema: Schema, normaliser: Normaliser, certainty: Certainty | None = None
    ) -> None:
        super().__init__(model, schema, normaliser)
        self.raw = raw_prediction(model)
        temperatures = () if certainty is None else certainty.temperatures
        half_widths = () if certainty is None else certainty.half_widths
        self.register_buffer("sharpness", 1 / torch.tensor(temperatures, dtype=torch.float32))
        self.register_buffer("half_widths", torch.tensor(half_widths, dtype=torch.float32))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("output", *(f"interval_{level}" for level in LEVELS if len(self.half_widths)))

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        batch = self.read.batch(tensors[:-1], tensors[-1])
        output, number = self.raw(batch), (batch.available.sum(dim=1) - 1).clamp(min=0)
        if len(self.sharpness):
            logs = output.clamp(min=TINY).log()
            return ((self.sharpness[number][:, None] * logs).softmax(dim=1),)
        ends = (torch.stack([output - half[number], output + half[number]], dim=1) for half in self.half_widths)
        return (output, *ends)


class Encode(Graph):
    """The latents that the encoders give: ``[B, M, L, D]``, zeros where a modality is missing."""

    def __init__(self, model: MultimodalModel, schema: Schema, normaliser: Normaliser) -> None:
        super().__init__(model, schema, normaliser)
        self.backbone = backbone_of(model)

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("latents",)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        batch = self.read.batch(tensors[:-1], tensors[-1])
        return (torch.where(batch.available[:, :, None, None], self.backbone.encode(batch), 0.0),)


class Recover(Graph):
    """The network's recovery: features decoded from one-step estimates, and from one draw.

    What is available comes out as it went in, NaN and all.  What a run is calibrated with after training, its nearest
    training rows, is no part of it.

    Args:
        model: see ``Graph``.
        schema: see ``Graph``.
        normaliser: see ``Graph``.
        calls: network calls behind a draw.

    Raises:
        UsageError: the method recovers nothing by a chain of networks, or has no decoders.
    """

    def __init__(self, model: MultimodalModel, schema: Schema, normaliser: Normaliser, calls: int) -> None:
        super().__init__(model, schema, normaliser)
        recovery = recovery_of(model)
        if recovery is None or not isinstance(model, LatentModel):
            raise UsageError(
                f"'{model.card.title}' has no diffusion, so there is no recovery to export",
                "export its predictions: --what predict; or train 'md2n'",
            )
        if not len(model.decoders):
            raise UsageError("this model was trained without decoders: it recovers latents only", "train with them")
        self.backbone, self.decoders, self.calls = model.backbone, model.decoders, calls
        self.recovery = DenseRecovery(recovery, calls)
        self.noise_shape = len(schema.names), model.backbone.tokens, model.latent.width

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*super().inputs, NOISE)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(f"{name}_{how}" for how in ("recovered", "drawn") for name in self.schema.names)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        features, available, noise = tensors[:-2], tensors[-2], tensors[-1]
        batch = self.read.batch(features, available)
        both = self.recovery(self.backbone.encode(batch), batch.available, noise)
        return tuple(self._decoded(k, latents, x, batch) for latents in both for k, x in enumerate(features))

    def _decoded(self, k: int, latents: Tensor, features: Tensor, batch: SequenceBatch) -> Tensor:
        vector, there = self.schema.modalities[k].is_vector, batch.available[:, k, None]
        decoded = self.read.towards_data(k, self.decoders[k](latents[:, k], 1 if vector else features.shape[1]))
        return torch.where(there, features, decoded[:, 0]) if vector else torch.where(there[:, None], features, decoded)


def raw_prediction(model: MultimodalModel) -> nn.Module:
    """What predicts, without draws and without shapes that depend on data.

    Raises:
        UsageError: the method predicts by draws, or from more than one sample.
    """
    if isinstance(model, LatentModel) and recovery_of(model) is not None:
        return _FromEstimates(model)
    if model.predict_draws or model.conversational:
        how = "reads other utterances of a conversation" if model.conversational else "predicts by random draws"
        raise UsageError(f"'{model.card.title}' {how}: no graph of a fixed shape does that", "export another method")
    return _AsItIs(model)


class _FromEstimates(nn.Module):
    """MD2N's prediction, made from the one-step estimates."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        recovery = recovery_of(model)
        steps = getattr(getattr(model, "config", None), "predict_steps", 1)
        if recovery is None or steps != 1:
            raise UsageError(
                f"this model predicts from draws of {steps} network calls (predict_steps), which is not exported",
                "train with predict_steps = 1, the default",
            )
        self.model, self.recovery = model, DenseRecovery(recovery, 1)

    def forward(self, batch: SequenceBatch) -> Tensor:
        best, _ = self.recovery(self.model.backbone.encode(batch), batch.available)
        return self.model.output(best, batch.available)


class _AsItIs(nn.Module):
    """A method whose own prediction has no shape that depends on data."""

    def __init__(self, model: MultimodalModel) -> None:
        super().__init__()
        self.model, self.generator = model, torch.Generator()

    def forward(self, batch: SequenceBatch) -> Tensor:
        output: Tensor = self.model.predict(batch, self.generator).output
        return output


def recovery_of(model: MultimodalModel) -> DuplexRecovery | None:
    """The chain of networks of a model that recovers by one."""
    recovery = getattr(model, "recovery", None)
    return recovery if isinstance(recovery, DuplexRecovery) else None


def backbone_of(model: MultimodalModel) -> Backbone:
    """Encoders and fusion of a model.

    Raises:
        UsageError: it has none that read all modalities.
    """
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, Backbone) or backbone.names != model.schema.names:
        raise UsageError(f"'{model.card.title}' has no encoders of all modalities", "export its predictions instead")
    return backbone


def graph_of(
    what: str,
    model: MultimodalModel,
    normaliser: Normaliser,
    certainty: Certainty | None = None,
    calls: int | None = None,
) -> Graph:
    """A graph by name.

    Args:
        what: one of ``GRAPHS``.
        model: trained, in evaluation mode, on the CPU.
        normaliser: of its run.
        certainty: of its run; read by ``predict``.
        calls: network calls behind a draw of ``recover``; the model's own setting if not given.

    Raises:
        UsageError: no such graph, the method has no such part, or a label that needs float64.
        ConfigError: more calls than the diffusion has steps.
    """
    if what not in GRAPHS:
        raise UsageError(f"no graph is called '{what}'", did_you_mean(what, GRAPHS))
    if what == "predict":
        if model.schema.task.double:
            raise UsageError(
                f"label '{model.schema.task.label}' needs float64, and graphs are of float32",
                "train on a label with a smaller offset, such as its distance from a round number",
            )
        return Predict(model, model.schema, normaliser, certainty).eval()
    if what == "encode":
        return Encode(model, model.schema, normaliser).eval()
    own = getattr(getattr(model, "config", None), "recover_steps", 1)
    return Recover(model, model.schema, normaliser, calls or own).eval()
