"""A policy says after saving and loading, bit for bit, what it said before, and refuses a contract that cannot hold."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robots import load_robot
from sim2real.action import ActionMap, Gait
from sim2real.config import dump_yaml, parse_yaml
from sim2real.errors import PolicyError
from sim2real.observation import ObservationLayout, Term
from sim2real.policy import Contract, NetworkContract, Policy, RobotContract
from sim2real.policy.files import MAX_BYTES, pack_arrays, write_folder
from sim2real.policy.policy import normalize, record_golden
from tests.policies import pixel_policy

Changes = dict[str, Any]

ROBOT = load_robot("furuta")
TERMS = tuple(
    Term(name=name, scale=0.5)
    for name in ("joint_position", "joint_velocity", "last_action", "gravity_direction", "command", "gait_phase")
)
ASKED = ("forward [m/s]", "left [m/s]", "turn [rad/s]")
GAIT = Gait(hz=2.0, phase=(0.25,), lift=(0.1,), sweep=((0.2, 0.1, -0.1),))


def make_contract(activation: Any = "tanh", history: int = 2) -> Contract:
    limits = [j.limit for j in ROBOT.model.movable]
    layout = ObservationLayout.of(ROBOT, TERMS, history, commands=ASKED, gait_hz=GAIT.hz)
    return Contract(
        robot=RobotContract(
            name=ROBOT.name,
            digest=ROBOT.digest,
            joints=ROBOT.joint_names,
            lower=tuple(x.lower if np.isfinite(x.lower) else None for x in limits),
            upper=tuple(x.upper if np.isfinite(x.upper) else None for x in limits),
            velocity=tuple(x.velocity if np.isfinite(x.velocity) else None for x in limits),
            imu_link="imu_link",
        ),
        task="balance",
        rate_hz=50,
        observation=layout,
        action=ActionMap.of(ROBOT, 0.9, gait=GAIT),
        network=NetworkContract(sizes=(layout.size, 8, 6, 1), activation=activation),
        fallback="hold",
        randomization={"robot": "furuta", "quantities": {}},
        training={"steps": 1000, "config": {"note": "1e3"}},
    )


def make_weights(contract: Contract, seed: int = 0) -> Changes:
    rng, sizes = np.random.default_rng(seed), contract.network.sizes
    weights: Changes = {"obs_mean": rng.normal(size=sizes[0]), "obs_std": rng.uniform(0.5, 2, sizes[0])}
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        # Fortran order is what a transposed weight comes in.
        weights[f"w{k}"] = np.asfortranarray(rng.normal(size=(n_in, n_out)).astype(np.float32))
        weights[f"b{k}"] = rng.normal(size=n_out).astype(np.float32)
    return weights


def random_senses(rng: np.random.Generator, n: int = 1) -> tuple[np.ndarray, ...]:
    quaternion = rng.normal(size=(n, 4))
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    asked = rng.uniform(-1, 1, (n, 3))
    return rng.normal(size=(n, 2)), rng.normal(size=(n, 2)), quaternion, rng.normal(size=(n, 3)), asked


def make_policy(seed: int = 0, **contract: Any) -> Policy:
    made = make_contract(**contract)
    rng = np.random.default_rng(seed)
    states: Any = [random_senses(rng) for _ in range(10)]
    return record_golden(Policy(made, make_weights(made, seed)), states)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return make_policy()


@pytest.fixture
def folder(policy: Policy, tmp_path: Path) -> Path:
    policy.save(tmp_path / "policy")
    return tmp_path / "policy"


def contents_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in MAX_BYTES if name != "manifest.yaml"}


def forge(folder: Path, **contents: bytes) -> str:
    """Return why a folder is refused whose files, given as policy_yaml or weights_npz, fit a new manifest."""
    new = {name.replace("_", "."): data for name, data in contents.items()}
    write_folder(folder, contents_of(folder) | new)
    with pytest.raises(PolicyError) as caught:
        Policy.load(folder)
    message = str(caught.value)
    assert message.startswith((f"{folder}/", "weights:"))
    return message.removeprefix(f"{folder}/")


def edited(folder: Path, path: str, value: Any) -> bytes:
    """Return the folder's policy.yaml with the value at a dotted path replaced."""
    data = parse_yaml((folder / "policy.yaml").read_bytes(), "policy.yaml")
    *parents, key = path.split(".")
    inner = data
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    return dump_yaml(data).encode()


def test_an_action_does_not_depend_on_how_many_robots_there_are(policy):
    observation = np.random.default_rng(1).normal(size=(67, policy.contract.observation.size)) * 5
    together = policy.act(observation)
    for n in (1, 2, 33):
        np.testing.assert_array_equal(policy.act(observation[:n]), together[:n])


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
@pytest.mark.parametrize("history", [1, 3])
def test_a_loaded_policy_acts_the_same_to_the_bit(tmp_path, activation, history):
    before = make_policy(activation=activation, history=history)
    before.save(tmp_path / "policy")
    after = Policy.load(tmp_path / "policy")
    assert after.contract == before.contract
    observation = np.random.default_rng(1).normal(size=(50, before.contract.observation.size)) * 5
    assert after.act(observation).tobytes() == before.act(observation).tobytes()
    after.verify_golden()
    assert after.contract == before.contract  # also once both have been used
    assert after.golden is not None
    assert before.golden is not None
    for name, array in vars(before.golden).items():
        assert getattr(after.golden, name).tobytes() == array.tobytes()


def test_a_policy_that_sees_pictures_is_data_like_any_other(tmp_path):
    before = pixel_policy()
    before.save(tmp_path / "policy")
    after = Policy.load(tmp_path / "policy")
    assert after.contract == before.contract
    assert after.contract.version == 3
    seen = np.random.default_rng(1).integers(0, 256, (9, before.contract.observation.size))
    actions = after.act(seen)
    assert actions.tobytes() == before.act(seen).tobytes()
    np.testing.assert_array_equal(after.act(seen[3:5]), actions[3:5])
    assert np.ptp(actions) > 0.1
    after.verify_golden()
    assert after.golden is not None
    assert after.golden.image.shape == (8, 12 * 32)
    golden = vars(after.golden) | {"image": 255 - after.golden.image}
    with pytest.raises(PolicyError, match="golden pair 0: observation differs"):
        Policy(after.contract, after._weights, type(after.golden)(**golden)).verify_golden()


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("network.convolutions", [], "network.convolutions goes with observation.pixels: give both or neither"),
        ("observation.pixels", None, "observation: terms: must not be empty"),
        ("network.convolutions", [{"filters": 3, "size": 13}], "convolutions: filters of 13 x 13 on a picture of 12 x"),
        (
            "network.convolutions",
            [{"filters": 4, "size": 4, "stride": 2}] * 2,
            "c0: has shape (32, 3), expected (32, 4)",
        ),
        ("observation.pixels.width", 10**9, "observation.pixels.width: must be less than or equal to 256"),
    ],
)
def test_a_contract_of_pictures_that_cannot_hold_is_refused(tmp_path, path, value, problem):
    pixel_policy().save(tmp_path / "policy")
    assert problem in forge(tmp_path / "policy", policy_yaml=edited(tmp_path / "policy", path, value))


def test_a_policy_of_the_version_before_is_read(folder):
    write_folder(folder, contents_of(folder) | {"policy.yaml": edited(folder, "version", 2)})
    Policy.load(folder).verify_golden()


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu"])
def test_act_against_a_network_written_out(activation):
    policy = make_policy(activation=activation)
    w = make_weights(policy.contract)
    x = np.random.default_rng(2).normal(size=(1, policy.contract.observation.size))
    functions: Changes = {"relu": lambda v: max(v, 0), "tanh": np.tanh, "elu": lambda v: v if v > 0 else np.exp(v) - 1}
    layer = [(float(v) - m) / s for v, m, s in zip(x[0], w["obs_mean"], w["obs_std"], strict=True)]
    for k in range(3):
        layer = [sum(v * w[f"w{k}"][i, j] for i, v in enumerate(layer)) + w[f"b{k}"][j] for j in range(len(w[f"b{k}"]))]
        layer = [functions[activation](v) for v in layer] if k < 2 else layer
    assert policy.act(x)[0] == pytest.approx(layer, abs=1e-5)


def test_normalize_clips_at_ten_deviations():
    seen = normalize(np.array([[1.0, 1e9, -1e9, 3.0]]), np.array([0.0, 0, 0, 1]), np.array([1.0, 2, 2, 4]))
    assert seen.tolist() == [[1, 10, -10, 0.5]]
    assert seen.dtype == np.float32


def test_golden_pairs_notice_another_computation(policy):
    policy.verify_golden()
    assert policy.golden is not None
    for name in ("observation", "action", "command"):
        golden = vars(policy.golden) | {name: getattr(policy.golden, name) + 2e-5}
        with pytest.raises(PolicyError, match=rf"^golden pair 0: {name} differs by 2e-05; this machine or version"):
            Policy(policy.contract, make_weights(policy.contract), type(policy.golden)(**golden)).verify_golden()
    weights = make_weights(policy.contract)
    weights["w1"] = weights["w1"] * 1.01
    with pytest.raises(PolicyError, match="action differs"):
        Policy(policy.contract, weights, policy.golden).verify_golden()
    weights["w1"][0, 0] = np.nan
    with pytest.raises(PolicyError, match="action differs by nan"):
        Policy(policy.contract, weights, policy.golden).verify_golden()
    with pytest.raises(PolicyError, match="no golden pairs"):
        Policy(policy.contract, make_weights(policy.contract)).verify_golden()


def test_the_runner_is_observation_network_and_action_map_in_turn(policy):
    rng, runner, contract = np.random.default_rng(3), policy.runner(), policy.contract
    last_action, last_command, history = np.zeros((1, 1)), None, None
    for step in range(5):
        q, dq, quaternion, velocity, asked = random_senses(rng)
        command = runner.step(q, dq, quaternion, velocity, asked)
        last_command = contract.action.at_rest(q[:, :1]) if last_command is None else last_command
        x, y, z, w = quaternion[0]
        down = -np.array([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)])
        time = np.array([step / 50])
        phase = [np.sin(4 * np.pi * time[0]), np.cos(4 * np.pi * time[0])]
        frame = 0.5 * np.concatenate([q[0], dq[0], last_action[0], down, asked[0], phase])
        history = np.concatenate([frame, frame if history is None else history])[: 2 * len(frame)]
        assert runner.observation[0] == pytest.approx(history, abs=1e-12), step
        last_action = np.clip(policy.act(history[None]), -1, 1)
        last_command = contract.action.command(last_action, last_command, time, asked)
        assert runner.action.tolist() == last_action.tolist()
        assert command.tolist() == last_command.tolist()


def test_robots_together_are_each_robot_alone(policy):
    rng = np.random.default_rng(4)
    together, alone = policy.runner(3), [policy.runner() for _ in range(3)]
    for _ in range(5):
        senses = random_senses(rng, 3)
        commands = together.step(*senses)
        one_by_one = [runner.step(*(s[k : k + 1] for s in senses)) for k, runner in enumerate(alone)]
        assert commands == pytest.approx(np.concatenate(one_by_one), abs=1e-6)


def test_a_restarted_runner_has_forgotten_everything(policy):
    rng = np.random.default_rng(5)
    used, new = policy.runner(), policy.runner()
    for _ in range(3):
        used.step(*random_senses(rng))
    used.restart()
    for _ in range(3):
        senses = random_senses(rng)
        assert used.step(*senses).tobytes() == new.step(*senses).tobytes()
        assert used.observation.tobytes() == new.observation.tobytes()


def test_what_is_asked_matters_and_is_nothing_if_left_out(policy):
    *senses, asked = random_senses(np.random.default_rng(6))
    still, silent, moving = (policy.runner() for _ in range(3))
    for _ in range(3):
        assert still.step(*senses, np.zeros((1, 3))).tobytes() == silent.step(*senses).tobytes()
        moving.step(*senses, asked)
        assert np.abs(moving.observation - still.observation).max() > 0.05


def test_the_gait_goes_on_while_nothing_else_changes(policy):
    """Its time is that of the runner: a turn takes 25 periods, and restarts with the policy."""
    senses, runner = random_senses(np.random.default_rng(7)), policy.runner()

    def phases(n: int) -> list[list[float]]:
        return [(runner.step(*senses), runner.observation[0, 11:13].tolist())[1] for _ in range(n)]

    first = phases(26)
    turn = 2 * np.pi * np.arange(26) / 25
    np.testing.assert_allclose(first, 0.5 * np.stack([np.sin(turn), np.cos(turn)], axis=1), atol=1e-12)
    runner.restart()
    assert phases(3) == first[:3]


def test_a_state_that_is_not_finite_gives_a_command_that_is_not(policy):
    senses = random_senses(np.random.default_rng(6))
    senses[0][0, 1] = np.nan
    assert np.isnan(policy.runner().step(*senses)).all()


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (
            "network.sizes",
            [15, 8, 6, 1],
            "network.sizes must go from 26 (the observation) to 1 (the action), not from 15 to 1",
        ),
        (
            "network.sizes",
            [26, 8, 6, 2],
            "network.sizes must go from 26 (the observation) to 1 (the action), not from 26 to 2",
        ),
        ("network.sizes", [26, 0, 1], "network.sizes.1: must be greater than or equal to 1 (got 0)"),
        ("network.sizes", [26], "network.sizes: must have at least 2 entries"),
        ("network.sizes", [26, *[1] * 100], "network.sizes: must have at most 64 entries"),
        ("network.activation", "gelu", "network.activation: must be 'relu', 'tanh' or 'elu' (got 'gelu')"),
        ("observation.history", 3, "network.sizes must go from 39 (the observation) to 1 (the action)"),
        (
            "observation.terms",
            [{"name": "joint_positon"}],
            "observation.terms.0.name: no such term (did you mean 'joint_position'?)",
        ),
        ("observation.joints", ["pendulum_joint", "arm_joint"], "observation.joints must equal robot.joints"),
        (
            "observation.default_pose",
            [0.0],
            "observation: joints must differ from one another, and default_pose have one number",
        ),
        ("observation.n_actions", 2, "observation.n_actions must be 1, the number of action.actuators"),
        ("action.actuators", ["elbow"], "action.actuators must be some of robot.joints, each once"),
        ("action.max_step", [0.0], "action: lower must not exceed upper, and max_step must be above 0"),
        (
            "action.lower",
            [-1.0, 1.0],
            "action: offset, scale, lower, upper and max_step need one number for each of the 1",
        ),
        ("robot.name", "../../elsewhere/robot.yaml", "robot.name: must match pattern"),
        ("robot.lower", [0.0], "robot: lower, upper and velocity need one entry for each of joints"),
        ("robot.lower", [float("nan"), 0.0], "robot.lower.0: must be a finite number (got nan)"),
        ("task", "os:system", "task: must match pattern"),
        ("task", "antigravity:x", "task: must match pattern"),
        ("rate_hz", 0, "rate_hz: must be greater than 0 (got 0)"),
        ("rate_hz", 1e9, "rate_hz: must be less than or equal to 1000"),
        ("rate_hz", "50", "rate_hz: must be a number (got '50')"),
        ("fallback", "none", "fallback: must be 'hold', 'damp' or 'zero' (got 'none')"),
        ("format", "other", "format: must be 'sim2real-policy' (got 'other')"),
        ("version", 1, "version: the format is of version 1; this sim2real reads 2 and 3: export the policy again"),
        ("rate", 50, "rate: unknown key (did you mean 'rate_hz'?); known keys: action, "),
        ("action.max_stpe", [1], "action.max_stpe: unknown key (did you mean 'max_step'?)"),
    ],
)
def test_a_contract_that_cannot_hold_is_refused(folder, path, value, problem):
    assert forge(folder, policy_yaml=edited(folder, path, value)).startswith(f"policy.yaml: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"task: other\n", "policy.yaml:{line}: key 'task' stands twice, in lines "),
        (b"x: !!python/object/apply:os.system ['touch canary']\n", "policy.yaml:{line}: tags ("),
        (b"x: \xff\n", "policy.yaml: is not text"),
        (b"x: [\n", "policy.yaml:{after}: "),
    ],
)
def test_text_that_is_not_strict_yaml_is_refused(folder, text, problem):
    good = (folder / "policy.yaml").read_bytes()
    line = good.count(b"\n") + 1
    assert forge(folder, policy_yaml=good + text).startswith(problem.format(line=line, after=line + 1))


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("w1", lambda a: a[:, :-1], "weights.npz: w1: has shape (8, 5), expected (8, 6)"),
        ("w1", lambda a: a.T, "weights.npz: w1: has shape (6, 8), expected (8, 6)"),
        ("b0", lambda a: a[None], "weights.npz: b0: has shape (1, 8), expected (8)"),
        ("w0", lambda a: np.where(a == a.max(), np.nan, a), "weights.npz: w0: holds values that are not finite"),
        ("b2", lambda a: a * np.inf, "weights.npz: b2: holds values that are not finite"),
        ("b2", lambda a: np.full(1, 1e39), "weights.npz: b2: holds values that are not finite in single precision"),
        ("obs_std", lambda a: a * 0, "weights: obs_std: every deviation must be above 0"),
        ("obs_std", lambda a: -a, "weights: obs_std: every deviation must be above 0"),
        ("obs_mean", lambda a: a * np.nan, "weights.npz: obs_mean: holds values that are not finite"),
    ],
)
def test_weights_that_do_not_fit_the_contract_are_refused(folder, policy, name, change, problem):
    weights = make_weights(policy.contract)
    weights[name] = change(weights[name])
    assert forge(folder, weights_npz=pack_arrays(weights)).startswith(problem)


def test_weights_too_few_or_too_many_are_refused(folder, policy):
    weights = make_weights(policy.contract)
    assert forge(folder, weights_npz=pack_arrays({**weights, "w3": np.ones((1, 1))})).startswith(
        "weights.npz: is not an "
    )
    del weights["b1"]
    assert forge(folder, weights_npz=pack_arrays(weights)) == "weights.npz: is not an uncompressed .npz of 8 arrays"
    wrong = pack_arrays({**weights, "b9": np.ones(6)})
    assert forge(folder, weights_npz=wrong).startswith("weights.npz: holds b0.npy, b2.npy, b9.npy, obs_mean.npy, ")


def test_golden_pairs_that_prove_nothing_are_refused(folder, policy):
    golden = {name: array for name, array in vars(policy.golden).items() if name != "image"}
    empty = {name: array[:0] for name, array in golden.items()}
    assert forge(folder, golden_npz=pack_arrays(empty)).startswith("golden.npz: q: has shape (0, 2), expected (any, 2)")
    ragged = {**golden, "q": golden["q"][:-1]}
    assert forge(folder, golden_npz=pack_arrays(ragged)) == "golden.npz: its arrays have different lengths"
    nan = {**golden, "action": golden["action"] * np.nan}
    assert forge(folder, golden_npz=pack_arrays(nan)).startswith("golden.npz: action: holds values that are not finite")


def test_a_robot_without_an_imu_has_none_in_its_golden_pairs(tmp_path):
    contract = make_contract()
    layout = contract.observation.model_copy(update={"terms": TERMS[:3]})
    network = contract.network.model_copy(update={"sizes": (layout.size, 4, 1)})
    contract = contract.model_copy(update={"observation": layout, "network": network})
    nothing = np.full((1, 4), np.nan), np.full((1, 3), np.nan)
    states = [
        (q, dq, *nothing, asked) for q, dq, _, _, asked in (random_senses(np.random.default_rng(k)) for k in range(4))
    ]
    record_golden(Policy(contract, make_weights(contract)), states).save(tmp_path / "policy")
    Policy.load(tmp_path / "policy").verify_golden()


def test_saving_refuses_what_loading_would_and_leaves_the_old_policy(folder, policy):
    before = contents_of(folder)
    weights = make_weights(policy.contract)
    weights["w0"][0, 0] = np.nan
    with pytest.raises(PolicyError, match=r"weights\.npz: w0: holds values that are not finite"):
        Policy(policy.contract, weights, policy.golden).save(folder)
    with pytest.raises(PolicyError, match="record golden pairs before saving"):
        Policy(policy.contract, make_weights(policy.contract)).save(folder)
    assert contents_of(folder) == before


def test_saving_over_a_policy_replaces_it(folder):
    other = make_policy(seed=9, activation="relu")
    other.save(folder)
    other.save(folder)
    assert Policy.load(folder).contract.network.activation == "relu"
    Policy.load(folder).verify_golden()
    assert [p.name for p in folder.parent.iterdir()] == ["policy"]


def test_a_forged_contract_is_refused_or_runs(folder):
    """Changes to policy.yaml under a manifest that fits: refused in one line, or a policy that can be replayed."""
    rng, good = np.random.default_rng(8), contents_of(folder)
    refused = 0
    for _ in range(120):
        text = bytearray(good["policy.yaml"])
        for _ in range(rng.integers(1, 4)):
            text[rng.integers(len(text))] = rng.choice(list(b"0123456789-.:e[]{}#'\"\n *&!_x\x00\xff"))
        write_folder(folder, good | {"policy.yaml": bytes(text)})
        try:
            with np.errstate(all="ignore"):
                Policy.load(folder).verify_golden()
        except PolicyError as error:
            refused += 1
            assert str(error).isprintable()
    assert 30 < refused < 120


def test_a_policy_loads_fast_and_on_numpy_alone(folder):
    absent = ["tensorflow", "keras", "pybullet", "mujoco", "rclpy", "gymnasium", "scipy", "matplotlib"]
    code = f"""
import sys, time
began = time.process_time()
from sim2real.policy import Policy
imported = time.process_time() - began
policy = Policy.load({str(folder)!r})
policy.verify_golden()
print(imported, *sorted(set({absent}) & set(sys.modules)))
"""
    seconds = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        first, *loaded = done.stdout.split()
        assert loaded == []
        seconds.append(float(first))
    assert min(seconds) < 1  # 0.35 s where nothing else runs
