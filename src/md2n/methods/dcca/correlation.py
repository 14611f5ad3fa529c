r"""Total correlation of two sets of codes, and the whitening that belongs to it.

Of codes ``A`` and ``B`` ``[n, k]`` with (co)variances S over their rows,

    corr(A, B) = || (S_aa + r I)^-1/2 S_ab (S_bb + r I)^-1/2 ||_tr,

the sum of the k canonical correlations (Andrew et al. 2013, Eq. 10), each shrunk by the ridge r: codes equal to one
another reach var / (var + r) per component.

No eigenvector is differentiated: their derivatives divide by differences of eigenvalues and burst where two meet, as
all do when training succeeds.  Inverse Cholesky factors stand in for the inverse roots; they differ by a rotation,
which singular values do not see.  The derivative of their sum is ``U V^T``, bounded always.  Everything is float64 on
the CPU: the matrices are small, and not every device has float64.
"""

import torch

from md2n.shapes import Float, Tensor


def canonical_correlations(
    a: Float[Tensor, "n _width_a"], b: Float[Tensor, "n _width_b"], ridge: float
) -> Float[Tensor, " component"]:
    """Correlations of the two sets of rows, largest first; differentiable, also where several are equal.

    Args:
        a: codes of one view, in float64 or float32, n >= 2.
        b: codes of the other view of the same samples.
        ridge: r > 0, in units of the codes' variance.

    Returns:
        Values in [0, 1) (NaN where a code is not finite), float64, on the CPU.
    """
    a, b = _centred(a), _centred(b)
    cross = a.T @ b / (len(a) - 1)
    left = torch.linalg.solve_triangular(_factor(_covariance(a), ridge), cross, upper=False)
    both = torch.linalg.solve_triangular(_factor(_covariance(b), ridge), left.T, upper=False)
    if not bool(torch.isfinite(both).all()):
        # The decomposition would raise; as a number it reaches the training loop, which names the term and stops.
        return torch.full((min(both.shape),), float("nan"), dtype=both.dtype)
    correlations: Tensor = torch.linalg.svdvals(both)
    return correlations


def whitening(codes: Float[Tensor, "n width"], ridge: float) -> Float[Tensor, "width width"]:
    """``(S + r I)^-1/2`` of the rows' covariance, symmetric: whitened components stay near the ones they were.

    Args:
        codes: n >= 1; a single row has no variance.
        ridge: r > 0.
    """
    covariance = _covariance(_centred(codes))
    squares, vectors = torch.linalg.eigh(covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype))
    root: Tensor = (vectors * squares.rsqrt()) @ vectors.T
    return root.to(codes)


def _centred(codes: Tensor) -> Tensor:
    wide = codes.cpu().double()
    return wide - wide.mean(dim=0)


def _covariance(centred: Tensor) -> Tensor:
    covariance: Tensor = centred.T @ centred / max(len(centred) - 1, 1)
    return covariance


def _factor(covariance: Tensor, ridge: float) -> Tensor:
    eye = torch.eye(len(covariance), dtype=covariance.dtype)
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance + ridge * eye)
    return factor * float("nan") if bool(failed) else factor
