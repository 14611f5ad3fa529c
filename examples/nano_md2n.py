"""MD2N in one file: the paper's method on handwritten digits, from the noise schedule to the training loop.

    python examples/nano_md2n.py             # a few minutes on one CPU core

An image of 8 x 8 pixels is cut into four quarters, which play the four modalities.  One model learns to read the digit
from any set of quarters, and to draw the quarters that are missing.  Equation numbers are those of the paper,
*Unbiased Missing-modality Multimodal Learning* (ICCV 2025).  The package does the same for sequences, gaps in the
training data and the paper's other choices; here every modality is a vector and the training data are complete.

Shapes: B samples, M modalities, L tokens of width D for each modality.
"""

import copy
import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

STEPS, T1, T2 = 1000, 200, 800  # T; refinement is (0, t1], transfer (t1, t2], structure (t2, T]
LENGTH, WIDTH, HIDDEN = 8, 32, 128  # L, D, hidden width of encoders and decoders
GAMMA = 0.3  # weight of recovery in Eq. 17


# The process ----------------------------------------------------------------------------------------------------------


class Process:
    """The forward process of one modality, all three stages in one closed form (Eq. 1 to 9).

    x_t = sqrt(abar_t) [(1 - w_t) x_0 + w_t partner] + sqrt(1 - abar_t) e,   w_t = 0 up to t1 and 1 from t2.
    """

    def __init__(self) -> None:
        beta = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64) ** 2
        alpha = torch.cat([torch.ones(1, dtype=torch.float64), 1 - beta])  # alpha[t] for t = 0..T
        abar = alpha.cumprod(0)
        # Eq. 8: the push Phi is the same at every step of the transfer, and at t2 all of x_0 has become the partner.
        pushed = torch.zeros(STEPS + 1, dtype=torch.float64)  # H_t: what t - t1 pushes of size one have come to
        for t in range(T1 + 1, T2 + 1):
            pushed[t] = 1 + alpha[t].sqrt() * pushed[t - 1]
        phi = abar[T2].sqrt() / pushed[T2]
        w = phi * pushed / abar.sqrt()
        w[T2:] = 1
        self.own = (abar.sqrt() * (1 - w)).float()  # factor of x_0
        self.moved = (abar.sqrt() * w).float()  # factor of the partner
        self.std = (1 - abar).sqrt().float()  # of the noise

    def at(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three factors at steps ``t [B]``, each ``[B, 1, 1]``."""
        return self.own[t][:, None, None], self.moved[t][:, None, None], self.std[t][:, None, None]

    def sample(self, x0: Tensor, partner: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t at once from its two ends and unit noise."""
        own, moved, std = self.at(t)
        return own * x0 + moved * partner + std * noise


# Networks -------------------------------------------------------------------------------------------------------------


def unit(x: Tensor) -> Tensor:
    """Tokens of mean zero and scale one, so that the noise schedule means the same for every modality."""
    return F.layer_norm(x, x.shape[-1:])


def transformer(width: int, dropout: float) -> nn.Module:
    """Two blocks of self-attention over ``[B, tokens, width]``, normalised before each part."""
    layer = nn.TransformerEncoderLayer(
        width, 4, 4 * width, dropout, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.Sequential(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.LayerNorm(width))


class ScoreNetwork(nn.Module):
    """Estimates x_0 of one target from its noisy state and the latents that are there; the score follows from it."""

    def __init__(self, modalities: int, process: Process, width: int = 64) -> None:
        super().__init__()
        self.process, self.width = process, width
        self.state, self.source, self.partner = (nn.Linear(WIDTH, width) for _ in range(3))
        self.place = nn.Parameter(torch.randn(LENGTH, width) * 0.1)
        self.modality = nn.Parameter(torch.randn(modalities, 1, width) * 0.1)
        self.absent = nn.Parameter(torch.randn(modalities, 1, width) * 0.1)
        self.time = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.blocks = transformer(width, dropout=0.0)
        self.out = nn.Linear(width, WIDTH)
        size = modalities * LENGTH * WIDTH  # beyond the paper: a first guess from all latents at once
        self.guess = nn.Sequential(nn.Linear(size + modalities, 256), nn.GELU(), nn.Linear(256, LENGTH * WIDTH))

    def forward(self, x_t: Tensor, t: Tensor, latents: Tensor, side: Tensor) -> Tensor:
        """xhat_0 ``[B, L, D]`` from ``x_t [B, L, D]``, ``t [B]``, and latents ``[B, M, L, D]`` of ``side [B, M]``."""
        known = latents * side[..., None, None]
        partner = make_partner(latents, side)
        # What inference knows of the mean is taken off; the rest is scaled to the best linear estimate of x_0.
        own, moved, std = self.process.at(t)
        clue = own * (x_t - moved * partner) / (own**2 + std**2)
        angle = t[:, None] / STEPS * torch.exp(torch.linspace(0, math.log(1000), self.width // 2))
        time = self.time(torch.cat([angle.sin(), angle.cos()], dim=1))[:, None]
        guess = self.guess(torch.cat([known.flatten(1), side.float()], dim=1)).view_as(x_t)
        tokens = self.state(clue) + self.partner(partner) + self.source(guess) + self.place + time
        sources = torch.where(side[..., None, None], self.source(known) + self.place + self.modality, self.absent)
        mixed = self.blocks(torch.cat([tokens, sources.flatten(1, 2)], dim=1))[:, :LENGTH]
        return guess + self.out(mixed)


class Fusion(nn.Module):
    """The multimodal Transformer (Sec. 3.4): reads given and recovered latents, and is told which is which."""

    def __init__(self, modalities: int, classes: int, width: int = 64) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Linear(WIDTH, width) for _ in range(modalities))
        self.place = nn.Parameter(torch.randn(modalities, LENGTH, width) * 0.1)
        self.recovered = nn.Parameter(torch.randn(width) * 0.1)
        self.summary = nn.Parameter(torch.randn(width) * 0.1)
        self.reading = nn.Sequential(nn.Dropout(0.2), nn.Linear(modalities * LENGTH * WIDTH, width, bias=False))
        self.blocks = transformer(width, dropout=0.2)
        self.head = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(width, width), nn.GELU(), nn.Dropout(0.2), nn.Linear(width, classes)
        )

    def forward(self, latents: Tensor, available: Tensor) -> Tensor:
        """Logits ``[B, classes]`` from ``latents [B, M, L, D]``; ``available [B, M]`` marks those that were given."""
        given = available[..., None, None]
        tokens = torch.stack([project(latents[:, k]) for k, project in enumerate(self.project)], dim=1)
        tokens = tokens + self.place + torch.where(given, 0.0, self.recovered)
        summary = self.summary + self.reading((latents * given).flatten(1))
        return self.head(self.blocks(torch.cat([summary[:, None], tokens.flatten(1, 2)], dim=1))[:, 0])


def make_partner(latents: Tensor, side: Tensor) -> Tensor:
    """x^a ``[B, L, D]``: the mean of the latents of ``side``, normalised again; zero where the side is empty."""
    count = side.sum(1).clamp(min=1)[:, None, None]
    return unit((latents * side[..., None, None]).sum(1) / count)


class NanoMD2N(nn.Module):
    """Encoders, duplex recovery, decoders and fusion, trained end to end (Fig. 2)."""

    def __init__(self, sizes: list[int], classes: int) -> None:
        super().__init__()
        self.process = Process()
        self.encoders = nn.ModuleList(
            nn.Sequential(
                nn.Dropout(0.3), nn.Linear(d, HIDDEN), nn.GELU(), nn.Dropout(0.3), nn.Linear(HIDDEN, LENGTH * WIDTH)
            )
            for d in sizes
        )
        self.decoders = nn.ModuleList(
            nn.Sequential(nn.Linear(LENGTH * WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, d)) for d in sizes
        )
        self.networks = nn.ModuleList(ScoreNetwork(len(sizes), self.process) for _ in sizes)
        self.fusion = Fusion(len(sizes), classes)

    def encode(self, x: list[Tensor]) -> Tensor:
        """Latents ``[B, M, L, D]`` of features ``[B, d_k]`` per modality."""
        return torch.stack([unit(e(v).unflatten(1, (LENGTH, WIDTH))) for e, v in zip(self.encoders, x)], dim=1)

    def estimate(self, latents: Tensor, available: Tensor) -> Tensor:
        """Latents with every missing one replaced by the network's estimate at t2, where its own state says nothing."""
        filled = list(latents.unbind(1))
        for k, network in enumerate(self.networks):
            rows = (~available[:, k]).nonzero()[:, 0]
            known, side, t = latents[rows], available[rows], torch.full((len(rows),), T2)
            state = self.process.moved[T2] * make_partner(known, side)
            filled[k] = filled[k].index_copy(0, rows, network(state, t, known, side))
        return torch.stack(filled, dim=1)

    # Training: Eq. 14 to 17

    def loss(self, x: list[Tensor], labels: Tensor, available: Tensor) -> Tensor:
        """L_total of a batch in which every sample misses a set of its own."""
        latents = self.encode(x)  # with dropout, for fusion
        self.encoders.eval()
        clean = self.encode(x)  # without, for recovery: these are the latents of use
        self.encoders.train()
        filled = self.estimate(clean, available)
        seen = torch.where(available[..., None, None], latents, filled.detach())
        logits = self.fusion(seen, available)
        recovery = self.score_loss(clean, available) + self.decoding_loss(x, filled)
        # Beyond the paper: the complete sample is classified too, and teaches the incomplete one.
        teacher = self.fusion(latents, torch.ones_like(available))
        lesson = F.kl_div(
            logits.log_softmax(1), teacher.detach().log_softmax(1), log_target=True, reduction="batchmean"
        )
        task = F.cross_entropy(logits, labels) + F.cross_entropy(teacher, labels)
        return task + lesson + GAMMA * recovery  # Eq. 17

    def score_loss(self, latents: Tensor, available: Tensor) -> Tensor:
        """L_m + L_a (Eq. 14, 15): either side of a sample recovers the other, at the same t, with independent noise.

        The square of Eq. 15 times the variance and divided by the signal-to-noise ratio is the error of xhat_0.
        """
        t = torch.randint(1, T2 + 1, (len(latents),))
        losses = latents.new_zeros(2)
        for k, network in enumerate(self.networks):
            side = torch.where(available[:, k, None], ~available, available)  # the opposite side of modality k
            rows = side.any(1).nonzero()[:, 0]
            x0, partner = latents[rows, k].detach(), make_partner(latents[rows], side[rows])
            x_t = self.process.sample(x0, partner, t[rows], torch.randn_like(x0))
            error = (network(x_t, t[rows], latents[rows], side[rows]) - x0).square().mean((1, 2))
            back = available[rows, k]
            losses = losses + torch.stack([(error * ~back).sum(), (error * back).sum()])
        missing, given = (~available).sum(), (available & ~available.all(1, keepdim=True)).sum()
        return losses[0] / missing.clamp(min=1) + losses[1] / given.clamp(min=1)

    def decoding_loss(self, x: list[Tensor], filled: Tensor) -> Tensor:
        """L_dec (Eq. 16): given and recovered latents lead back to the features."""
        pairs = zip(self.decoders, x, filled.unbind(1))
        return torch.stack([(decoder(z.flatten(1)) - v).square().mean() for decoder, v, z in pairs]).mean()

    # Use

    @torch.no_grad()
    def predict(self, x: list[Tensor], available: Tensor) -> Tensor:
        """Probabilities ``[B, classes]``; what is not available is never read."""
        latents = self.encode([v.where(available[:, k, None], 0.0) for k, v in enumerate(x)])
        return self.fusion(self.estimate(latents, available), available).softmax(1)

    @torch.no_grad()
    def recover(self, x: list[Tensor], available: Tensor, calls: int = 6) -> list[Tensor]:
        """One draw of every missing modality, ``[B, d_k]`` each (Eq. 10 to 13, deterministic steps from t2 to 0)."""
        latents = self.encode([v.where(available[:, k, None], 0.0) for k, v in enumerate(x)])
        partner, process = make_partner(latents, available), self.process
        times = torch.linspace(T2, 0, calls + 1).long()
        drawn = []
        for network, decoder, v, k in zip(self.networks, self.decoders, x, itertools.count()):
            if bool(available[:, k].all()):
                drawn.append(v)
                continue
            # At t2 the chain is the partner's: it is drawn there, and the structure stage takes no step.
            state = process.moved[T2] * partner + process.std[T2] * torch.randn_like(partner)
            for t, s in itertools.pairwise(times):
                x0 = network(state, t.expand(len(state)), latents, available)
                noise = (state - process.own[t] * x0 - process.moved[t] * partner) / process.std[t]
                state = process.own[s] * x0 + process.moved[s] * partner + process.std[s] * noise
            drawn.append(torch.where(available[:, k, None], v, decoder(state.flatten(1))))
        return drawn


# Data, training, test -------------------------------------------------------------------------------------------------


def quarters() -> tuple[list[np.ndarray], np.ndarray]:
    """Four quarters ``[1797, 16]`` of every digit, and the digits."""
    images, digits = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8).astype(np.float32)
    corners = itertools.product((0, 4), (0, 4))
    return [images[:, i : i + 4, j : j + 4].reshape(-1, 16) for i, j in corners], digits


def draw_patterns(samples: int, modalities: int) -> Tensor:
    """``available [B, M]``: a sample keeps everything with probability .15, else an incomplete, not empty, set."""
    incomplete = torch.tensor(list(itertools.product([False, True], repeat=modalities))[1:-1])
    chosen = incomplete[torch.randint(len(incomplete), (samples,))]
    return chosen | (torch.rand(samples, 1) < 0.15)


def train(x: list[Tensor], labels: Tensor, epochs: int = 40, batch: int = 64, seed: int = 0) -> NanoMD2N:
    """Trains on complete standardised features ``[N, d_k]``; returns the average of the last weights."""
    torch.manual_seed(seed)
    model = NanoMD2N([v.shape[1] for v in x], int(labels.max()) + 1)
    average = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    steps = epochs * math.ceil(len(labels) / batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, steps, pct_start=0.05)
    for epoch in range(epochs):
        for rows in torch.randperm(len(labels)).split(batch):
            loss = model.loss([v[rows] for v in x], labels[rows], draw_patterns(len(rows), len(x)))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for slow, fast in zip(average.parameters(), model.parameters()):
                    slow.lerp_(fast, 0.02)
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1:3d}: loss {loss.item():.3f}")
    return average


def evaluate(model: NanoMD2N, x: list[Tensor], labels: Tensor) -> dict[tuple[bool, ...], float]:
    """Accuracy for every incomplete pattern."""
    patterns = list(itertools.product([False, True], repeat=len(x)))[1:-1]
    sides = {p: torch.tensor(p).expand(len(labels), -1) for p in patterns}
    return {p: float((model.predict(x, side).argmax(1) == labels).float().mean()) for p, side in sides.items()}


def main() -> None:
    """Trains, tests every incomplete pattern, and recovers the last quarter."""
    torch.set_num_threads(1)
    views, digits = quarters()
    order = np.random.default_rng(0).permutation(len(digits))
    fit, test = order[:1200], order[1200:]
    centres = [(v[fit].mean(), v[fit].std()) for v in views]
    x = [torch.tensor((v - m) / s) for v, (m, s) in zip(views, centres)]
    labels = torch.tensor(digits)
    model = train([v[fit] for v in x], labels[fit])
    unseen = [v[test] for v in x]
    accuracy = evaluate(model, unseen, labels[test])
    for pattern, value in accuracy.items():
        print("".join("x" if there else "." for there in pattern), f"{value:.1%}")
    print(f"mean over incomplete patterns: {np.mean(list(accuracy.values())):.1%}")
    side = torch.tensor([True, True, True, False]).expand(len(test), -1)
    drawn = torch.stack([model.recover(unseen, side)[3] for _ in range(8)])
    error = (drawn.mean(0) - unseen[3]).square().mean() / unseen[3].var()
    print(f"the last quarter from the others, mean of eight draws: R² {1 - error:.2f}")


if __name__ == "__main__":
    main()
