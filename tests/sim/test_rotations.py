"""Quaternions: what the functions promise, for any rotation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real.sim.rotations import compose, from_rpy, from_vector, inverse, rotate, to_rpy

ANGLE = st.floats(-3.0, 3.0)
TURN = st.tuples(ANGLE, st.floats(-1.5, 1.5), ANGLE)


@given(TURN)
def test_roll_pitch_and_yaw_come_back(rpy):
    np.testing.assert_allclose(to_rpy(from_rpy(np.array(rpy))), rpy, atol=1e-9)


@given(TURN, TURN)
def test_composing_turns_turns_twice(first, then):
    a, b, v = from_rpy(np.array(then)), from_rpy(np.array(first)), np.array([0.3, -1.0, 2.0])
    np.testing.assert_allclose(rotate(compose(a, b), v), rotate(a, rotate(b, v)), atol=1e-12)
    np.testing.assert_allclose(rotate(inverse(a), rotate(a, v)), v, atol=1e-12)


@pytest.mark.parametrize("axis", range(3))
@given(angle=ANGLE)
def test_a_vector_along_an_axis_is_a_turn_about_it(axis, angle):
    vector = np.eye(3)[axis] * angle
    np.testing.assert_allclose(from_vector(vector), from_rpy(vector), atol=1e-15)


def test_a_turn_about_a_vector_leaves_the_vector_and_turns_by_its_length():
    vector = np.array([[0.1, -0.7, 0.4], [1e-9, 0.0, 2e-9], [0.0, 0.0, 0.0]])
    turns = from_vector(vector)
    np.testing.assert_allclose(rotate(turns, vector), vector, atol=1e-15)
    np.testing.assert_allclose(2 * np.arcsin(np.linalg.norm(turns[:, :3], axis=1)), np.linalg.norm(vector, axis=1))
    np.testing.assert_allclose(np.linalg.norm(turns, axis=1), 1.0, atol=1e-15)


def test_rotating_by_nothing_keeps_every_bit():
    v, nothing = np.random.default_rng(0).normal(size=(50, 3)), np.array([0.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(rotate(nothing, v), v)
    q = from_rpy(v)
    np.testing.assert_array_equal(compose(q, nothing), q)
    np.testing.assert_array_equal(compose(q, from_vector(np.zeros((50, 3)))), q)
