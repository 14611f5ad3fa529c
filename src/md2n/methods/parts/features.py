"""Features from decoded latents: combined with the translation, drawn as widely as validation says (beyond the paper).

The latent path alone can be worse than a linear map, and it does not know its error on samples it was not trained on.
Here the decoded estimate is one of four parts of the answer (``calibration``), and draws add residuals of matched
training rows, so that features of a draw go together as they do in data (``translation``).  A modality
that is a long sequence, or has no translation, keeps the draws of the latents' walk, scaled.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import nn

from md2n.batch import SequenceBatch
from md2n.methods.base import Recovery
from md2n.methods.parts.calibration import (
    COUNTS,
    FEWEST,
    Calibration,
    Ends,
    Intervals,
    Squares,
    best_count,
    combination,
    ends_of,
    normal_ends,
    thin,
)
from md2n.methods.parts.rows import between
from md2n.methods.parts.translation import Local, Translation
from md2n.modality import Schema
from md2n.noise import SampleNoise
from md2n.shapes import Float, Int, Tensor

NO_FLOAT64 = ("mps",)  # kinds of device that cannot compute a translation

Views = Callable[[], Iterable[tuple[SequenceBatch, Recovery]]]


class FeatureRecovery(nn.Module):
    """Makes the answer of what the decoders and the translation say; changes nothing before ``fit``.

    Args:
        schema: modalities.
        translated: whether there is a translation.
        network: False gives decoded latents no weight, which shows what they bring.
    """

    def __init__(self, schema: Schema, translated: bool, network: bool = True) -> None:
        super().__init__()
        self.schema, self.network = schema, network
        self.translation = Translation(schema) if translated else None
        self.calibration = Calibration(len(schema.modalities))

    @property
    def calibrated(self) -> bool:
        """Whether any modality was calibrated."""
        return any(map(self.calibration.ready, range(len(self.schema.modalities))))

    def matched(self, k: int) -> bool:
        """Whether modality k is drawn from matched rows once it is calibrated."""
        t = self.translation
        return t is not None and t.whole(k) and bool(t.held[:, k].any())

    def walks(self, batch: SequenceBatch) -> bool:
        """Whether draws of latents are needed for what a batch misses."""
        missing = batch.missing.any(dim=0).nonzero()[:, 0].tolist()
        return any(not (self.calibration.ready(k) and self.matched(k)) for k in missing)

    def keep(self, training: Iterable[SequenceBatch]) -> None:
        """Keeps rows of complete training batches for the translation."""
        if self.translation is not None:
            self.translation.fit(training)

    def fit(self, views: Views) -> Sequence[str]:
        """Calibrates every modality that enough validation rows hold.

        Args:
            views: called twice: validation batches with something hidden, and their decoded latents.

        Returns:
            A sentence where a modality was left as it was.
        """
        names, first = self.schema.names, 0 if self.translation is None else 1
        rows: list[set[int]] = [set() for _ in names]
        squares = [[Squares() for _ in COUNTS] for _ in names]
        for batch, plain in views():
            for k, one in self._hidden(batch, plain):
                rows[k].update(batch.sample_keys[one.rows].tolist())
                for count, moments in zip(COUNTS, squares[k]):
                    moments.add(one.parts(count)[:, one.real], one.truth[one.real])
        enough = [len(r) >= FEWEST for r in rows]
        weights = [
            [s.weights(len(r), first, self.network) for s in of] if ok else []
            for r, of, ok in zip(rows, squares, enough)
        ]
        intervals = [[Intervals() for _ in COUNTS] for _ in names]
        for batch, plain in views():
            for k, one in self._hidden(batch, plain):
                real = thin(one.real.flatten(1))
                for count, w, of in zip(COUNTS, weights[k], intervals[k]):
                    error = one.truth - one.point(count, w)
                    low, high = (thin(end.flatten(2))[:, real] for end in one.ends(count, float(w[3])))
                    of.add(thin(error.flatten(1))[real], (low, high))
        for k, several in enumerate(intervals):
            if enough[k]:
                best = best_count([one.score for one in several])
                self.calibration.put(k, weights[k][best], several[best].factor(len(rows[k])), COUNTS[best])
        left = [name for name, ok in zip(names, enough) if not ok]
        if not left:
            return ()
        return (
            f"not calibrated: {', '.join(left)}. Fewer than {FEWEST} validation samples hold it and something to "
            "recover it from; its recoveries are those of the decoder alone, their intervals may be too narrow",
        )

    def _hidden(self, batch: SequenceBatch, plain: Recovery) -> Iterable[tuple[int, "Parts"]]:
        """The parts of every modality that a batch hides from samples whose data hold it."""
        near = self._near(batch)
        for k in range(len(self.schema.names)):
            rows = (batch.present & batch.missing)[:, k].nonzero()[:, 0]
            if len(rows):
                yield k, Parts(self, batch, plain, near, k, rows)

    def answer(self, batch: SequenceBatch, plain: Recovery, count: int, noise: SampleNoise) -> Recovery:
        """The calibrated recovery.

        Args:
            batch: what is given.
            plain: decoded latents; with ``count`` draws where ``walks`` says so.
            count: draws.
            noise: of the samples.
        """
        c, names = self.calibration, self.schema.names
        near = self._near(batch) if self.calibrated else []
        features, std, draws = dict(plain.features), dict(plain.std), dict(plain.draws)
        for k, name in enumerate(names):
            rows = batch.missing[:, k].nonzero()[:, 0]
            if not len(rows) or not c.ready(k):
                draws[name] = draws[name].expand(count, *draws[name].shape[1:])
                continue
            one, best, h, factor = (
                Parts(self, batch, plain, near, k, rows),
                int(c.count[k]),
                float(c.weights[k, 3]),
                float(c.factor[k]),
            )
            point = one.centre + one.point(best, c.weights[k])
            if self.matched(k):
                drawn, wide = one.drawn(best, h, noise, count), one.deviation(best, h)
            else:
                drawn, wide = plain.draws[name][:, rows] - plain.features[name][rows], plain.std[name][rows]
            features[name] = features[name].index_copy(0, rows, point)
            std[name] = std[name].index_copy(0, rows, factor * wide)
            values = batch.readable(name)
            draws[name] = values.expand(count, *values.shape).index_copy(1, rows, point + factor * drawn)
        return Recovery(features, std, draws, plain.latents)

    def _near(self, batch: SequenceBatch) -> list[Local]:
        return [] if self.translation is None else list(self.translation.local(batch))


class Parts:
    """What is said of modality k of the samples that miss it, as frames.

    Args:
        owner: whose translation and modalities.
        batch: the samples.
        plain: their decoded latents.
        near: what the translation says of the batch.
        k: the modality.
        rows: ``[n]`` places of the samples.
    """

    def __init__(
        self,
        owner: FeatureRecovery,
        batch: SequenceBatch,
        plain: Recovery,
        near: Sequence[Local],
        k: int,
        rows: Int[Tensor, " n"],
    ) -> None:
        self.t, self.k, self.rows, self.matched = owner.translation, k, rows, owner.matched(k)
        self.near = [one for one in near if one.target == k]
        self.name = owner.schema.names[k]
        self.decoded, self.std = plain.features[self.name], plain.std[self.name]
        self.centre = torch.zeros_like(self.decoded[:1])
        if self.t is not None and self.near:
            self.centre = self.t.stretched(self.t.framed(self.t.centre(k), k), k, self.decoded)[None]
        self.truth = batch.truth(self.name)[rows] - self.centre
        self.real = batch.real(self.name)[rows].expand_as(self.truth)

    def parts(self, count: int) -> Float[Tensor, "part n time dim"]:
        """The four parts of ``calibration`` less the training mean, from ``count`` matched rows."""
        decoded = self.decoded[self.rows] - self.centre
        if not self.near:
            return torch.stack([decoded, *[torch.zeros_like(decoded)] * 3])
        mean = self._framed(lambda one: one.mean) - self.centre
        shift = self._framed(lambda one: one.residuals[:, :count].mean(dim=1))
        answer = self._framed(lambda one: one.answers[:, :count].mean(dim=1)) - self.centre
        return torch.stack([decoded, mean, shift, answer])

    def point(self, count: int, weights: Float[Tensor, " part"]) -> Float[Tensor, "n time dim"]:
        """Xhat - mu of ``calibration``, within the range of t + e and what matched rows differ from it by.

        So a number that all of them agree on is theirs, whatever the decoder makes of it.
        """
        parts = self.parts(count)
        mean = combination(parts, weights)
        if not self.matched:
            return mean

        def reach(one: Local) -> Float[Tensor, "end n q"]:
            dev = one.dev(count, float(weights[3]))
            return torch.stack([dev.amin(dim=1), dev.amax(dim=1)])

        low, high = parts[1] + parts[2] + self._framed(reach)
        return mean.maximum(low).minimum(high)

    def ends(self, count: int, h: float) -> Ends:
        """The intervals that draws promise around the point, ``[level, n, time, dim]`` each."""
        if not self.matched:
            return normal_ends(self.std[self.rows])
        both = self._framed(lambda one: torch.cat(ends_of(one.dev(count, h).transpose(0, 1))))
        low, high = both.chunk(2)
        return low, high

    def drawn(self, count: int, h: float, noise: SampleNoise, draws: int) -> Float[Tensor, "draw n time dim"]:
        """Differences of ``draws`` draws from the point, each of the ranks of a matched row."""
        return self._framed(
            lambda one: between(noise.rows(one.members).fork("matched", self.k), one.dev(count, h), draws)
        )

    def deviation(self, count: int, h: float) -> Float[Tensor, "n time dim"]:
        """Their standard deviation; their mean is zero."""
        return self._framed(lambda one: one.dev(count, h).square().mean(dim=1).sqrt())

    def _framed(self, of: Callable[[Local], Float[Tensor, "*lead n q"]]) -> Float[Tensor, "*lead m time dim"]:
        values = [of(one) for one in self.near]
        whole = self.decoded.new_zeros(*values[0].shape[:-2], len(self.decoded), values[0].shape[-1])
        for one, x in zip(self.near, values):
            whole[..., one.members, :] = x.to(whole)
        assert self.t is not None
        frames = self.t.stretched(self.t.framed(whole, self.k), self.k, self.decoded)
        return frames[..., self.rows, :, :]
