"""The action map: inside the limits and near the last command, whatever the network says; NaN is never a command."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from robots import Robot, load_robot
from sim2real.action import ActionMap, Gait
from sim2real.config import parse_yaml, validate
from sim2real.errors import ConfigError, RobotError

URDF = """<robot name="three">
<link name="base"/>
<link name="a"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial></link>
<link name="b"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1"/></inertial></link>
<joint name="hip" type="revolute"><parent link="base"/><child link="a"/>
<limit lower="-1" upper="2" effort="9" velocity="{velocity}"/></joint>
<joint name="wheel" type="continuous"><parent link="a"/><child link="b"/></joint>
</robot>
"""


def robot(folder: Path, actuators: list[dict[str, Any]], velocity: float = 5, **changes: Any) -> Robot:
    file = {"name": "three", "urdf": "three.urdf", "source": "test", "licence": "Apache-2.0", "control_hz": 50}
    file |= {"physics_hz": 500, "fallback": "hold", "actuators": actuators, "default_pose": {"hip": 0.5}, **changes}
    (folder / "three.urdf").write_text(URDF.format(velocity=velocity))
    (folder / "robot.yaml").write_text(yaml.safe_dump(file))
    return load_robot(folder)


HIP = {"joint": "hip", "effort": 3, "kp": 10, "kd": 1}
WHEEL = {"joint": "wheel", "effort": 2, "kp": 10, "kd": 1}


def action_map(**changes: Any) -> ActionMap:
    fields: dict[str, Any] = {
        "actuators": ("a", "b"),
        "mode": "position",
        "offset": (0.5, -1.0),
        "scale": (0.5, 2.0),
        "lower": (-1.0, -2.0),
        "upper": (0.75, 3.0),
        "max_step": (0.1, 100.0),
    }
    return ActionMap(**fields | changes)


def mapped(made: ActionMap, action: Any, last: Any, time: float = 0.0, velocity: Any = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Map actions at one time and under one commanded velocity for all robots."""
    action, n = np.asarray(action, float), len(action)
    return made.command(action, np.asarray(last, float), np.full(n, time), np.tile(velocity, (n, 1)))


def test_by_hand():
    last = np.array([[0.5, 0.0]])
    assert mapped(action_map(), np.array([[0.1, 0.5]]), last).tolist() == [[0.55, 0.0]]
    assert mapped(action_map(), np.array([[-1.0, 0.5]]), last).tolist() == [[0.4, 0.0]]  # 0.0 asked for, 0.1 a step
    assert mapped(action_map(), np.array([[1.0, 0.5]]), np.array([[0.7, 0]])).tolist() == [[0.75, 0.0]]  # the limit
    assert mapped(action_map(), np.array([[0.0, -1.0]]), last).tolist() == [[0.5, -2.0]]  # -3 asked for, -2 the limit
    assert mapped(action_map(), np.array([[0.0, 7.0]]), last).tolist() == [[0.5, 1.0]]  # 7 counts as 1


ANY = st.floats(allow_nan=False, allow_infinity=True)
UNIT = st.floats(0, 1)


@given(hnp.arrays(float, (4, 2), elements=ANY), hnp.arrays(float, (4, 2), elements=UNIT))
def test_any_action_gives_a_command_inside_the_limits_and_near_the_last(action, share):
    made = action_map()
    lower, upper, step = (np.array(v) for v in (made.lower, made.upper, made.max_step))
    last = lower + share * (upper - lower)
    command = mapped(made, action, last)
    assert (command >= lower).all()
    assert (command <= upper).all()
    assert (np.abs(command - last) <= step * (1 + 1e-12)).all()


@given(hnp.arrays(float, (3, 2), elements=ANY), hnp.arrays(float, (3, 2), elements=ANY))
def test_limit_ends_inside_the_limits_wherever_the_last_command_was(command, last):
    limited = action_map().limit(command, np.nan_to_num(last))
    assert (limited >= action_map().lower).all()
    assert (limited <= action_map().upper).all()


def test_nan_never_becomes_a_command():
    """It stays NaN, which whoever sends commands must refuse: a finite number here would be one that nobody meant."""
    action = np.array([[np.nan, 0.5], [0.1, 0.5]])
    last = np.tile([0.5, 0.0], (2, 1))
    command = mapped(action_map(), action, last)
    assert np.isnan(command[0, 0])
    good = mapped(action_map(), np.array([[0.1, 0.5]]), last[:1])
    assert command[0, 1] == good[0, 1]
    assert (command[1] == good[0]).all()  # neither the other motor nor the other robot notices
    assert np.isnan(action_map().limit(last, np.array([[np.nan, 0.0]] * 2))[:, 0]).all()
    assert np.isnan(action_map().at_rest(np.array([[np.nan, 0.0]]))[0, 0])


def test_robots_together_are_each_robot_alone():
    rng = np.random.default_rng(0)
    action, last = rng.normal(size=(6, 2)) * 2, rng.uniform(-1, 0.75, size=(6, 2))
    together = mapped(action_map(), action, last)
    assert (
        together.tobytes()
        == np.concatenate([mapped(action_map(), action[k, None], last[k, None]) for k in range(6)]).tobytes()
    )


@pytest.mark.parametrize("mode", ["effort", "velocity", "position"])
def test_at_rest_holds_a_position_and_asks_for_nothing_else(mode):
    q = np.array([[0.3, 9.0], [-5.0, 0.0]])
    expected = [[0.3, 3.0], [-1.0, 0.0]] if mode == "position" else [[0, 0], [0, 0]]
    assert action_map(mode=mode).at_rest(q).tolist() == expected


def test_the_map_of_position_motors(tmp_path):
    made = ActionMap.of(robot(tmp_path, [HIP | {"lower": -0.5}]), 0.8)
    assert (made.actuators, made.mode) == (("hip",), "position")
    assert (made.lower, made.upper, made.offset) == ((-0.5,), (2.0,), (0.5,))
    assert made.scale == (0.8,)  # of the shorter way, 1.0 from 0.5 to -0.5
    assert made.max_step == pytest.approx((5 / 50,))


def test_a_step_is_never_longer_than_the_range(tmp_path):
    assert ActionMap.of(robot(tmp_path, [HIP], velocity=1e6), 1).max_step == (3.0,)


def test_the_map_of_velocity_motors(tmp_path):
    motors = [HIP | {"mode": "velocity"}, WHEEL | {"mode": "velocity"}]
    made = ActionMap.of(robot(tmp_path, motors), 0.5)
    assert made.upper == (5.0, 1e6)  # a joint without a velocity limit
    assert made.lower == (-5.0, -1e6)
    assert (made.scale, made.offset, made.max_step) == ((2.5, 0.5e6), (0, 0), (10, 2e6))


def test_the_map_of_effort_motors(tmp_path):
    motors = [HIP | {"mode": "effort"}, WHEEL | {"mode": "effort"}]
    made = ActionMap.of(robot(tmp_path, motors), 1)
    assert (made.lower, made.upper, made.scale, made.offset) == ((-3, -2), (3, 2), (3, 2), (0, 0))
    assert mapped(made, np.array([[1, -1]]), np.array([[-3.0, 2.0]])).tolist() == [[3, -2]]  # at once from end to end


def test_the_default_pose_is_that_of_the_motor_not_of_the_joint_of_that_number(tmp_path):
    motors = [WHEEL | {"lower": -4, "upper": 4}, HIP]
    made = ActionMap.of(robot(tmp_path, motors, default_pose={"hip": 1.5, "wheel": -1}), 1)
    assert (made.actuators, made.offset, made.scale) == (("wheel", "hip"), (-1.0, 1.5), (3.0, 0.5))


def test_a_position_motor_without_ends_is_refused(tmp_path):
    with pytest.raises(RobotError) as caught:
        ActionMap.of(robot(tmp_path, [HIP, WHEEL]), 1)
    assert str(caught.value) == (
        f"{tmp_path / 'robot.yaml'}: actuators.1: joint 'wheel' turns without end; "
        "give the motor's lower and upper, or use mode 'velocity'"
    )


@pytest.mark.parametrize("mode", ["position", "velocity"])
def test_a_motor_that_may_never_move_is_refused(tmp_path, mode):
    with pytest.raises(
        RobotError, match=r"actuators\.0: joint 'hip' cannot move: the velocity limit in three\.urdf is 0"
    ):
        ActionMap.of(robot(tmp_path, [HIP | {"mode": mode}], velocity=0), 1)


@pytest.mark.parametrize("name", ["cartpole", "furuta"])
def test_catalog_robots_have_a_map_that_holds_their_default_pose(name):
    loaded = load_robot(name)
    made = ActionMap.of(loaded, 1.0)
    rest = made.at_rest(loaded.default_q[None, loaded.actuated])
    assert mapped(made, np.zeros((1, loaded.n_actuators)), rest).tolist() == rest.tolist()
    assert min(made.scale) > 0


GOOD = (
    "{actuators: [a, b], mode: effort, offset: [0, 0], scale: [1, 1], lower: [-1, -1], upper: [1, 1], max_step: [1, 1]}"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("offset: [0]", "offset, scale, lower, upper and max_step need one number for each of the 2 actuators"),
        ("max_step: [1, 1, 1]", "offset, scale, lower, upper and max_step need one number for each of the 2 actuators"),
        ("actuators: []", "actuators: must not be empty"),
        ("lower: [2, 0]", "lower must not exceed upper, and max_step must be above 0"),
        ("max_step: [1, 0]", "lower must not exceed upper, and max_step must be above 0"),
        ("scale: [.nan, 1]", "scale.0: must be a finite number (got nan)"),
        ("upper: [1, .inf]", "upper.1: must be a finite number (got inf)"),
        (
            "gait: {hz: 2, phase: [0], lift: [0, 0], sweep: [[0, 0, 0], [0, 0, 0]]}",
            "gait.phase, lift and sweep need one",
        ),
        ("gait: {hz: 0, phase: [0], lift: [0], sweep: []}", "gait.hz: must be greater than 0"),
        (
            "gait: {hz: 2, phase: [0, 0], lift: [0, 0], sweep: [[0, 0, 0], [0, 0, 0]]}",
            "gait: moves position commands, the motors are commanded in effort",
        ),
        (
            "{mode: position, incremental: true, gait: {hz: 2, phase: [0, 0], lift: [0, 0], "
            "sweep: [[0, 0, 0], [0, 0, 0]]}}",
            "gait: goes with actions from the default pose; leave incremental out",
        ),
        ("mode: torque", "mode: must be 'position', 'velocity' or 'effort' (got 'torque')"),
    ],
)
def test_a_map_that_cannot_be_is_refused(text, problem):
    with pytest.raises(ConfigError) as caught:
        validate(ActionMap, parse_yaml(GOOD, "p.yaml") | parse_yaml(text, "p.yaml"), "p.yaml")
    assert str(caught.value).startswith(f"p.yaml: {problem}")


def test_wrong_widths_are_refused():
    with pytest.raises(ValueError, match="broadcast"):
        mapped(action_map(), np.zeros((1, 3)), np.zeros((1, 2)))


def test_the_first_command_of_the_map_does_not_move_a_robot_at_rest():
    """For positions the first step is one max_step away from where the robot is, not from the default pose."""
    made = action_map(offset=(0.5, -1.0), max_step=(0.1, 0.1))
    q = np.array([[-0.3, 1.0]])
    command = mapped(made, np.zeros((1, 2)), made.at_rest(q))
    assert command.tolist() == pytest.approx(np.array([[-0.2, 0.9]]))


def test_replacing_a_robots_file_is_seen():
    """Limits come from the robot.yaml's soft limits, not from the URDF's wider ones."""
    loaded = load_robot("furuta")
    narrow = loaded.file.actuators[0].model_copy(update={"lower": -1.0, "upper": 0.5})
    changed = replace(loaded, file=loaded.file.model_copy(update={"actuators": (narrow,)}))
    made = ActionMap.of(changed, 1.0)
    assert (made.lower, made.upper, made.scale) == ((-1.0,), (0.5,), (0.5,))


def gait(**changes: Any) -> Gait:
    """Two motors half a turn apart: one lifts by 0.3 rad, the other sweeps."""
    fields: dict[str, Any] = {"hz": 2.0, "phase": (0.0, 0.5), "lift": (0.3, 0.0)}
    return Gait(**fields | {"sweep": ((0.0, 0.0, 0.0), (0.1, 0.2, -0.4))} | changes)


def offsets(made: Gait, turns: Any, velocity: Any = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Offsets at some turns of the gait, in any of which the robot is asked for the same."""
    turns = np.atleast_1d(np.asarray(turns, float))
    return made.offset(turns / made.hz, np.tile(velocity, (len(turns), 1)))


def test_a_gait_by_hand():
    """A swing, from 0 to 1/2 of a turn, lifts by a half sine; a stance goes from front, 1, to back, -1."""
    np.testing.assert_allclose(offsets(gait(), [0, 0.25, 0.5, 0.75, 1])[:, 0], [0, 0.3, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(offsets(gait(), 1 / 12)[0, 0], 0.15)
    # The second motor is half a turn ahead: 0.1 x 1 + 0.2 x 2 - 0.4 x 0.5 = 0.3 at the front, which is its turn of 1/2.
    velocity = (1.0, 2.0, 0.5)
    swept = offsets(gait(), [0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0], velocity)[:, 1]
    np.testing.assert_allclose(swept, 0.3 * np.array([1, 0.5, 0, -0.5, -1, 0, 1]), atol=1e-12)


@pytest.mark.parametrize("hz", [0.5, 2.5])
def test_a_gait_is_continuous_over_a_turn_and_repeats(hz):
    made = gait(hz=hz, phase=(0.2, 0.7), lift=(0.3, 0.5), sweep=((0.1, 0, 0), (0.2, 0.1, 0)))
    turns, velocity = np.linspace(0, 1, 4001), (0.8, -0.3, 0.5)
    path = offsets(made, turns, velocity)
    # Nowhere faster than the steepest part: 2 pi of lift or sweep a turn, each.
    assert np.abs(np.diff(path, axis=0)).max() < 2 * np.pi * (0.5 + 0.2) / 4000
    np.testing.assert_allclose(offsets(made, turns + 3, velocity), path, atol=1e-9)


def test_without_a_velocity_nothing_sweeps():
    made = gait(lift=(0.0, 0.0))
    assert not offsets(made, np.linspace(0, 2, 101)).any()
    assert offsets(made, np.linspace(0, 2, 101), (0.1, 0, 0)).any()


@given(st.floats(0, 100), hnp.arrays(float, 3, elements=st.floats(-2, 2)), st.floats(-3, 3))
def test_sweeps_are_in_proportion_to_the_velocity(time, velocity, factor):
    made = gait(lift=(0.0, 0.0))
    here, there = (made.offset(np.array([time]), v[None]) for v in (velocity, factor * velocity))
    np.testing.assert_allclose(there, factor * here, atol=1e-9)


def test_a_gait_is_added_and_the_limits_stay():
    made = action_map(gait=gait(lift=(0.3, 0.0), sweep=((0, 0, 0), (0, 0, 0))), max_step=(100.0, 100.0))
    at = 0.25 / 2.0  # mid-swing
    assert mapped(made, [[-0.5, 0.5]], [[0.0, 0.0]], at)[0] == pytest.approx([0.55, 0.0])  # 0.5 - 0.25 + 0.3
    assert mapped(made, [[0.5, 0.5]], [[0.0, 0.0]], at)[0] == pytest.approx([0.75, 0.0])  # the upper limit
    near = action_map(gait=made.gait)
    assert mapped(near, [[-0.5, 0.5]], [[0.0, 0.0]], at)[0] == pytest.approx([0.1, 0.0])  # a step of 0.1


def test_robots_with_a_gait_are_each_robot_alone():
    rng, made = np.random.default_rng(0), action_map(gait=gait())
    inputs = rng.normal(size=(6, 2)), rng.uniform(-1, 0.7, (6, 2)), rng.uniform(0, 9, 6), rng.normal(size=(6, 3))
    alone = [made.command(*(array[k : k + 1] for array in inputs)) for k in range(6)]
    assert made.command(*inputs).tobytes() == np.concatenate(alone).tobytes()


def test_increments_start_from_the_last_command():
    made = action_map(incremental=True, scale=(0.05, 2.0))
    assert mapped(made, [[1.0, -0.5]], [[0.2, 1.0]])[0] == pytest.approx([0.25, 0.0])
    assert mapped(made, [[0.0, 0.0]], [[0.2, 1.0]])[0] == pytest.approx([0.2, 1.0]), "0 asks for no change"
    assert mapped(made, [[1.0, 1.0]], [[0.74, 2.5]])[0] == pytest.approx([0.75, 3.0]), "the limits"


def test_a_reach_is_in_the_unit_of_the_motors(tmp_path):
    made = ActionMap.of(robot(tmp_path, [HIP]), 1.0, reach=0.3)
    assert (made.scale, made.offset) == ((0.3,), (0.5,))


def test_a_low_pass_on_actions(tmp_path):
    """A jump arrives as a first-order low pass has it; a network's word is clipped first."""
    hip = robot(tmp_path, [HIP])
    made = ActionMap.of(hip, 1.0, cutoff=5.0)
    action = np.zeros((1, 1))
    for step in range(1, 6):
        action = made.action(np.array([[3.0]]), action)
        assert action[0, 0] == pytest.approx(1.0 - np.exp(-2 * np.pi * 5.0 * step * hip.control_dt))
    assert ActionMap.of(hip, 1.0).action(np.array([[-3.0]]), action).tolist() == [[-1.0]]
