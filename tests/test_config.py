"""Every mistake in a configuration is one sentence: the file, the key's path, what is allowed, the nearest spelling."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from sim2real.config import Strict, load, parse_yaml, validate
from sim2real.errors import ConfigError


class Motor(Strict):
    joint: str
    mode: Literal["position", "effort"] = "position"
    gain: float = Field(default=1.0, ge=0)


class Wheel(Strict):
    kind: Literal["wheel"] = "wheel"
    radius: float


class Leg(Strict):
    kind: Literal["leg"] = "leg"
    lengths: tuple[float, ...] = Field(min_length=1)
    foot: Motor | None = None


class Machine(Strict):
    name: str
    count: int = 1
    scale: float = 1.0
    legged: bool = False
    motors: tuple[Motor, ...] = ()
    named: dict[str, Motor] = Field(default_factory=dict)
    limbs: dict[str, Annotated[Wheel | Leg, Field(discriminator="kind")]] = Field(default_factory=dict)
    limits: tuple[float | None, ...] = Field(default=(), max_length=3)
    version: Literal[1] = 1


KNOWN = "known keys: count, legged, limbs, limits, motors, name, named, scale, version"


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(Machine, parse_yaml(text, "m.yaml"), "m.yaml")
    return str(caught.value)


def machine(text: str) -> Machine:
    return validate(Machine, parse_yaml(f"name: m\n{text}", "m.yaml"), "m.yaml")


def test_what_is_right_is_read():
    text = """
        count: 1e3
        scale: 2
        legged: true
        motors: [{joint: a}, {joint: b, mode: effort, gain: 0.5}]
        limbs: {front: {kind: wheel, radius: .1}, back: {kind: leg, lengths: [1, 2.5], foot: {joint: c}}}
        limits: [null, -1.5, 2]
    """
    m = machine(text.replace("\n        ", "\n"))
    assert (m.count, type(m.count)) == (1000, int)
    assert (m.scale, type(m.scale)) == (2.0, float)
    assert m.legged is True
    assert m.motors == (Motor(joint="a"), Motor(joint="b", mode="effort", gain=0.5))
    assert m.limbs == {"front": Wheel(radius=0.1), "back": Leg(lengths=(1.0, 2.5), foot=Motor(joint="c"))}
    assert m.limits == (None, -1.5, 2.0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # An unknown key at any depth: in the file itself, a list, a mapping of models, a union, an optional model.
        (
            "motors: [{joint: a}, {joint: b, gian: 1}]",
            "motors.1.gian: unknown key (did you mean 'gain'?); known keys: gain, joint, mode",
        ),
        (
            "named: {left: {joint: a, Mode: effort}}",
            "named.left.Mode: unknown key (did you mean 'mode'?); known keys: gain, joint, mode",
        ),
        (
            "limbs: {l: {kind: wheel, radius: 1, radios: 1}}",
            "limbs.l.radios: unknown key (did you mean 'radius'?); known keys: kind, radius",
        ),
        (
            "limbs: {l: {kind: leg, lengths: [1], radius: 1}}",
            "limbs.l.radius: unknown key; known keys: foot, kind, lengths",
        ),
        (
            "limbs: {l: {kind: leg, lengths: [1], foot: {joint: a, mod: effort}}}",
            "limbs.l.foot.mod: unknown key (did you mean 'mode'?); known keys: gain, joint, mode",
        ),
        ("zzz: 1", f"zzz: unknown key; {KNOWN}"),
        ("conut: 1", f"conut: unknown key (did you mean 'count'?); {KNOWN}"),
        # A missing key; one that was misspelt is one mistake, not two.
        ("motors: [{gain: 1}]", "motors.0.joint: is missing"),
        ("motors: [{jiont: a}]", "motors.0.jiont: unknown key (did you mean 'joint'?); known keys: gain, joint, mode"),
        # What tells the members of a union apart.
        (
            "limbs: {l: {kind: weel, radius: 1}}",
            "limbs.l.kind: must be one of wheel, leg (got 'weel') (did you mean 'wheel'?)",
        ),
        ("limbs: {l: {kind: 3}}", "limbs.l.kind: must be one of wheel, leg (got '3')"),
        ("limbs: {l: {radius: 1}}", "limbs.l.kind: is missing; must be one of wheel, leg"),
        (
            "limbs: {l: 3}",
            "limbs.l: must be a mapping of keys to values (got 3); known keys: foot, kind, lengths, radius",
        ),
        # Values.
        (
            "motors: [{joint: a, mode: efort}]",
            "motors.0.mode: must be 'position' or 'effort' (got 'efort') (did you mean 'effort'?)",
        ),
        ("motors: [{joint: a, gain: -1}]", "motors.0.gain: must be greater than or equal to 0 (got -1)"),
        ("limbs: {l: {kind: leg, lengths: []}}", "limbs.l.lengths: must not be empty (got a list)"),
        ("limbs: {l: {kind: leg, lengths: [a]}}", "limbs.l.lengths.0: must be a number (got 'a')"),
        ("version: 2", "version: must be 1 (got 2)"),
        # Wrong kinds, and what pydantic alone would convert: "no" to False, true to 1, "5" and 012 to numbers.
        ("count: many", "count: must be a whole number (got 'many')"),
        ("count: 1.5", "count: must be a whole number (got 1.5)"),
        ("count: '5'", "count: must be a whole number (got '5')"),
        ("count: 012", "count: must be a whole number (got '012')"),
        ("count: true", "count: must be a whole number (got true)"),
        ("count:", "count: must be a whole number (got nothing)"),
        ("count: [1]", "count: must be a whole number (got a list)"),
        ("scale: big", "scale: must be a number (got 'big')"),
        ("scale: '1.5'", "scale: must be a number (got '1.5')"),
        ("scale: 1:30", "scale: must be a number (got '1:30')"),
        ("scale: 1,5", "scale: must be a number (got '1,5')"),
        ("scale: true", "scale: must be a number (got true)"),
        ("scale: .nan", "scale: must be a finite number (got nan)"),
        ("scale: -.inf", "scale: must be a finite number (got -inf)"),
        ("scale: 1e999", "scale: must be a finite number (got inf)"),
        ("scale: {a: 1}", "scale: must be a number (got a mapping)"),
        ("legged: no", "legged: must be true or false (got 'no')"),
        ("legged: yes", "legged: must be true or false (got 'yes')"),
        ("legged: 1", "legged: must be true or false (got 1)"),
        ("legged: maybe", "legged: must be true or false (got 'maybe')"),
        ("limits: [1, 2, 3, 4]", "limits: must have at most 3 entries (got a list)"),
        ("limits: [1, '2']", "limits.1: must be a number (got '2')"),
        ("limbs: {l: {kind: leg, lengths: [1, true]}}", "limbs.l.lengths.1: must be a number (got true)"),
        ("motors: {joint: a}", "motors: must be a list (got a mapping)"),
        ("motors: a", "motors: must be a list (got 'a')"),
        ("motors: [a]", "motors.0: must be a mapping of keys to values (got 'a'); known keys: gain, joint, mode"),
        ("named: [a]", "named: must be a mapping of keys to values (got a list)"),
        ("named: {a: 1}", "named.a: must be a mapping of keys to values (got 1); known keys: gain, joint, mode"),
        ("motors: [{joint: 3}]", "motors.0.joint: must be text (got 3)"),
        ("motors: [{joint: true}]", "motors.0.joint: must be text (got true)"),
        (f"count: {'x' * 1000}", f"count: must be a whole number (got '{'x' * 56}...)"),
    ],
)
def test_mistake(text, problem):
    assert refusal(f"name: m\n{text}") == f"m.yaml: {problem}"


def test_the_empty_path():
    with pytest.raises(ConfigError, match=r"^m\.yaml: name: is missing$"):
        validate(Machine, {}, "m.yaml")


def test_several_mistakes_stand_in_one_line():
    assert refusal("count: a\nscale: b") == (
        "m.yaml: name: is missing; count: must be a whole number (got 'a'); scale: must be a number (got 'b')"
    )


def test_many_mistakes_are_counted():
    message = refusal("name: m\nmotors: [" + "{}, " * 3000 + "]")
    assert message.endswith("motors.4.joint: is missing; and 2995 more")
    assert len(message) < 300


def test_a_key_cannot_break_the_line_or_colour_the_terminal():
    message = refusal('name: m\n"a\\n\\x1b[31mb": 1')
    assert message.startswith(r"m.yaml: a\n\x1b[31mb: unknown key")


def test_a_path_is_named_by_load(tmp_path):
    (tmp_path / "m.yaml").write_text("name: 3")
    with pytest.raises(ConfigError) as caught:
        load(Machine, tmp_path / "m.yaml")
    assert str(caught.value) == f"{tmp_path / 'm.yaml'}: name: must be text (got 3)"


def test_models_are_frozen():
    motor = Motor(joint="a")
    with pytest.raises(ValidationError, match="frozen"):
        motor.gain = 2.0  # type: ignore[misc]


def test_models_in_the_data_are_taken_as_they_are():
    data = {"name": "m", "motors": [Motor(joint="a")], "limits": (1, None)}
    assert validate(Machine, data, "options").motors == (Motor(joint="a"),)
