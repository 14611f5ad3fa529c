r"""Total correlation of two sets of codes, and whitening.

The total correlation of codes ``A`` and ``B`` ``[n, k]`` with (co)variance matrices S is

    corr(A, B) = || (S_aa + r I)^-1/2 S_ab (S_bb + r I)^-1/2 ||_tr.

This is the sum of the k canonical correlations (Andrew et al. 2013, Eq. 10), each shrunk by the ridge r.  Equal codes
reach var / (var + r) per component.

Eigenvectors are not differentiated.  Their derivatives divide by differences of eigenvalues and diverge where two are
equal, as all are when training succeeds.  Inverse Cholesky factors replace the inverse square roots.  The two differ by
a rotation, which does not change singular values.  The derivative of the sum of singular values is ``U V^T``, which is
always bounded.  All computations are in float64 on the CPU: the matrices are small, and some devices have no float64.
"""

import torch

from md2n.shapes import Float, Tensor


def canonical_correlations(
    a: Float[Tensor, "n _width_a"], b: Float[Tensor, "n _width_b"], ridge: float
) -> Float[Tensor, " component"]:
    """Canonical correlations, largest first; differentiable even if several are equal.

    Args:
        a: codes of one view, in float64 or float32, n >= 2.
        b: codes of the other view of the same samples.
        ridge: r > 0, in units of the codes' variance.

    Returns:
        Values in [0, 1) in float64 on the CPU; NaN if a code is not finite.
    """
    a, b = _centred(a), _centred(b)
    cross = a.T @ b / (len(a) - 1)
    left = torch.linalg.solve_triangular(_factor(_covariance(a), ridge), cross, upper=False)
    both = torch.linalg.solve_triangular(_factor(_covariance(b), ridge), left.T, upper=False)
    if not bool(torch.isfinite(both).all()):
        # svdvals would raise.  A NaN reaches the training loop, which names the term and stops.
        return torch.full((min(both.shape),), float("nan"), dtype=both.dtype)
    correlations: Tensor = torch.linalg.svdvals(both)
    return correlations


def whitening(codes: Float[Tensor, "n width"], ridge: float) -> Float[Tensor, "width width"]:
    """``(S + r I)^-1/2`` with the covariance S of the rows; symmetric, so whitened components stay near the originals.

    Args:
        codes: n >= 1; a single row has no variance.
        ridge: r > 0.
    """
    covariance = _covariance(_centred(codes))
    squares, vectors = torch.linalg.eigh(covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype))
    root: Tensor = (vectors * squares.rsqrt()) @ vectors.T
    return root.to(codes)


def _centred(codes: Tensor) -> Tensor:
    double = codes.cpu().double()
    return double - double.mean(dim=0)


def _covariance(centred: Tensor) -> Tensor:
    covariance: Tensor = centred.T @ centred / max(len(centred) - 1, 1)
    return covariance


def _factor(covariance: Tensor, ridge: float) -> Tensor:
    eye = torch.eye(len(covariance), dtype=covariance.dtype)
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance + ridge * eye)
    return factor * float("nan") if bool(failed) else factor
