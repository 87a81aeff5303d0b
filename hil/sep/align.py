"""Carries one node's embeddings into another's space, learned from inputs that both nodes encoded.

Orthogonal Procrustes (Schoenemann, Psychometrika 31, 1966) asks for the rotation that takes one set of anchors onto
the other. With fewer anchors than dimensions it turns everything the anchors do not show by an arbitrary amount, which
is worse than doing nothing; so the rotation is drawn towards identity, and what no anchor touches stays where it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hil.errors import InvalidValueError
from hil.sep.vectors import cosine_distance, unit64
from hil.types import Float32Array, Float64Array

__all__ = ["SHRINKAGES", "Alignment", "choose_alignment", "fit_alignment"]

SHRINKAGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
FOLDS = 4
RANK_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """A rotation of d dimensions that moves only the k that anchors showed.

    Attributes:
        basis: (d, k) orthonormal columns: the directions the anchors span.
        turn: (k, k) orthogonal: what happens among them.
        shrinkage: How strongly it was drawn towards identity; infinite for identity itself.
    """

    basis: Float64Array
    turn: Float64Array
    shrinkage: float

    @classmethod
    def identity(cls, dimensions: int) -> Alignment:
        """Return the alignment that changes nothing."""
        return cls(np.zeros((dimensions, 0)), np.zeros((0, 0)), math.inf)

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return not self.basis.size

    def matrix(self) -> Float64Array:
        """Return the (d, d) orthogonal matrix that row vectors are multiplied by."""
        rank = self.basis.shape[1]
        return np.eye(len(self.basis)) + self.basis @ (self.turn - np.eye(rank)) @ self.basis.T

    def apply(self, vectors: Float32Array) -> Float32Array:
        """Return (..., d) vectors in the other space; lengths and angles are kept."""
        if self.is_identity:
            return vectors
        wide = np.asarray(vectors, dtype=np.float64)
        moved = wide + (wide @ self.basis) @ (self.turn - np.eye(len(self.turn))) @ self.basis.T
        return moved.astype(np.float32)


def fit_alignment(own: Float32Array, shared: Float32Array, *, shrinkage: float = 1.0) -> Alignment:
    """Return the rotation R that minimises ``|own R - shared|^2 + shrinkage |R - I|^2`` over orthogonal R.

    The minimiser is the orthogonal polar factor of ``own.T @ shared + shrinkage * I``, found among the at most
    2 n directions that the anchors span; outside them that factor is the identity.

    Args:
        own: (n, d) anchors as the sender encodes them.
        shared: (n, d) the same anchors as the receiver encodes them.
        shrinkage: Zero trusts the anchors alone, infinity ignores them; in units of one anchor.

    Raises:
        InvalidValueError: The anchors do not pair up, or the shrinkage is negative.
    """
    mine, theirs = unit64(own), unit64(shared)
    if mine.ndim != 2 or mine.shape != theirs.shape:
        message = f"anchors must be pairs of (n, d) vectors, but got {mine.shape} and {theirs.shape}"
        raise InvalidValueError(message)
    if not shrinkage >= 0:
        message = f"shrinkage must be zero or positive, but is {shrinkage}"
        raise InvalidValueError(message)
    if math.isinf(shrinkage) or np.array_equal(mine, theirs):
        return Alignment.identity(mine.shape[1])
    basis = _span(np.concatenate([mine, theirs]))
    small = (mine @ basis).T @ (theirs @ basis) + shrinkage * np.eye(basis.shape[1])
    left, _, right = np.linalg.svd(small)
    return Alignment(basis, left @ right, shrinkage)


def _span(vectors: Float64Array) -> Float64Array:
    """Return (d, k) orthonormal directions that (n, d) vectors span."""
    _, strength, directions = np.linalg.svd(vectors, full_matrices=False)
    kept: Float64Array = directions[strength > RANK_TOLERANCE * max(strength.max(initial=0.0), 1.0)].T
    return kept


def choose_alignment(own: Float32Array, shared: Float32Array, *, shrinkages: Sequence[float] = SHRINKAGES) -> Alignment:
    """Return the alignment whose shrinkage does best on anchors it was not fitted to; identity is among the choices.

    Args:
        own: (n, d) anchors as the sender encodes them.
        shared: (n, d) the same anchors as the receiver encodes them.
        shrinkages: What to try besides identity.
    """
    if len(own) < FOLDS:
        return Alignment.identity(np.shape(own)[1])
    candidates = [math.inf, *shrinkages]
    best = min(candidates, key=lambda shrinkage: _held_out_distance(own, shared, shrinkage))
    return fit_alignment(own, shared, shrinkage=best)


def _held_out_distance(own: Float32Array, shared: Float32Array, shrinkage: float) -> float:
    fold = np.arange(len(own)) % FOLDS
    distances = []
    for held_out in range(FOLDS):
        rest = fold != held_out
        alignment = fit_alignment(own[rest], shared[rest], shrinkage=shrinkage)
        distances.append(cosine_distance(alignment.apply(own[~rest]), shared[~rest]))
    return float(np.nan_to_num(np.concatenate(distances), nan=1.0).mean())
