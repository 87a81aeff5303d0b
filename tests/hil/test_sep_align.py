"""Alignment: always a rotation, right where there are anchors, harmless where there are none."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.stats import ortho_group

from hil.errors import InvalidValueError
from hil.rng import stream
from hil.sep.align import Alignment, choose_alignment, fit_alignment
from hil.sep.vectors import cosine_distance, unit

sizes = st.tuples(st.integers(1, 12), st.integers(2, 8))
seeds = st.integers(0, 2**32 - 1)


def random_pair(n, d, seed):
    rng = stream(seed, "anchors")
    return unit(rng.normal(size=(n, d))), unit(rng.normal(size=(n, d)))


@given(sizes, seeds, st.floats(1e-3, 100))
def test_alignment_is_orthogonal(size, seed, shrinkage):
    rotation = fit_alignment(*random_pair(*size, seed), shrinkage=shrinkage).matrix()
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(size[1]), atol=1e-9)


@given(sizes, seeds, st.floats(1e-3, 100))
def test_alignment_is_the_polar_factor_of_the_whole_problem(size, seed, shrinkage):
    own, shared = random_pair(*size, seed)
    own64, shared64 = (
        unit64 / np.linalg.norm(unit64, axis=1, keepdims=True) for unit64 in map(np.float64, (own, shared))
    )
    wanted = own64.T @ shared64 + shrinkage * np.eye(size[1])
    left, strength, right = np.linalg.svd(wanted)
    if strength.min() > 1e-4:  # otherwise the minimiser is not unique
        np.testing.assert_allclose(
            fit_alignment(own, shared, shrinkage=shrinkage).matrix(), left @ right, atol=1e-6 / strength.min()
        )


@given(sizes, seeds)
def test_alignment_keeps_lengths_and_angles(size, seed):
    own, shared = random_pair(*size, seed)
    moved = fit_alignment(own, shared).apply(own)
    np.testing.assert_allclose(moved @ moved.T, own @ own.T, atol=1e-5)


@given(sizes, seeds)
def test_alignment_applies_its_matrix(size, seed):
    own, shared = random_pair(*size, seed)
    alignment = fit_alignment(own, shared)
    np.testing.assert_allclose(alignment.apply(own), own.astype(np.float64) @ alignment.matrix(), atol=1e-6)


def test_alignment_without_shrinkage_and_with_many_anchors_equals_scipy():
    own, shared = random_pair(100, 8, 5)
    expected, _ = orthogonal_procrustes(own.astype(np.float64), shared.astype(np.float64))
    np.testing.assert_allclose(fit_alignment(own, shared, shrinkage=0.0).matrix(), expected, atol=1e-6)


def test_alignment_with_enough_anchors_finds_a_true_rotation():
    rotation = ortho_group.rvs(16, random_state=stream(2, "rotation"))
    own = unit(stream(2, "own").normal(size=(200, 16)))
    alignment = fit_alignment(own, unit(own @ rotation), shrinkage=1e-9)
    np.testing.assert_allclose(alignment.matrix(), rotation, atol=1e-6)


@given(sizes, seeds)
def test_alignment_of_equal_anchors_changes_no_bit(size, seed):
    own, vectors = random_pair(*size, seed)
    alignment = fit_alignment(own, own.copy())
    assert alignment.is_identity
    assert alignment.apply(vectors).tobytes() == vectors.tobytes()


def test_alignment_leaves_what_no_anchor_shows():
    own, shared = np.eye(6, dtype=np.float32)[:1], np.eye(6, dtype=np.float32)[1:2]
    moved = fit_alignment(own, shared, shrinkage=0.01).apply(np.eye(6, dtype=np.float32))
    np.testing.assert_allclose(moved[2:], np.eye(6)[2:], atol=1e-7)


def test_alignment_with_few_anchors_is_better_than_nothing_where_plain_procrustes_is_worse():
    """16 anchors in 384 dimensions, a sender whose space is turned a little; 400 unseen vectors judge."""
    rng = stream(8, "few anchors")
    antisymmetric = rng.normal(size=(384, 384)) * 0.01
    turn = np.linalg.qr(np.eye(384) + antisymmetric - antisymmetric.T)[0]
    turn *= np.sign(np.diag(turn))
    centres = rng.normal(size=(10, 384))
    shared = unit(np.repeat(centres, 42, axis=0) + 0.5 * rng.normal(size=(420, 384)))
    own = unit(shared @ turn.T)
    anchors = np.arange(0, 420, 26)[:16]
    unseen = np.setdiff1d(np.arange(420), anchors)

    def miss(alignment):
        return float(cosine_distance(alignment.apply(own[unseen]), shared[unseen]).mean())

    plain, _ = orthogonal_procrustes(own[anchors].astype(np.float64), shared[anchors].astype(np.float64))
    plain_miss = float(cosine_distance(own[unseen] @ plain, shared[unseen]).mean())
    nothing = miss(Alignment.identity(384))
    assert miss(choose_alignment(own[anchors], shared[anchors])) < 0.9 * nothing
    assert plain_miss > nothing


def test_choice_of_alignment_with_unrelated_anchors_is_identity():
    own, shared = random_pair(16, 64, 9)
    assert choose_alignment(own, own + 1e-3 * stream(1, "noise").normal(size=own.shape)).shrinkage > 1
    assert math.isinf(choose_alignment(own[:3], shared[:3]).shrinkage)


def test_alignment_with_mismatched_anchors_or_shrinkage_is_refused():
    own, shared = random_pair(4, 5, 1)
    with pytest.raises(InvalidValueError, match="pairs"):
        fit_alignment(own[:3], shared)
    with pytest.raises(InvalidValueError, match="shrinkage"):
        fit_alignment(own, shared, shrinkage=-1.0)
