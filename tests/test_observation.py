"""The observation: each term against values by hand, history newest first, each robot by itself."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from robots import load_robot
from sim2real.config import parse_yaml, validate
from sim2real.errors import ConfigError
from sim2real.observation import LIMIT, TERMS, ObservationLayout, Observer, RobotState, Term
from sim2real.pixels import Pixels

JOINTS = ("hip", "wheel", "rail")
DEFAULT = (0.5, 1.0, -0.2)
ASKED = ("forward [m/s]", "turn [rad/s]")
ANYWHERE = tuple(name for name in TERMS if not name.startswith(("end_effector", "leg_")))  # no chain, no legs


def layout(*terms: str | Term, history: int = 1, **changes: Any) -> ObservationLayout:
    fields: dict[str, Any] = {"joints": JOINTS, "continuous": ("wheel",), "default_pose": DEFAULT, "n_actions": 2}
    fields |= {"commands": ASKED, "gait_hz": 2.0}
    made = tuple(Term(name=t) if isinstance(t, str) else t for t in terms)
    return ObservationLayout(**fields | changes, terms=made, history=history)


def state(n: int = 1, **changes: Any) -> RobotState:
    fields = {
        "q": np.tile(DEFAULT, (n, 1)),
        "dq": np.zeros((n, 3)),
        "imu_quaternion": np.tile([0.0, 0, 0, 1], (n, 1)),
        "imu_angular_velocity": np.zeros((n, 3)),
        "last_action": np.zeros((n, 2)),
        "command": np.zeros((n, 2)),
        "time": np.full(n, changes.pop("time", 0.0)),
    }
    return RobotState(**fields | {k: np.atleast_2d(np.array(v, dtype=float)) for k, v in changes.items()})


def random_state(rng: np.random.Generator, n: int) -> RobotState:
    q, dq, quaternion, velocity, action, command = (rng.normal(size=(n, width)) * 3 for width in (3, 3, 4, 3, 2, 2))
    return RobotState(q, dq, quaternion, velocity, action, command, rng.uniform(0, 9, n))


def row(s: RobotState, k: int) -> RobotState:
    return RobotState(*(a[k : k + 1] for a in vars(s).values() if a is not None))


def test_joint_position_is_the_offset_from_the_default_pose():
    frame = layout("joint_position").frame(state(q=[1.0, 1.5, -1.2]))
    assert frame[0] == pytest.approx([0.5, 0.5, -1.0])


@pytest.mark.parametrize(
    ("offset", "seen"),
    [
        (0.1, 0.1),
        (3.1, 3.1),
        (3.2, 3.2 - 2 * math.pi),
        (-3.2, 2 * math.pi - 3.2),
        (20 * math.pi + 0.3, 0.3),
        (-7, 2 * math.pi - 7),
    ],
)
def test_a_continuous_joint_is_seen_within_half_a_turn_and_no_other_is(offset, seen):
    frame = layout("joint_position").frame(state(q=np.array(DEFAULT) + offset))
    assert frame[0] == pytest.approx([offset, seen, offset])


@given(st.floats(-1e3, 1e3))
def test_a_wrapped_angle_points_the_same_way(offset):
    seen = layout("joint_position").frame(state(q=np.array(DEFAULT) + offset))[0, 1]
    assert abs(seen) <= math.pi + 1e-9
    assert (math.cos(seen), math.sin(seen)) == pytest.approx((math.cos(offset), math.sin(offset)), abs=1e-9)


def test_velocity_last_action_and_angular_velocity_are_as_measured():
    s = state(dq=[1, -2, 3], last_action=[0.5, -1], imu_angular_velocity=[7, 8, 9])
    assert layout("joint_velocity").frame(s).tolist() == [[1, -2, 3]]
    assert layout("last_action").frame(s).tolist() == [[0.5, -1]]
    assert layout("angular_velocity").frame(s).tolist() == [[7, 8, 9]]


@pytest.mark.parametrize(
    ("rpy_deg", "gravity"),
    [
        ((0, 0, 0), (0, 0, -1)),
        ((0, 0, 77), (0, 0, -1)),  # turning about the vertical changes nothing
        ((90, 0, 0), (0, -1, 0)),  # rolled until the left side, +y, points up
        ((0, 90, 0), (1, 0, 0)),  # nose down: down is forward
        ((0, -90, 0), (-1, 0, 0)),
        ((180, 0, 0), (0, 0, 1)),
        ((30, 0, 0), (0, -0.5, -math.sqrt(0.75))),
    ],
)
def test_gravity_direction(rpy_deg, gravity):
    quaternion = Rotation.from_euler("xyz", rpy_deg, degrees=True).as_quat()
    assert layout("gravity_direction").frame(state(imu_quaternion=quaternion))[0] == pytest.approx(gravity, abs=1e-12)


@given(hnp.arrays(float, 4, elements=st.floats(-1, 1)).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_gravity_direction_is_down_in_the_imu_frame(q):
    rotation = Rotation.from_quat(q)
    expected = rotation.inv().apply([0, 0, -1])
    for quaternion in (rotation.as_quat(), -rotation.as_quat()):  # both are the same rotation
        frame = layout("gravity_direction").frame(state(imu_quaternion=quaternion))
        assert frame[0] == pytest.approx(expected, abs=1e-12)


def test_terms_stand_in_the_order_asked_for_and_scaled():
    terms = (Term(name="joint_velocity", scale=0.5), Term(name="last_action", scale=-2), Term(name="joint_position"))
    frame = layout(*terms).frame(state(dq=[1, 2, 3], last_action=[4, 5], q=np.array(DEFAULT) + 0.25))
    assert frame[0] == pytest.approx([0.5, 1, 1.5, -8, -10, 0.25, 0.25, 0.25])


def test_no_number_is_larger_than_the_limit_and_nan_stays_nan():
    frame = layout("joint_velocity").frame(state(dq=[1e9, -np.inf, np.nan]))
    assert frame[0, :2].tolist() == [LIMIT, -LIMIT]
    assert np.isnan(frame[0, 2])


def test_sizes_are_those_of_the_arrays():
    for terms in (("joint_position",), ("last_action", "angular_velocity"), ("command",), ("gait_phase",), ANYWHERE):
        for history in (1, 3):
            made = layout(*terms, history=history)
            assert made.frame(state(4)).shape == (4, made.frame_size)
            assert Observer(made, 4).restart(state(4)).shape == (4, made.size) == (4, history * made.frame_size)


def test_history_is_newest_first_and_starts_full():
    observer = Observer(layout("last_action", history=3))
    assert observer.restart(state(last_action=[1, 10])).tolist() == [[1, 10, 1, 10, 1, 10]]
    assert observer.observe(state(last_action=[2, 20])).tolist() == [[2, 20, 1, 10, 1, 10]]
    assert observer.observe(state(last_action=[3, 30])).tolist() == [[3, 30, 2, 20, 1, 10]]
    assert observer.observe(state(last_action=[4, 40])).tolist() == [[4, 40, 3, 30, 2, 20]]
    assert observer.restart(state(last_action=[5, 50])).tolist() == [[5, 50, 5, 50, 5, 50]]


def test_frames_of_history_are_a_stride_apart():
    observer, seen = Observer(layout("last_action", history=3, stride=2)), []
    seen.append(observer.restart(state(last_action=[0, 0]))[0, ::2])
    for k in range(1, 7):
        seen.append(observer.observe(state(last_action=[k, k]))[0, ::2])
    expected = [[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 1, 0], [4, 2, 0], [5, 3, 1], [6, 4, 2]]
    assert np.array(seen).tolist() == expected
    assert observer.restart(state(last_action=[9, 9]))[0, ::2].tolist() == [9, 9, 9]


def test_the_command_is_seen_as_asked():
    frame = layout(Term(name="command", scale=2.0)).frame(state(command=[0.5, -0.25]))
    assert frame.tolist() == [[1.0, -0.5]]


@pytest.mark.parametrize(("time", "seen"), [(0, (0, 1)), (0.125, (1, 0)), (0.25, (0, -1)), (7.125, (1, 0))])
def test_the_phase_of_the_gait_is_a_turn_of_sine_and_cosine(time, seen):
    assert layout("gait_phase", gait_hz=2.0).frame(state(time=time))[0] == pytest.approx(seen, abs=1e-12)


@pytest.mark.parametrize("robots", [np.array([2, 0]), slice(1, 3)])
def test_restarting_some_robots_leaves_the_others_their_history(robots):
    observer = Observer(layout("last_action", history=2), 4)
    observer.restart(state(4, last_action=np.full((4, 2), 1.0)))
    before = observer.observe(state(4, last_action=np.full((4, 2), 2.0)))
    first = observer.restart(state(2, last_action=[[7, 7], [8, 8]]), robots)
    assert first.tolist() == [[7] * 4, [8] * 4]
    after = observer.observe(state(4, last_action=np.full((4, 2), 3.0)))
    expected = before.copy()
    expected[robots] = first
    assert after[:, 2:].tolist() == expected[:, :2].tolist()
    assert (after[:, :2] == 3).all()


def test_what_was_returned_does_not_change_later():
    observer = Observer(layout("last_action", history=2))
    first = observer.restart(state(last_action=[1, 1]))
    kept = first.copy()
    second = observer.observe(state(last_action=[2, 2]))
    second[:] = 99.0
    assert (first == kept).all()
    assert observer.observe(state(last_action=[3, 3])).tolist() == [[3, 3, 2, 2]]


def test_robots_together_are_each_robot_alone():
    made, rng = layout(*ANYWHERE, history=3, stride=2), np.random.default_rng(0)
    states = [random_state(rng, 5) for _ in range(6)]
    together, alone = Observer(made, 5), [Observer(made) for _ in range(5)]
    for step, s in enumerate(states):
        all_at_once = together.observe(s) if step else together.restart(s)
        one_by_one = [a.observe(row(s, k)) if step else a.restart(row(s, k)) for k, a in enumerate(alone)]
        assert all_at_once.tobytes() == np.concatenate(one_by_one).tobytes()


def test_the_layout_of_a_robot():
    robot = load_robot("furuta")
    made = ObservationLayout.of(robot, tuple(Term(name=name) for name in ANYWHERE), 2, 3, ASKED, 2.5)
    assert made.joints == robot.joint_names == ("arm_joint", "pendulum_joint")
    assert made.continuous == ("pendulum_joint",)
    assert made.is_continuous.tolist() == [0, 1]
    assert made.default_q.tolist() == robot.default_q.tolist()
    assert made.n_actions == 1
    assert made.frame_size == 2 + 2 + 1 + 3 + 3 + 2 + 2
    assert (made.commands, made.gait_hz, made.stride) == (ASKED, 2.5, 3)


@pytest.mark.parametrize("name", ["angular_velocity", "gravity_direction"])
def test_an_imu_term_needs_an_imu(name):
    robot = load_robot("cartpole")
    with pytest.raises(ConfigError) as caught:
        ObservationLayout.of(robot, (Term(name="joint_position"), Term(name=name)), 1)
    assert str(caught.value) == f"observation.terms: '{name}' needs an IMU; {robot.path} has no key 'imu'"


def refusal(text: str) -> str:
    good = "{joints: [a, b], default_pose: [0, 0], n_actions: 1, terms: [{name: last_action}]}"
    with pytest.raises(ConfigError) as caught:
        validate(ObservationLayout, parse_yaml(good, "p.yaml") | parse_yaml(text, "p.yaml"), "p.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "terms: [{name: last_action}, {name: joint_positon}]",
            "terms.1.name: no such term (did you mean 'joint_position'?); there are joint_position, joint_velocity, ",
        ),
        ("terms: []", "terms: must not be empty"),
        ("terms: [{name: last_action, sacle: 2}]", "terms.0.sacle: unknown key (did you mean 'scale'?)"),
        ("terms: [{name: last_action, scale: .nan}]", "terms.0.scale: must be a finite number (got nan)"),
        ("terms: [{name: command}]", "terms: 'command': the task has no command; leave it out"),
        ("terms: [{name: gait_phase}]", "terms: 'gait_phase': the task has no gait; leave it out"),
        ("{terms: [{name: gait_phase}], gait_hz: 0}", "gait_hz: must be greater than 0 (got 0)"),
        ("stride: 0", "stride: must be greater than or equal to 1 (got 0)"),
        ("history: 0", "history: must be greater than or equal to 1 (got 0)"),
        ("history: 101", "history: must be less than or equal to 100 (got 101)"),
        ("n_actions: 0", "n_actions: must be greater than 0"),
        ("default_pose: [0]", "joints must differ from one another, and default_pose have one number for each"),
        ("joints: [a, a]", "joints must differ from one another, and default_pose have one number for each"),
        ("continuous: [c]", "continuous must be some of joints"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(text, problem):
    assert refusal(text).startswith(f"p.yaml: {problem}")


def test_an_unknown_term_is_refused_in_python_too():
    with pytest.raises(ValidationError, match="did you mean 'joint_velocity'"):
        Term(name="joint_velocty")


PIXELS = Pixels(camera="side", width=3, height=2)


def pictures(values: list[int]) -> RobotState:
    """Cart-poles that see a picture of one brightness each, but for the first pixel, which is black."""
    n, image = len(values), np.repeat(np.array(values, np.uint8), 6).reshape(-1, 2, 3)
    image[:, 0, 0] = 0
    nothing = np.zeros((n, 2)), np.zeros((n, 2)), np.zeros((n, 4)), np.zeros((n, 3))
    return RobotState(*nothing, np.zeros((n, 1)), np.zeros((n, 0)), np.zeros(n), image=image)


def test_pictures_are_channels_the_newest_first():
    layout = ObservationLayout.of(load_robot("cartpole"), (), history=3, stride=2, pixels=PIXELS)
    assert (layout.size, layout.picture) == (18, (2, 3, 3))
    observer = Observer(layout, 2)
    first = observer.restart(pictures([10, 20]))
    assert first.dtype == np.uint8
    assert first.reshape(2, 2, 3, 3)[:, 1, 2].tolist() == [[10] * 3, [20] * 3]
    for value in (11, 12, 13, 14, 15):
        seen = observer.observe(pictures([value, 2 * value])).reshape(2, 2, 3, 3)
    assert seen[:, 1, 2].tolist() == [[15, 13, 11], [30, 26, 22]]
    assert seen[:, 0, 0].tolist() == [[0] * 3] * 2
    begun = observer.restart(pictures([99]), np.array([1])).reshape(1, 2, 3, 3)
    assert begun[0, 0, 1].tolist() == [99] * 3
    assert observer.observe(pictures([16, 98])).reshape(2, 2, 3, 3)[:, 0, 1].tolist() == [[16, 14, 12], [98, 99, 99]]


def test_without_a_picture_there_is_nothing_to_see():
    layout = ObservationLayout.of(load_robot("cartpole"), (), history=1, pixels=PIXELS)
    state = pictures([1])
    state.image = None
    with pytest.raises(ConfigError, match="no picture of camera 'side'"):
        layout.frame(state)


@pytest.mark.parametrize(
    ("terms", "pixels", "problem"),
    [
        (("joint_position",), PIXELS, "pixels: are all that is seen; leave terms out"),
        ((), None, "terms: must not be empty"),
        ((), PIXELS.model_copy(update={"camera": "sde"}), "has no camera 'sde' .did you mean 'side'.*it has side"),
        ((), Pixels(camera="side", width=256, height=256), "131,072 numbers in an observation, 100,000 at most"),
    ],
)
def test_pictures_that_cannot_be_are_refused(terms, pixels, problem):
    with pytest.raises(ConfigError if "camera" in problem else ValueError, match=problem):
        ObservationLayout.of(load_robot("cartpole"), tuple(Term(name=name) for name in terms), 2, pixels=pixels)
