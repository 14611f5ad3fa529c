"""Ridge regression for any number of rows and columns, with strength chosen by generalised cross-validation."""

from dataclasses import dataclass

import torch

from md2n.brief import brief
from md2n.shapes import Float, Tensor

STRENGTHS = torch.logspace(-3, 4, 15)  # times the mean squared singular value, so the grid does not depend on units
CAUTION = 1.4  # factor of the degrees of freedom in cross-validation


@dataclass(frozen=True)
class Ridge:
    """``y = y_mean + (x - x_mean) V W``, factored so that no p x p and no p x q matrix is formed.

    Args:
        x_mean: ``[p]``.
        y_mean: ``[q]``.
        basis: ``[p, r]`` right singular vectors V of the centred inputs, ``r <= min(n, p)``.
        weights: ``[r, q]``, ``s / (s^2 + lambda) U^T y``.
        strength: the chosen lambda.
        residuals: ``[n, q]`` leave-one-out residuals of the training rows at this strength.
    """

    x_mean: Float[Tensor, " p"]
    y_mean: Float[Tensor, " q"]
    basis: Float[Tensor, "p r"]
    weights: Float[Tensor, "r q"]
    strength: float
    residuals: Float[Tensor, "n q"]

    __repr__ = brief

    def __call__(self, x: Float[Tensor, "batch p"]) -> Float[Tensor, "batch q"]:
        """Predictions for rows of inputs."""
        return self.y_mean + (x - self.x_mean) @ self.basis @ self.weights


def fit_ridge(x: Float[Tensor, "n p"], y: Float[Tensor, "n q"]) -> Ridge:
    """Fits a ridge regression on the smaller of the two Gram matrices; generalised cross-validation chooses lambda.

    GCV(lambda) = n |y - H y|^2 / (n - 1.4 tr H)^2 with H the hat matrix (Golub, Heath, Wahba 1979).  The factor 1.4
    prevents undersmoothing (Kim and Gu 2004).  It matters if rows are not independent, e.g. in data normalised by
    person: plain GCV then chooses a fit that interpolates.  If x is constant, the prediction is the mean of y.

    Leave-one-out residuals follow from the leverages without a second fit: (y_i - yhat_i) / (1 - H_ii).  Here H
    includes the mean: H = 1 1^T / n + U diag(s^2 / (s^2 + lambda)) U^T.
    """
    x_mean, y_mean = x.mean(0), y.mean(0)
    a, b = (x - x_mean).double(), (y - y_mean).double()
    count, wide = a.shape[0], a.shape[1] > a.shape[0]
    squares, vectors = torch.linalg.eigh(a @ a.T if wide else a.T @ a)
    significant = squares > squares.max().clamp(min=1e-12) * 1e-10
    s = squares[significant].sqrt()
    u = vectors[:, significant] if wide else a @ vectors[:, significant] / s
    v = a.T @ u / s if wide else vectors[:, significant]
    target = u.T @ b
    outside = (b.square().sum() - target.square().sum()).clamp(min=0)  # squared residual of the unpenalised fit
    best, best_gcv = float("nan"), float("inf")
    for strength in (STRENGTHS.double() * s.square().mean()).tolist() if len(s) else []:
        shrink = s.square() / (s.square() + strength)
        residual = outside + ((1 - shrink)[:, None] * target).square().sum()
        freedom = count - 1 - CAUTION * shrink.sum()
        gcv = float(residual / freedom.square())
        if freedom > 0 and gcv < best_gcv:
            best, best_gcv = strength, gcv
    weights = (s / (s.square() + best))[:, None] * target
    shrink = s.square() / (s.square() + best)
    leverage = 1 / count + u.square() @ shrink
    # A single row has leverage 1: its residual and its divisor are zero.
    residuals = (b - u @ (shrink[:, None] * target)) / (1 - leverage).clamp(min=1e-12)[:, None]
    return Ridge(x_mean, y_mean, v.to(x.dtype), weights.to(x.dtype), best, residuals.to(x.dtype))
