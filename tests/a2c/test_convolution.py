"""The network that sees pictures: in numpy as in TensorFlow, what its critic looks at, and how pixels are scaled."""

from typing import Any

import numpy as np
import pytest

from sim2real.a2c.config import A2CConfig
from sim2real.a2c.convolution import picture_of
from sim2real.a2c.network import ActorCritic
from sim2real.a2c.norms import PixelNorm
from sim2real.errors import TrainingError
from sim2real.policy.policy import normalize

PICTURE, N_IN = (10, 14, 3), 10 * 14 * 3
SMALL: dict[str, Any] = {
    "convolutions": ({"filters": 4, "size": 4, "stride": 2}, {"filters": 5, "size": 2}),
    "hidden": (6,),
}


def network_of(n_privileged: int = 0, **config: Any) -> ActorCritic:
    settings = A2CConfig(**SMALL | config)
    network = ActorCritic(N_IN, n_privileged, 2, settings, 0, n_std=2, picture=PICTURE)
    rng = np.random.default_rng(1)
    for variable in [*network.actor_variables, *network.critic_variables]:
        variable.assign(rng.normal(scale=0.3, size=variable.shape))
    return network


def seen(n: int = 20, n_privileged: int = 0) -> np.ndarray:
    return np.random.default_rng(2).uniform(size=(n, N_IN + n_privileged)).astype(np.float32)


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
@pytest.mark.parametrize(
    ("n_privileged", "kind"),
    [(0, {"shared": True, "actor_step": "first_order"}), (0, {}), (3, {"critic_hidden": (7, 7)})],
    ids=["shared", "apart", "asymmetric"],
)
def test_numpy_equals_tensorflow(activation, n_privileged, kind):
    network, x = network_of(n_privileged, activation=activation, **kind), seen(20, n_privileged)
    acting = network.snapshot()
    for result in (network.both(x), (network.act(x), network.value(x))):
        for theirs, ours in zip(result, (acting.act(x), acting.value(x)), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)
            assert ours.dtype == np.float32


def test_a_critic_that_sees_more_does_not_look_at_the_picture():
    network, x = network_of(n_privileged=3), seen(20, 3)
    other = x.copy()
    other[:, :N_IN] = 1 - x[:, :N_IN]
    for functions in (network, network.snapshot()):
        np.testing.assert_array_equal(functions.value(x), functions.value(other))
        assert not np.allclose(functions.act(x), functions.act(other))
    other = x.copy()
    other[:, N_IN:] += 1
    np.testing.assert_array_equal(network.snapshot().act(x), network.snapshot().act(other))
    assert not np.allclose(network.value(x), network.value(other))


def test_without_more_to_see_the_critic_looks_at_the_picture():
    network, x = network_of(), seen()
    assert not np.allclose(network.value(x), network.value(1 - x))


def test_a_picture_too_small_for_its_convolutions_is_refused():
    with pytest.raises(TrainingError, match=r"^a2c\.convolutions: filters of 8 x 8 on a picture of 10 x 3; make them"):
        ActorCritic(30, 0, 2, A2CConfig(), 0, picture=(10, 3, 1))


def test_what_is_a_picture():
    assert picture_of((4,)) is None
    assert picture_of((84, 96)) == (84, 96, 1)
    assert picture_of((84, 96, 3)) == (84, 96, 3)


def test_pixels_have_one_mean_and_one_deviation_and_the_rest_its_own():
    norm, rng = PixelNorm(6, 2, learned=True), np.random.default_rng(0)
    batch = np.concatenate([rng.integers(0, 256, (500, 6)), rng.normal(5.0, 3.0, (500, 2))], axis=1).astype(np.float32)
    batch[:, 0] = 255  # the same in all pictures, and stays visible
    norm.update(batch)
    normal = norm.normalize(batch)
    assert normal.dtype == np.float32
    assert (normal[:, :6].mean(), normal[:, :6].std()) == pytest.approx((0, 1), abs=0.1)  # some pictures stand for all
    np.testing.assert_allclose(normal[:, 6:].mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(normal[:, 6:].std(axis=0), 1, atol=1e-3)
    mean, std = norm.scale(6)
    np.testing.assert_allclose(normal[:, :6], normalize(batch[:, :6], mean, std), atol=1e-6)
    assert len(set(mean)) == len(set(std)) == 1


def test_statistics_stay_where_they_are_not_asked_for():
    norm = PixelNorm(1, 1, learned=False)
    norm.update(np.array([[200.0, 7.0]]))
    assert norm.normalize(np.array([[51.0, 7.0]], np.float32))[0].tolist() == pytest.approx([0.2, 7.0], rel=1e-5)
    assert norm.scale(3)[1] == pytest.approx(np.full(3, 255.0))
