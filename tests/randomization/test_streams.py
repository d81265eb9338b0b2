"""Random streams: independent, the same whatever runs beside them, and saved as plain numbers."""

import json

import numpy as np
import pytest

from randomization.streams import Noise, stream
from sim2real.errors import RandomizationError

N_WORLDS, WIDTH = 64, 5


def test_streams_differ_by_seed_purpose_and_index():
    draws = [stream(*key).random() for key in ((0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", 0, 0))]
    assert len(set(draws)) == len(draws)
    assert stream(0, "a", 3).random() == stream(0, "a", 3).random()


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_world_gets_the_same_bits_among_any_number_of_worlds(kind):
    many = Noise(7, "gyro", N_WORLDS, WIDTH)
    together = np.array([getattr(many, kind)() for _ in range(150)])
    for world in (0, 1, 63):
        alone = Noise(7, "gyro", 1, WIDTH, first=world)
        np.testing.assert_array_equal([getattr(alone, kind)()[0] for _ in range(150)], together[:, world])


def test_a_call_for_some_worlds_does_not_move_the_others_on():
    noise, alone = Noise(7, "gyro", 3, WIDTH), Noise(7, "gyro", 1, WIDTH, first=2)
    for step in range(200):
        noise.normal(np.array([0]) if step % 3 else np.array([1, 0]))
    np.testing.assert_array_equal(noise.normal(np.array([2])), alone.normal())
    np.testing.assert_array_equal(noise.normal(np.array([2, 1]))[0], alone.normal()[0])


def test_skipped_steps_are_those_that_would_have_been_drawn():
    drawn, skipping = Noise(7, "gyro", 4, WIDTH), Noise(7, "gyro", 4, WIDTH)
    rows = [(drawn.normal(), drawn.uniform()) for _ in range(300)]
    for step, (normal, uniform) in enumerate(rows):
        if step % 70 < 68:
            skipping.skip()
        else:
            np.testing.assert_array_equal(skipping.normal(), normal)
            np.testing.assert_array_equal(skipping.uniform(), uniform)


def test_the_state_is_plain_data_and_goes_on_where_it_was_taken():
    noise = Noise(7, "gyro", 3, WIDTH)
    for step in range(130):
        noise.normal(None if step % 2 else np.array([1]))
        noise.uniform()
    saved = json.loads(json.dumps(noise.state()))
    expected = [(noise.normal(), noise.uniform()) for _ in range(100)]
    again = Noise(7, "gyro", 3, WIDTH)
    again.normal()
    again.restore(saved)
    for normal, uniform in expected:
        np.testing.assert_array_equal(again.normal(), normal)
        np.testing.assert_array_equal(again.uniform(), uniform)
    with pytest.raises(RandomizationError, match="3 worlds cannot be restored into 2"):
        Noise(7, "gyro", 2, WIDTH).restore(saved)


def test_numbers_are_normal_and_uniform_and_independent():
    noise, other = Noise(7, "gyro", N_WORLDS, WIDTH), Noise(7, "range", N_WORLDS, WIDTH)
    normal = np.array([noise.normal() for _ in range(400)])
    uniform = np.array([noise.uniform() for _ in range(400)])
    rest = np.array([other.normal() for _ in range(400)])
    error = 5 / np.sqrt(normal.size)
    assert abs(normal.mean()) < error
    assert normal.var() == pytest.approx(1, abs=np.sqrt(2) * error)
    assert (normal**4).mean() == pytest.approx(3, abs=np.sqrt(96) * error)
    assert uniform.mean() == pytest.approx(0.5, abs=error / np.sqrt(12))
    assert uniform.var() == pytest.approx(1 / 12, abs=error / np.sqrt(180))
    assert 0 <= uniform.min() < uniform.max() < 1
    for pair in ((normal[1:], normal[:-1]), (normal[:, 1:], normal[:, :-1]), (normal, rest), (normal, uniform - 0.5)):
        assert abs((pair[0] * pair[1]).mean()) < error
