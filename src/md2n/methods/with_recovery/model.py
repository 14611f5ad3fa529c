r"""Any method behind the recovery of another one: what is missing is filled before the method sees the sample.

    xhat = Recover(x^a),        prediction = method(x^a, xhat),        the method's own inputs, none missing

Training has two parts.  First the recovering method is trained as ever.  Then its weights rest, and the method is
trained on filled samples; with u the weight ``unfilled``,

    L = (L_method(x^a, xhat) + u L_method(x^a)) / (1 + u).

The second term keeps what the method itself does about missing modalities: MCTN's translations have no target in a
filled sample.  Where nothing is missing both terms are one.  With the identity as recovery this is the method alone.

The paper puts its duplex recovery into MCTN (Table 3).  How is not said; here features are filled, so that every method
can be given them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch

from md2n.batch import SequenceBatch
from md2n.config import from_mapping
from md2n.errors import ConfigError
from md2n.methods.base import Card, Losses, MultimodalModel, Phase, Prediction, Recovers
from md2n.methods.catalogue import MODELS, build, config_class
from md2n.methods.with_recovery.config import WithRecoveryConfig
from md2n.modality import Schema
from md2n.shapes import Bool, Float, Tensor

OWN = "with_recovery"
# Methods that a recovery cannot be put in front of, and why.
REFUSED = {
    OWN: "it has a recovery already",
    "majority": "it reads no modality",
    "dedicated": "it has a network for every set of modalities, and filled samples are all of one set",
    "gcnet": "it reads whole conversations, which training keeps together for the method alone",
}


def check_pair(method: str, recovery: str) -> None:
    """Refuses a method that cannot be given filled samples, and a recovery that has no features to give.

    Raises:
        ConfigError: names the method and the reason.
        UsageError: no such method.
    """
    MODELS.check(method)
    if method in REFUSED:
        able = ", ".join(name for name in MODELS.names() if name not in REFUSED)
        raise ConfigError(f"'{method}' cannot take a recovery: {REFUSED[method]}", f"model.method is one of: {able}")
    if recovery in REFUSED or not MODELS.get(recovery).card.recovers:
        able = ", ".join(n for n in MODELS.names() if n not in REFUSED and MODELS.get(n).card.recovers)
        raise ConfigError(f"'{recovery}' recovers no features", f"model.recovery is one of: {able}")


class WithRecovery(MultimodalModel):
    """A method whose samples are filled by a recovery that was trained before it.

    Paper: Sec. 4.3.

    Raises:
        ConfigError: the method cannot take a recovery, or the recovery has no features to give.
    """

    card: ClassVar[Card] = Card(
        title="with recovery",
        paper="Dai, Li, Yan, Mo, Qin, He: Unbiased Missing-modality Multimodal Learning. ICCV 2025, Table 3",
        year=2025,
        family="recovery",
        differences="The paper does not say how its recovery is put into MCTN. Here it is trained first, then rests, "
        "and fills features, so that any method can follow. The method is also trained on what is not filled. A "
        "recovered sequence has a fixed number of frames, for the true one is unknown. The recovery is not calibrated "
        "after training, and what it recovers is not measured.",
        recovers=False,
    )

    def __init__(self, schema: Schema, config: WithRecoveryConfig) -> None:
        super().__init__(schema)
        check_pair(config.method, config.recovery)
        self.config = config
        own = {"calibration": "none"} if hasattr(config_class(config.recovery)(), "calibration") else {}
        settings = {**config.recovery_settings, **own}
        self.recovery = _built(config.recovery, schema, settings, "model.recovery_settings")
        self.method = _built(config.method, schema, config.method_settings, "model.method_settings")
        self.inner: dict[str, tuple[str, Phase]] = {}
        for part, model in (("recovery", self.recovery), ("method", self.method)):
            self.inner |= {f"{part}: {phase.name}": (part, phase) for phase in model.phases()}

    def phases(self) -> Sequence[Phase]:
        shares = {"recovery": self.config.share, "method": 1 - self.config.share}
        whole = dict.fromkeys(shares, 0.0)
        for part, phase in self.inner.values():
            whole[part] += phase.share if phase.fit is None else 0.0
        return tuple(
            replace(
                phase,
                name=name,
                share=phase.share / (whole[part] or 1.0) * shares[part],
                trains=tuple(f"{part}.{prefix}" for prefix in phase.trains),
            )
            for name, (part, phase) in self.inner.items()
        )

    def independent_parts(self) -> Sequence[str]:
        return tuple(f"{part}.{p}" for part in ("recovery", "method") for p in getattr(self, part).independent_parts())

    def enter(self, phase: Phase) -> None:
        super().enter(phase)
        part, own = self.inner[phase.name]
        (self.recovery if part == "recovery" else self.method).enter(own)

    @property
    def recovering(self) -> bool:
        """Whether the recovery is what is trained now."""
        return self.inner.get(self.phase, ("method",))[0] == "recovery"

    def train(self, mode: bool = True) -> "WithRecovery":
        """Sets the mode.  A trained recovery stays in evaluation mode, so it fills as it will in use."""
        super().train(mode)
        if not self.recovering:
            self.recovery.eval()
        return self

    def loss(self, batch: SequenceBatch, generator: torch.Generator) -> Losses:
        if self.recovering:
            return self.recovery.loss(batch, generator)
        u = self.config.unfilled
        if u == 0 or not bool(batch.missing.any()):
            return self.method.loss(self.filled(batch, generator), generator)
        terms = (("", self.filled(batch, generator), 1.0), ("unfilled ", batch, u))
        return Losses(
            {
                f"{prefix}{name}": weight / (1 + u) * value
                for prefix, samples, weight in terms
                for name, value in self.method.loss(samples, generator).parts.items()
            }
        )

    @property
    def predict_draws(self) -> int:
        return self.method.predict_draws

    def predict(self, batch: SequenceBatch, generator: torch.Generator, *, draws: int | None = None) -> Prediction:
        if self.recovering:
            return self.recovery.predict(batch, generator, draws=draws)
        return self.method.predict(self.filled(batch, generator), generator, draws=draws)

    def filled(self, batch: SequenceBatch, generator: torch.Generator) -> SequenceBatch:
        """The samples with every modality available: features as they are where they were, recovered where not.

        What is recovered has no gaps.  Nothing is drawn where nothing is missing.
        """
        if not bool(batch.missing.any()):
            return batch
        batch = self._long_enough(batch)
        assert isinstance(self.recovery, Recovers)
        with torch.no_grad():
            back = self.recovery.recover(batch, generator, draws=1, steps=self.config.steps).features
        features, valid, cells = dict(batch.features), dict(batch.valid), dict(batch.cells)
        for k, modality in enumerate(self.schema.modalities):
            name, gone = modality.name, batch.missing[:, k]
            features[name] = torch.where(gone[:, None, None], back[name].to(features[name]), features[name])
            frames = torch.arange(valid[name].shape[1], device=batch.device) < self._frames(modality.length)
            valid[name] = torch.where(gone[:, None], frames, valid[name])
            if name in cells:
                cells[name] = cells[name] | gone[:, None, None]
        every = torch.ones_like(batch.available)
        return replace(batch, features=features, valid=valid, cells=cells, present=every, available=every)

    def _frames(self, longest: int) -> int:
        return min(self.config.frames, longest)

    def _long_enough(self, batch: SequenceBatch) -> SequenceBatch:
        """The batch with room for recovered sequences: as many frames, whatever else is in the batch."""

        def padded(x: Tensor, time: int) -> Tensor:
            short = max(0, time - x.shape[1])
            return torch.cat([x, x.new_zeros(len(x), short, *x.shape[2:])], dim=1) if short else x

        times = {m.name: self._frames(m.length) for m in self.schema.modalities}
        features: dict[str, Float[Tensor, "batch _time _dim"]] = {
            k: padded(x, times[k]) for k, x in batch.features.items()
        }
        valid: dict[str, Bool[Tensor, "batch _time"]] = {k: padded(x, times[k]) for k, x in batch.valid.items()}
        cells: dict[str, Bool[Tensor, "batch _time _dim"]] = {k: padded(x, times[k]) for k, x in batch.cells.items()}
        return replace(batch, features=features, valid=valid, cells=cells)


def _built(name: str, schema: Schema, settings: Mapping[str, Any], where: str) -> MultimodalModel:
    return build(name, schema, from_mapping(config_class(name), settings, where))
