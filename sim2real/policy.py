"""Policy: the deployable thing. A folder of data only, that runs on numpy alone.

    policy.yaml     the contract: robot, joints, units, rate, limits, observation, action, network, Randomization
    weights.npz     layers and normalizer
    golden.npz      recorded states, observations, actions and commands, replayed before every deployment
    manifest.yaml   SHA-256 and size of each of the others

Loading never executes code: strict YAML, arrays without pickle whose declared shapes are checked before anything is
allocated, and nothing in the folder but these four files.
"""

import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sim2real.action import ActionMap
from sim2real.config import Strict, dump_yaml, load, parse_yaml, validate
from sim2real.errors import ConfigError, PolicyError
from sim2real.observation import ObservationLayout, Observer, RobotState

Array = NDArray[np.float64]

FORMAT = "sim2real-policy"
VERSION = 1
FILES = ("policy.yaml", "weights.npz", "golden.npz")
MAX_FILE = 64_000_000  # [bytes]
MAX_ELEMENTS = 8_000_000
GOLDEN_TOLERANCE = 1e-5

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0.0),
    "tanh": np.tanh,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
}


class RobotContract(Strict):
    """What the robot must be for the policy to run on it."""

    name: str
    digest: str = Field(description="SHA-256 of the robot's description in normal form")
    joints: tuple[str, ...]
    lower: tuple[Annotated[float, Field(allow_inf_nan=True)], ...] = Field(description="URDF position limits [rad | m]")
    upper: tuple[Annotated[float, Field(allow_inf_nan=True)], ...]
    velocity: tuple[Annotated[float, Field(allow_inf_nan=True)], ...] = Field(description="URDF velocity limits")
    imu_link: str | None = None


class NetworkContract(Strict):
    """A multilayer perceptron: widths from observation to action, and the activation between."""

    sizes: tuple[int, ...] = Field(min_length=2)
    activation: Literal["relu", "tanh", "elu"]


class Contract(Strict):
    """The contents of policy.yaml."""

    format: Literal["sim2real-policy"] = FORMAT
    version: Literal[1] = VERSION
    robot: RobotContract
    task: str
    rate_hz: float = Field(gt=0)
    observation: ObservationLayout
    action: ActionMap
    network: NetworkContract
    fallback: Literal["hold", "damp", "zero"]
    randomization: dict[str, Any] = Field(description="The Randomization it was trained on")
    training: dict[str, Any] = Field(default_factory=dict, description="Engine, seed, steps and versions; for people")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.observation.joints != self.robot.joints:
            raise ValueError("observation.joints must equal robot.joints")
        ends = (self.network.sizes[0], self.network.sizes[-1])
        if ends != (self.observation.size, len(self.action.actuators)):
            raise ValueError(f"network.sizes goes from {ends[0]} to {ends[1]}; the observation has {self.observation.size} numbers, the action {len(self.action.actuators)}")
        return self


@dataclass(frozen=True)
class Golden:
    """Recorded pairs, in the order of time: replaying the states must give the rest. Each (n_steps, ...)."""

    q: Array
    dq: Array
    imu_quaternion: Array
    imu_angular_velocity: Array
    observation: Array
    action: Array
    command: Array


class Policy:
    """A trained controller: observations in, actions out, on numpy alone."""

    def __init__(self, contract: Contract, weights: dict[str, Array], golden: Golden | None = None) -> None:
        """`weights`: obs_mean, obs_std (n,), and for each layer k: w{k} (in, out) and b{k} (out,)."""
        self.contract = contract
        self.golden = golden
        self._weights = weights
        n_layers = len(contract.network.sizes) - 1
        self._layers = [(weights[f"w{k}"].astype(np.float32), weights[f"b{k}"].astype(np.float32)) for k in range(n_layers)]
        self._mean, self._std = weights["obs_mean"], weights["obs_std"]
        self._activation = ACTIVATIONS[contract.network.activation]

    def act(self, observation: Array) -> Array:
        """Return the most likely action for each observation: (n, layout.size) -> (n, n_actuators), unclipped."""
        x = normalize(observation, self._mean, self._std)
        for weight, bias in self._layers[:-1]:
            x = self._activation(x @ weight + bias)
        weight, bias = self._layers[-1]
        return (x @ weight + bias).astype(np.float64)

    def runner(self, n: int = 1) -> "PolicyRunner":
        """Return what runs this policy on n robots, with the memory that takes."""
        return PolicyRunner(self, n)

    def verify_golden(self) -> None:
        """Replay the golden states through observation, network and action; raise PolicyError on any difference."""
        if self.golden is None:
            raise PolicyError("policy: it has no golden pairs")
        golden, runner = self.golden, self.runner()
        for step in range(len(golden.q)):
            state = [a[step : step + 1] for a in (golden.q, golden.dq, golden.imu_quaternion, golden.imu_angular_velocity)]
            command = runner.step(*state)
            for name, here in (("observation", runner.observation), ("action", runner.action), ("command", command)):
                worst = float(np.abs(here - getattr(golden, name)[step]).max())
                if not worst <= GOLDEN_TOLERANCE:
                    raise PolicyError(f"golden pair {step}: {name} differs by {worst:.2g}; this machine or version computes something else")

    def save(self, folder: Path) -> None:
        """Write the policy as a folder. An existing policy there is replaced only once the new one is complete."""
        if self.golden is None:
            raise PolicyError("policy: record golden pairs before saving (record_golden)")
        draft = folder.with_name(folder.name + ".tmp")
        draft.mkdir(parents=True, exist_ok=True)
        (draft / "policy.yaml").write_text(dump_yaml(self.contract.model_dump(mode="json")), encoding="utf-8")
        np.savez(draft / "weights.npz", **self._weights)
        np.savez(draft / "golden.npz", **vars(self.golden))
        manifest = {name: _fingerprint(draft / name) for name in FILES}
        (draft / "manifest.yaml").write_text(dump_yaml({"files": manifest}), encoding="utf-8")
        folder.mkdir(exist_ok=True)
        for name in (*FILES, "manifest.yaml"):
            (draft / name).replace(folder / name)
        draft.rmdir()

    @classmethod
    def load(cls, folder: str | Path) -> "Policy":
        """Read and verify a policy folder; raise PolicyError naming what is wrong with which file."""
        folder = Path(folder)
        _check_folder(folder)
        try:
            contract = load(Contract, folder / "policy.yaml")
        except ConfigError as error:
            raise PolicyError(str(error)) from None
        weights = read_arrays(folder / "weights.npz", _weight_shapes(contract))
        golden = read_arrays(folder / "golden.npz", _golden_shapes(contract))
        steps = {len(a) for a in golden.values()}
        if len(steps) != 1:
            raise PolicyError(f"{folder / 'golden.npz'}: its arrays have different lengths")
        return cls(contract, weights, Golden(**golden))


class PolicyRunner:
    """A policy at work on n robots: keeps the history, the last action and the last command."""

    def __init__(self, policy: Policy, n: int = 1) -> None:
        self.policy = policy
        contract = policy.contract
        self._observer = Observer(contract.observation, n)
        self._motors = [contract.robot.joints.index(name) for name in contract.action.actuators]
        self._started = False
        self.action = np.zeros((n, len(self._motors)))
        self.command = np.zeros((n, len(self._motors)))
        self.observation = np.zeros((n, contract.observation.size))

    def restart(self) -> None:
        """Forget everything: the next state begins a new episode."""
        self._started = False

    def step(self, q: Array, dq: Array, imu_quaternion: Array, imu_angular_velocity: Array) -> Array:
        """One control period for all robots: measured states in (see RobotState), commands (n, n_actuators) out."""
        action_map = self.policy.contract.action
        if not self._started:
            self.action[:] = 0.0
            self.command = action_map.at_rest(q[:, self._motors])
        state = RobotState(q, dq, imu_quaternion, imu_angular_velocity, self.action)
        self.observation = self._observer.observe(state) if self._started else self._observer.restart(state)
        self._started = True
        self.action = np.clip(self.policy.act(self.observation), -1.0, 1.0)
        self.command = action_map.command(self.action, self.command)
        return self.command


def normalize(observation: Array, mean: Array, std: Array) -> NDArray[np.float32]:
    """Return what the network sees: (observation - mean) / std, clipped to +-10, in single precision."""
    return np.clip((observation - mean) / std, -10.0, 10.0).astype(np.float32)


def record_golden(policy: Policy, states: list[tuple[Array, Array, Array, Array]]) -> Policy:
    """Return the policy with golden pairs for a run of measured states (q, dq, IMU quaternion, IMU velocity), n = 1 each."""
    runner = policy.runner()
    rows: list[list[Array]] = []
    for state in states:
        command = runner.step(*state)
        rows.append([a[0].copy() for a in (*state, runner.observation, runner.action, command)])
    return Policy(policy.contract, policy._weights, Golden(*(np.array(column) for column in zip(*rows, strict=True))))


def read_arrays(path: Path, shapes: dict[str, tuple[int | None, ...]]) -> dict[str, Array]:
    """Read an .npz of exactly these arrays; None stands for any length. Nothing is allocated before its shape is checked."""
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if set(names) != set(shapes) or len(archive.infolist()) != len(shapes):
                raise PolicyError(f"{path}: holds {sorted(names)}, expected {sorted(shapes)}")
            for name, wanted in shapes.items():
                with archive.open(names[name]) as stream:
                    _check_header(path, name, stream, wanted, names[name].file_size)
                with archive.open(names[name]) as stream:
                    arrays[name] = npy.read_array(stream, allow_pickle=False).astype(np.float64)
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
        raise PolicyError(f"{path}: not an array file: {error}") from None
    for name, array in arrays.items():
        if not name.startswith("imu_") and not np.isfinite(array).all():
            raise PolicyError(f"{path}: {name}: holds values that are not finite")
    return arrays


def _check_header(path: Path, name: str, stream: Any, wanted: tuple[int | None, ...], size: int) -> None:
    version = npy.read_magic(stream)
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(stream)
    fits = len(shape) == len(wanted) and all(w in (None, s) for s, w in zip(shape, wanted, strict=True))
    elements = int(np.prod([float(s) for s in shape]))
    if dtype not in (np.dtype(np.float64), np.dtype(np.float32)) or not fits or elements > MAX_ELEMENTS:
        raise PolicyError(f"{path}: {name}: is {dtype} {shape}, expected floats {wanted}")
    if elements * dtype.itemsize > size:
        raise PolicyError(f"{path}: {name}: is shorter than its header says")


def _fingerprint(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"sha256": sha256(data).hexdigest(), "bytes": len(data)}


class _Fingerprint(Strict):
    sha256: str
    bytes: int


class _Manifest(Strict):
    files: dict[str, _Fingerprint]


def _check_folder(folder: Path) -> None:
    """Refuse a folder that is not exactly a policy, before any of its contents is interpreted."""
    if folder.is_file():
        raise PolicyError(f"{folder}: a policy is a folder written by `sim2real train` or `sim2real export`, not a {folder.suffix or 'plain'} file")
    if not folder.is_dir():
        raise PolicyError(f"{folder}: no such policy folder")
    expected = {*FILES, "manifest.yaml"}
    found = {p.name for p in folder.iterdir()}
    if found != expected:
        missing, extra = sorted(expected - found), sorted(found - expected)
        raise PolicyError(f"{folder}: not a policy folder: missing {missing or 'nothing'}, unexpected {extra or 'nothing'}")
    if any(p.is_symlink() or p.stat().st_size > MAX_FILE for p in folder.iterdir()):
        raise PolicyError(f"{folder}: holds a link or a file over {MAX_FILE} bytes")
    text = (folder / "manifest.yaml").read_bytes().decode("utf-8", errors="replace")
    try:
        manifest = validate(_Manifest, parse_yaml(text, str(folder / "manifest.yaml")), str(folder / "manifest.yaml"))
    except ConfigError as error:
        raise PolicyError(str(error)) from None
    if set(manifest.files) != set(FILES) or dump_yaml(manifest.model_dump()) != text:
        raise PolicyError(f"{folder / 'manifest.yaml'}: was changed by hand; export the policy again")
    for name, stated in manifest.files.items():
        if _fingerprint(folder / name) != stated.model_dump():
            raise PolicyError(f"{folder / name}: its SHA-256 is not the manifest's: the file was changed or cut off; export the policy again")


def _weight_shapes(contract: Contract) -> dict[str, tuple[int | None, ...]]:
    sizes = contract.network.sizes
    shapes: dict[str, tuple[int | None, ...]] = {"obs_mean": (sizes[0],), "obs_std": (sizes[0],)}
    for k, (n_in, n_out) in enumerate(zip(sizes, sizes[1:], strict=False)):
        shapes |= {f"w{k}": (n_in, n_out), f"b{k}": (n_out,)}
    return shapes


def _golden_shapes(contract: Contract) -> dict[str, tuple[int | None, ...]]:
    n_joints, n_actions = len(contract.robot.joints), len(contract.action.actuators)
    widths = {"q": n_joints, "dq": n_joints, "imu_quaternion": 4, "imu_angular_velocity": 3}
    widths |= {"observation": contract.observation.size, "action": n_actions, "command": n_actions}
    return {name: (None, width) for name, width in widths.items()}
