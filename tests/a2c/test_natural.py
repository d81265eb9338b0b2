"""The natural gradient: products with Fisher's matrix against the matrix itself, and conjugate gradients at work."""

from typing import Any

import numpy as np
import pytest

from sim2real.a2c.backend import tf
from sim2real.a2c.config import A2CConfig
from sim2real.a2c.distributions import Categorical, Gaussian, MultiCategorical
from sim2real.a2c.natural import conjugate_gradient, dot, fisher_product
from sim2real.a2c.network import ActorCritic

DAMPING = 0.05
FAMILIES: dict[str, Any] = {
    "gaussian": (Gaussian(2), 2, 2),
    "gaussian, deviations of the state": (Gaussian(2), 4, 0),
    "categorical": (Categorical(3), 3, 0),
    "multi_categorical": (MultiCategorical((2, 3)), 5, 0),
}


def network_of(n_out: int, n_std: int) -> ActorCritic:
    network = ActorCritic(3, 2, n_out, A2CConfig(hidden=(4,)), 0, n_std=n_std)
    rng = np.random.default_rng(1)
    for variable in network.actor_variables:
        variable.assign(rng.normal(scale=0.5, size=variable.shape))
    return network


def parted(flat: np.ndarray, variables: list[Any]) -> list[tf.Tensor]:
    """Return a vector of all parameters in the shapes of the variables."""
    ends = np.cumsum([int(np.prod(v.shape)) for v in variables])[:-1]
    parts = zip(np.split(flat, ends), variables, strict=True)
    return [tf.constant(part.reshape(v.shape).astype(np.float32)) for part, v in parts]


def flattened(parts: list[tf.Tensor]) -> np.ndarray:
    return np.concatenate([part.numpy().ravel() for part in parts]).astype(np.float64)


def jacobian_of(network: ActorCritic, seen: np.ndarray) -> np.ndarray:
    """How outputs move with the parameters, one at a time by central differences: (n, size, n_parameters)."""
    columns = []
    for variable in network.actor_variables:
        start = variable.numpy()
        for index in np.ndindex(start.shape):
            ends = []
            for step in (1e-2, -1e-2):
                moved = start.copy()
                moved[index] += step
                variable.assign(moved)
                ends.append(network.act(seen).numpy().astype(np.float64))
            columns.append((ends[0] - ends[1]) / 2e-2)
        variable.assign(start)
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize(("family", "n_out", "n_std"), FAMILIES.values(), ids=FAMILIES)
def test_products_are_those_with_the_matrix_itself(family, n_out, n_std):
    """F = mean_n J_n^T M_n J_n + damping I, built from differences and the matrix of the distribution."""
    network, seen = network_of(n_out, n_std), np.random.default_rng(2).normal(size=(6, 5)).astype(np.float32)
    jacobian, output = jacobian_of(network, seen), network.act(seen).numpy()
    size, n = family.size, jacobian.shape[2]
    matrices = np.stack(
        [family.fisher(np.tile(row, (size, 1)), np.eye(size, dtype=np.float32)).numpy() for row in output]
    )
    fisher = np.einsum("nai,nab,nbj->ij", jacobian, matrices, jacobian) / len(seen) + DAMPING * np.eye(n)
    variables = network.actor_variables
    product = fisher_product(lambda: network.act(tf.constant(seen)), variables, family, DAMPING)
    rng = np.random.default_rng(3)
    for _ in range(3):
        vector = rng.normal(size=(n,))
        found = flattened(product(parted(vector, variables)))
        np.testing.assert_allclose(found, fisher @ vector, rtol=2e-3, atol=2e-3)
    assert np.abs(fisher - DAMPING * np.eye(n)).max() > 10 * DAMPING, "the damping is not what was compared"


def test_a_product_belongs_to_the_parameters_of_now():
    network = network_of(2, 2)
    seen = tf.constant(np.random.default_rng(2).normal(size=(6, 5)).astype(np.float32))
    variables = network.actor_variables
    vector = [tf.ones(v.shape) for v in variables]

    @tf.function
    def moved() -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        before = fisher_product(lambda: network.act(seen), variables, Gaussian(2), 0.0)(vector)
        for variable in variables:
            variable.assign_add(0.3 * tf.ones(variable.shape))
        return before, fisher_product(lambda: network.act(seen), variables, Gaussian(2), 0.0)(vector)

    before, after = (flattened(parts) for parts in moved())
    assert np.abs(before - after).max() > 1e-2
    now = flattened(fisher_product(lambda: network.act(seen), variables, Gaussian(2), 0.0)(vector))
    np.testing.assert_allclose(after, now, rtol=1e-5, atol=1e-5)


def system(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A symmetric positive definite matrix with condition number 9, and a right side."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(n, n)))[0]
    return turn @ np.diag(np.linspace(1.0, 9.0, n)) @ turn.T, rng.normal(size=n)


def solved(matrix: np.ndarray, g: np.ndarray, iterations: int) -> np.ndarray:
    """Solve with the unknowns in two tensors of different shape."""
    a, n = tf.constant(matrix.astype(np.float32)), len(g)

    def product(vector: Any) -> list[tf.Tensor]:
        whole = tf.linalg.matvec(a, tf.concat([tf.reshape(part, [-1]) for part in vector], axis=0))
        return [tf.reshape(whole[:4], (2, 2)), whole[4:]]

    sides = [tf.constant(g[:4].reshape(2, 2).astype(np.float32)), tf.constant(g[4:].astype(np.float32))]
    found = flattened(conjugate_gradient(product, sides, iterations))
    assert found.shape == (n,)
    return found


def test_conjugate_gradients_solve_a_known_system():
    matrix, g = system(7, 0)
    np.testing.assert_allclose(solved(matrix, g, 7), np.linalg.solve(matrix, g), rtol=1e-4, atol=1e-5)


def test_conjugate_gradients_by_hand():
    """A = diag(1, 4), g = (1, 1): the first step is g^T g / g^T A g = 2/5, the second ends at (1, 1/4)."""

    def product(vector: Any) -> list[tf.Tensor]:
        return [vector[0], 4.0 * vector[1]]

    g = [tf.constant([1.0]), tf.constant([1.0])]
    assert flattened(conjugate_gradient(product, g, 1)).tolist() == pytest.approx([0.4, 0.4])
    assert flattened(conjugate_gradient(product, g, 2)).tolist() == pytest.approx([1.0, 0.25])


def test_more_iterations_are_nearer_in_the_norm_of_the_matrix():
    matrix, g = system(12, 1)
    exact = np.linalg.solve(matrix, g)
    errors = [(exact - x) @ matrix @ (exact - x) for x in (solved(matrix, g, k) for k in range(8))]
    assert (np.diff(errors) < 0).all()
    # The classical bound with a condition number of 9: 2 ((3 - 1) / (3 + 1))^k in that norm.
    assert errors[7] < (2 * 0.5**7) ** 2 * errors[0]


@pytest.mark.parametrize("g", [np.zeros(6), np.eye(6)[2]])
def test_conjugate_gradients_stay_put_once_exact(g):
    found = solved(2.0 * np.eye(6), g, 20)
    np.testing.assert_allclose(found, g / 2.0, atol=1e-6)


def test_dot_by_hand():
    a = [tf.constant([[1.0, 2.0]]), tf.constant([3.0])]
    assert float(dot(a, [tf.constant([[4.0, 5.0]]), tf.constant([-2.0])])) == pytest.approx(8.0)
