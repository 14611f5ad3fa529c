r"""Normalising flow of DiCMoR over a latent of D channels at L positions, and the prior of its codes.

A step is that of Glow (Kingma and Dhariwal 2018, *Glow*, Table 1).  The last column is the log-determinant:

    actnorm             y = exp(s) (x + b)                              L sum s
    invertible 1x1      y = W x,    W = P L U                           L sum log |diag U|
    affine coupling     y_1 = x_1,  y_2 = exp(a(x_1)) x_2 + c(x_1)      sum a(x_1)

The initial W is a rotation and the initial coupling is the identity, so an untrained flow mixes all channels and keeps
all norms.  With the output r of the network, ``a = B tanh(r / B)`` is bounded, which limits the gain of the inverse.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from md2n.shapes import Float, Int, Tensor

BOUND = 2.0  # B
NARROW = 1e-2  # least standard deviation of a channel in actnorm, so that a constant channel is not amplified


class AffineMaps(nn.Module):
    """Actnorm and the invertible 1x1 convolution of every step, combined into one affine map per step.

    Args:
        steps: number of steps of the flow.
        width: D.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, steps: int, width: int) -> None:
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(steps, width, width))
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal(dim1=1, dim2=2)
        self.register_buffer("permutation", permutation.contiguous())
        self.register_buffer("sign", diagonal.sign().contiguous())
        # The parameters are factors of W, so an average of two models (weight averaging) is invertible, too.
        self.lower = nn.Parameter(lower.tril(-1).contiguous())
        self.upper = nn.Parameter(upper.triu(1).contiguous())
        self.log_diagonal = nn.Parameter(diagonal.abs().log())
        self.bias = nn.Parameter(torch.zeros(steps, width))
        self.log_scale = nn.Parameter(torch.zeros(steps, width))

    def matrices(self) -> Float[Tensor, "step width width"]:
        """``W exp(s)`` of every step."""
        unit = torch.eye(self.bias.shape[1], dtype=self.bias.dtype, device=self.bias.device)
        upper = self.upper.triu(1) + torch.diag_embed(self.sign * self.log_diagonal.exp())
        mixing: Tensor = self.permutation @ (self.lower.tril(-1) + unit) @ upper
        return mixing * self.log_scale.exp()[:, None]

    def log_determinants(self) -> Float[Tensor, " step"]:
        """The log-determinant of every step for one position."""
        return self.log_diagonal.sum(dim=1) + self.log_scale.sum(dim=1)


class Coupling(nn.Module):
    """Affine coupling: a network scales and shifts the last channels (target) depending on the first ones (source).

    Args:
        width: D >= 2.
        hidden: width of the network, which has three convolutions.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.source_width, self.target_width = width // 2, width - width // 2
        self.network = nn.Sequential(
            nn.Conv1d(self.source_width, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, 1),
            nn.ReLU(),
            nn.Conv1d(hidden, 2 * self.target_width, 3, padding=1),
        )
        last = self.network[-1]
        assert isinstance(last, nn.Conv1d) and last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def terms(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Log-scale a and shift c of the target channels."""
        raw, shift = self.network(source).split(self.target_width, dim=1)
        return BOUND * torch.tanh(raw / BOUND), shift

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output y of an input x, and the log-determinant per row."""
        source, target = torch.split(x, [self.source_width, self.target_width], dim=1)
        a, c = self.terms(source)
        return torch.cat([source, target * a.exp() + c], dim=1), a.sum(dim=(1, 2))

    def inverse(self, y: Tensor) -> Tensor:
        """The input x of an output y."""
        source, target = torch.split(y, [self.source_width, self.target_width], dim=1)
        a, c = self.terms(source)
        return torch.cat([source, (target - c) * (-a).exp()], dim=1)


class Flow(nn.Module):
    """A bijection of latents ``[D, L]``.

    Args:
        width: D >= 2.
        steps: number of steps.
        hidden: width of the network in a coupling.
    """

    def __init__(self, width: int, steps: int, hidden: int) -> None:
        super().__init__()
        self.mixings = AffineMaps(steps, width)
        self.couplings = nn.ModuleList(Coupling(width, hidden) for _ in range(steps))

    def forward(
        self, x: Float[Tensor, "row width position"]
    ) -> tuple[Float[Tensor, "row width position"], Float[Tensor, " row"]]:
        """The code, and the log-determinant of the Jacobian."""
        matrices = self.mixings.matrices()
        shifts = matrices @ self.mixings.bias[..., None]
        log_determinant = (x.shape[2] * self.mixings.log_determinants().sum()).expand(len(x))
        for matrix, shift, coupling in zip(matrices, shifts, self.couplings):
            x, coupling_log_determinant = coupling(matrix @ x + shift)
            log_determinant = log_determinant + coupling_log_determinant
        return x, log_determinant

    def inverse(self, code: Float[Tensor, "row width position"]) -> Float[Tensor, "row width position"]:
        """The latent of a code."""
        inverses = torch.linalg.inv(self.mixings.matrices())
        biases = self.mixings.bias[..., None]
        for inverse, bias, coupling in reversed(list(zip(inverses, biases, self.couplings))):
            assert isinstance(coupling, Coupling)
            code = inverse @ coupling.inverse(code) - bias
        return code

    @torch.no_grad()
    def fit_actnorms(self, x: Float[Tensor, "row width position"]) -> None:
        """Sets every actnorm so that its output has zero mean and unit standard deviation over these latents."""
        for k, coupling in enumerate(self.couplings):
            self.mixings.bias[k] = -x.mean(dim=(0, 2))
            self.mixings.log_scale[k] = -x.std(dim=(0, 2), correction=0).clamp(min=NARROW).log()
            matrix = self.mixings.matrices()[k]
            x, _ = coupling(matrix @ (x + self.mixings.bias[k][:, None]))


class ClassPrior(nn.Module):
    """A Gaussian over codes for each class, shared by all modalities; initially standard normal.

    Args:
        classes: number of classes.
        width: D.
        positions: L.
    """

    def __init__(self, classes: int, width: int, positions: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(classes, width, positions))
        self.log_std = nn.Parameter(torch.zeros(classes, width, positions))

    def log_density(
        self, code: Float[Tensor, "row width position"], classes: Int[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """Log-density of codes given their classes; for an unknown class (-1), that of the uniform mixture."""
        z = (code[:, None] - self.mean) * (-self.log_std).exp()
        each = (-0.5 * z.square() - self.log_std - 0.5 * math.log(2 * math.pi)).sum(dim=(2, 3))
        mixed = each.logsumexp(dim=1) - math.log(each.shape[1])
        return torch.where(classes < 0, mixed, each.gather(1, classes.clamp(min=0)[:, None])[:, 0])


def bits_per_number(log_density: Float[Tensor, " row"], size: int) -> Float[Tensor, ""]:
    """Mean negative log-density of latents of ``size`` numbers, in bits per number, clipped at zero."""
    return F.relu(-log_density.mean() / (math.log(2) * size))
