"""Policy: the deployable thing. A folder of data only, that runs on numpy alone.

    policy.yaml     the contract: robot, joints, units, rate, limits, observation, action, network, Randomization
    weights.npz     layers and normalizer
    golden.npz      recorded states, pictures, observations, actions and commands, replayed before every deployment
    manifest.yaml   SHA-256 and size of each of the others

Loading never executes code: see `sim2real.policy.files`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from robots import Robot
from sim2real.action import ActionMap
from sim2real.config import Strict, dump_yaml, parse_yaml, validate
from sim2real.errors import ConfigError, PolicyError
from sim2real.observation import ObservationLayout, Observer, RobotState
from sim2real.policy.convolution import Convolution, Eye, shapes
from sim2real.policy.files import Shapes, pack_arrays, read_arrays, read_folder, write_folder

Array = NDArray[np.float64]

FORMAT: Literal["sim2real-policy"] = "sim2real-policy"
VERSION: Literal[3] = 3
READABLE = (2, VERSION)  # version 2 knows no pictures
GOLDEN_TOLERANCE = 1e-5
GOLDEN_IMU = ("imu_quaternion", "imu_angular_velocity")

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "elu": lambda x: np.maximum(x, 0.0) + np.expm1(np.minimum(x, 0.0)),
}


class RobotContract(Strict):
    """What the robot must be for the policy to run on it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    digest: str = Field(description="SHA-256 of the robot's description in normal form")
    joints: tuple[str, ...]
    lower: tuple[float | None, ...] = Field(description="URDF position limits [rad | m]; null where there is none")
    upper: tuple[float | None, ...]
    velocity: tuple[float | None, ...] = Field(description="URDF velocity limits [rad/s | m/s]")
    imu_link: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(len(limits) != len(self.joints) for limits in (self.lower, self.upper, self.velocity)):
            raise ValueError("lower, upper and velocity need one entry for each of joints")
        return self


class NetworkContract(Strict):
    """A multilayer perceptron: widths from observation to action, and the activation between.

    Where the observation is a picture it goes through convolutions first; sizes[0] is still the observation's.
    """

    convolutions: tuple[Convolution, ...] = Field(default=(), max_length=8)
    sizes: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=2, max_length=64)
    activation: Literal["relu", "tanh", "elu"]


class Contract(Strict):
    """The contents of policy.yaml."""

    format: Literal["sim2real-policy"] = FORMAT
    version: Literal[2, 3] = VERSION
    robot: RobotContract
    task: str = Field(pattern=r"^\w+$", description="A name, never module:Class, which would be code to run")
    task_options: dict[str, Any] = Field(default_factory=dict)
    rate_hz: float = Field(gt=0, le=1000)
    observation: ObservationLayout
    action: ActionMap
    network: NetworkContract
    fallback: Literal["hold", "damp", "zero"]
    randomization: dict[str, Any] = Field(description="The Randomization it was trained on")
    training: dict[str, Any] = Field(default_factory=dict, description="Engine, seed, steps and versions; for people")

    def check_robot(self, robot: Robot) -> None:
        """Raise PolicyError if this is not the robot that the policy was made for, or its motors are other ones."""
        who = f"robot '{robot.name}' ({robot.path}) is not the one this policy was made for"
        if robot.digest != self.robot.digest:
            raise PolicyError(f"{who}: its description differs; give --robot")
        now = ActionMap.of(robot, 1.0)
        keys = ("actuators", "mode", "lower", "upper", "max_step")
        other = [f"{key} {getattr(now, key)}, not {getattr(self.action, key)}" for key in keys
                 if getattr(now, key) != getattr(self.action, key)]  # fmt: skip
        if robot.file.control_hz != self.rate_hz:
            other.append(f"control_hz {robot.file.control_hz:g}, not {self.rate_hz:g}")
        if other:
            raise PolicyError(f"{who}: its robot.yaml says {'; '.join(other)}; put it back, or train anew")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        motors, sizes = self.action.actuators, self.network.sizes
        if self.observation.joints != self.robot.joints:
            raise ValueError("observation.joints must equal robot.joints")
        if not set(motors) <= set(self.robot.joints) or len(set(motors)) != len(motors):
            raise ValueError("action.actuators must be some of robot.joints, each once")
        if self.observation.n_actions != len(motors):
            raise ValueError(f"observation.n_actions must be {len(motors)}, the number of action.actuators")
        if (sizes[0], sizes[-1]) != (self.observation.size, len(motors)):
            ends = f"from {self.observation.size} (the observation) to {len(motors)} (the action)"
            raise ValueError(f"network.sizes must go {ends}, not from {sizes[0]} to {sizes[-1]}")
        if (self.observation.picture is None) != (not self.network.convolutions):
            raise ValueError("network.convolutions goes with observation.pixels: give both or neither")
        shapes(self.observation.picture or (1, 1, 1), self.network.convolutions)
        return self


@dataclass(frozen=True)
class Golden:
    """Recorded pairs, in the order of time: replaying the states must give the rest. Each (n_steps, ...).

    image: what a camera saw, a picture in each row; (n_steps, 0) where the policy sees none
    """

    q: Array
    dq: Array
    imu_quaternion: Array
    imu_angular_velocity: Array
    asked: Array
    observation: Array
    action: Array
    command: Array
    image: Array


class Policy:
    """A trained controller: observations in, actions out, on numpy alone."""

    def __init__(self, contract: Contract, weights: dict[str, Array], golden: Golden | None = None) -> None:
        """`weights`: obs_mean, obs_std (n,), and for each layer k: w{k} (in, out) and b{k} (out,).

        For each convolution k: c{k} (size * size * channels, filters) and d{k} (filters,).
        """
        if not (weights["obs_std"] > 0).all():
            raise PolicyError("weights: obs_std: every deviation must be above 0")
        self.contract = contract
        self.golden = golden
        self._weights = weights
        layers = range(len(contract.network.sizes) - 1)
        # In C order, whatever a file or a learner has them in: a product sums in another order for another layout.
        single = {name: np.array(array, np.float32, order="C") for name, array in weights.items()}
        self._layers = [(single[f"w{k}"], single[f"b{k}"]) for k in layers]
        self._mean, self._std = weights["obs_mean"], weights["obs_std"]
        self._activation = ACTIVATIONS[contract.network.activation]
        self._eye: Eye | None = None
        if contract.observation.picture is not None:
            stack = contract.network.convolutions
            kernels = [(single[f"c{k}"], single[f"d{k}"]) for k in range(len(stack))]
            self._eye = Eye(contract.observation.picture, stack, kernels, self._activation)

    def act(self, observation: NDArray[Any]) -> Array:
        """Return the most likely action for each observation: (n, layout.size) -> (n, n_actuators), unclipped.

        Row by row, since a product of matrices rounds otherwise for other n: a robot's action does not depend on how
        many there are.
        """
        seen = normalize(observation, self._mean, self._std)
        x = (seen if self._eye is None else self._eye.see(seen))[:, None]
        for weight, bias in self._layers[:-1]:
            x = self._activation(x @ weight + bias)
        weight, bias = self._layers[-1]
        return (x @ weight + bias)[:, 0].astype(np.float64)

    def runner(self, n: int = 1) -> "PolicyRunner":
        """Return what runs this policy on n robots, with the memory that takes."""
        return PolicyRunner(self, n)

    def verify_golden(self) -> None:
        """Replay the golden states through observation, network and action; raise PolicyError on any difference."""
        if self.golden is None:
            raise PolicyError("policy: it has no golden pairs")
        golden, runner = self.golden, self.runner()
        for step in range(len(golden.q)):
            imu = golden.imu_quaternion, golden.imu_angular_velocity
            q, dq, turn, turning, asked, image = (
                a[step : step + 1] for a in (golden.q, golden.dq, *imu, golden.asked, golden.image)
            )
            command = runner.step(q, dq, turn, turning, asked, image)
            for name, here in (("observation", runner.observation), ("action", runner.action), ("command", command)):
                worst = float(np.abs(here - getattr(golden, name)[step]).max())
                if not worst <= GOLDEN_TOLERANCE:
                    cause = "this machine or version computes something else"
                    raise PolicyError(f"golden pair {step}: {name} differs by {worst:.2g}; {cause}")

    def save(self, folder: Path) -> None:
        """Write the policy as a folder, in place of one that is there; raise PolicyError where it would not load."""
        if self.golden is None:
            raise PolicyError("policy: record golden pairs before saving (record_golden)")
        contents = {
            "policy.yaml": dump_yaml(self.contract.model_dump(mode="json")).encode(),
            "weights.npz": pack_arrays(self._weights),
            "golden.npz": pack_arrays({name: vars(self.golden)[name] for name in _golden_shapes(self.contract)}),
        }
        self._from_contents(folder, contents)
        write_folder(folder, contents)

    @classmethod
    def load(cls, folder: str | Path) -> "Policy":
        """Read and verify a policy folder; raise PolicyError naming what is wrong with which file."""
        return cls._from_contents(Path(folder), read_folder(Path(folder)))

    @classmethod
    def _from_contents(cls, folder: Path, contents: dict[str, bytes]) -> "Policy":
        contract = _read_contract(contents["policy.yaml"], str(folder / "policy.yaml"))
        weights = read_arrays(contents["weights.npz"], _weight_shapes(contract), str(folder / "weights.npz"))
        source = str(folder / "golden.npz")
        # A robot without an IMU has none to record.
        golden = read_arrays(contents["golden.npz"], _golden_shapes(contract), source, GOLDEN_IMU)
        if len({len(a) for a in golden.values()}) != 1:
            raise PolicyError(f"{source}: its arrays have different lengths")
        nothing = {"image": np.zeros((len(golden["q"]), 0))}
        return cls(contract, weights, Golden(**nothing | golden))


class PolicyRunner:
    """A policy at work on n robots: keeps the history, the last action and the last command."""

    def __init__(self, policy: Policy, n: int = 1) -> None:
        self.policy = policy
        contract = policy.contract
        self._observer = Observer(contract.observation, n)
        self._motors = [contract.robot.joints.index(name) for name in contract.action.actuators]
        self._started = False
        self._time = np.zeros(n)
        self.action = np.zeros((n, len(self._motors)))
        self.command = np.zeros((n, len(self._motors)))
        self.observation = np.zeros((n, contract.observation.size))

    def restart(self) -> None:
        """Forget everything: the next state begins a new episode."""
        self._started = False

    def step(
        self, q: Array, dq: Array, imu_quaternion: Array, imu_angular_velocity: Array, command: Array | None = None,
        image: NDArray[Any] | None = None,
    ) -> Array:  # fmt: skip
        """One control period for all robots: measured states in (see RobotState), commands (n, n_actuators) out.

        command: (n, n_commands), what is asked of the robots now, in the order of the layout's `commands`; 0 if None
        image: (n, height, width), what the layout's camera sees now, in grey; raise ConfigError where it is missing
        """
        contract = self.policy.contract
        if not self._started:
            self.action = np.zeros_like(self.action)
            self.command = contract.action.at_rest(q[:, self._motors])
            self._time = np.zeros(len(q))
        asked = np.zeros((len(q), len(contract.observation.commands))) if command is None else command
        state = RobotState(q, dq, imu_quaternion, imu_angular_velocity, self.action, asked, self._time, image=image)
        self.observation = self._observer.observe(state) if self._started else self._observer.restart(state)
        self._started = True
        self.action = contract.action.action(self.policy.act(self.observation), self.action)
        self.command = contract.action.command(self.action, self.command, self._time, asked)
        self._time = self._time + 1.0 / contract.rate_hz
        return self.command


def normalize(observation: NDArray[Any], mean: Array, std: Array) -> NDArray[np.float32]:
    """Return what the network sees: (observation - mean) / std, clipped to +-10, in single precision."""
    return np.clip((observation - mean) / std, -10.0, 10.0).astype(np.float32)


def record_golden(policy: Policy, states: Sequence[Sequence[NDArray[Any]]]) -> Policy:
    """Return the policy with golden pairs for a run of n = 1.

    states: of each period, q, dq, IMU quaternion and velocity as measured, what was asked of the robot and, where the
    policy sees a camera, its picture
    """
    runner = policy.runner()
    rows: list[list[Array]] = []
    for state in states:
        command = runner.step(*state)
        senses, image = state[:5], state[5] if len(state) > 5 else np.zeros((1, 0))
        row = (*senses, runner.observation, runner.action, command, image.reshape(1, -1))
        rows.append([a[0].astype(np.float32 if a.dtype == np.uint8 else np.float64) for a in row])
    golden = Golden(*(np.array(column) for column in zip(*rows, strict=True)))
    return Policy(policy.contract, policy._weights, golden)


def _read_contract(data: bytes, source: str) -> Contract:
    try:
        plain = parse_yaml(data, source)
        if plain.get("format") == FORMAT and plain.get("version") not in READABLE:
            remedy = f"this sim2real reads {' and '.join(map(str, READABLE))}: export the policy again"
            raise PolicyError(f"{source}: version: the format is of version {plain.get('version')}; {remedy}")
        return validate(Contract, plain, source)
    except ConfigError as error:
        raise PolicyError(str(error)) from None


def _weight_shapes(contract: Contract) -> Shapes:
    sizes = contract.network.sizes
    expected: Shapes = {"obs_mean": (sizes[0],), "obs_std": (sizes[0],)}
    widths = sizes
    if contract.observation.picture is not None:
        stack = contract.network.convolutions
        pictures = shapes(contract.observation.picture, stack)
        for k, (convolution, picture) in enumerate(zip(stack, pictures, strict=False)):
            expected |= {f"c{k}": (convolution.inputs(picture), convolution.filters), f"d{k}": (convolution.filters,)}
        widths = (prod(pictures[-1]), *sizes[1:])
    for k, (n_in, n_out) in enumerate(pairwise(widths)):
        expected |= {f"w{k}": (n_in, n_out), f"b{k}": (n_out,)}
    return expected


def _golden_shapes(contract: Contract) -> Shapes:
    n_joints, n_actions = len(contract.robot.joints), len(contract.action.actuators)
    widths = {"q": n_joints, "dq": n_joints, "imu_quaternion": 4, "imu_angular_velocity": 3}
    widths |= {
        "asked": len(contract.observation.commands),
        "observation": contract.observation.size,
        "action": n_actions,
        "command": n_actions,
    }
    if contract.observation.pixels is not None:
        widths["image"] = contract.observation.pixels.size
    return {name: (None, width) for name, width in widths.items()}
