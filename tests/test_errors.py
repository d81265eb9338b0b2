"""Errors are one printable line each; suggestions are near and in the right case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim2real import errors
from sim2real.errors import MAX_MESSAGE, ConfigError, Sim2RealError, TrainingFailedError, nearest

ALL = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]


@pytest.mark.parametrize("error", ALL)
def test_every_error_is_caught_as_one_and_ends_with_status_2(error):
    """All but a training that went wrong by itself: nobody's input was bad."""
    assert issubclass(error, Sim2RealError)
    assert error.exit_status == (1 if error is TrainingFailedError else 2)


@given(st.text(max_size=200))
def test_a_message_is_one_printable_line(text):
    shown = str(ConfigError(f"f.yaml: {text}"))
    assert shown.isprintable()
    if text.isprintable():
        assert shown == f"f.yaml: {text}"


def test_a_message_has_an_end():
    shown = str(ConfigError(f"begin {'x' * 1_000_000} end"))
    assert len(shown) <= MAX_MESSAGE + 5
    assert shown.startswith("begin xxx")
    assert shown.endswith("xxx end")


@pytest.mark.parametrize(
    ("word", "allowed", "hint"),
    [
        ("unifrom", ["uniform", "log_uniform"], " (did you mean 'uniform'?)"),
        ("mujoco", ["bullet", "MuJoCo"], " (did you mean 'MuJoCo'?)"),
        ("BULLET", ["bullet", "mujoco"], " (did you mean 'bullet'?)"),
        ("zzz", ["bullet", "mujoco"], ""),
        ("", ["bullet"], ""),
        ("a", [], ""),
    ],
)
def test_nearest(word, allowed, hint):
    assert nearest(word, allowed) == hint
