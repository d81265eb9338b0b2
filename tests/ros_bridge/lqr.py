"""Policies that need no learner, written by hand as networks of one layer."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_discrete_are

from randomization import Randomization
from robots import Robot, load_robot
from sim2real.policy import NetworkContract, Policy
from sim2real.sim import make_engine
from sim2real.tasks import Task, load_task
from sim2real.training.export import make_policy

Array = NDArray[np.float64]


def linearize(robot: Robot, task: Task, eps: float = 1e-4) -> tuple[Array, Array]:
    """Return A and B of one control period around the default pose, by differences in the nominal MuJoCo world."""
    engine = make_engine("mujoco", robot)
    n = 2 * robot.n_joints

    def after(x: Array, u: float) -> Array:
        engine.reset((robot.default_q + x[: n // 2])[None], x[None, n // 2 :], np.arange(1))
        engine.step(np.array([[u]]), np.zeros(1))
        return np.concatenate([engine.state.q[0] - robot.default_q, engine.state.dq[0]])

    scale = task.action_map.scale[0]
    a = np.array([(after(eps * e, 0.0) - after(-eps * e, 0.0)) / (2 * eps) for e in np.eye(n)]).T
    b = (after(np.zeros(n), eps * scale) - after(np.zeros(n), -eps * scale)) / (2 * eps)
    engine.close()
    return a, b[:, None]


def balancing_policy(robot_name: str = "cartpole", effort_cost: float = 3.0) -> Policy:
    """Return the optimal linear feedback for a plant that acts one period late, which is what ROS adds."""
    robot = load_robot(robot_name)
    task = load_task("balance", robot)
    a, b = linearize(robot, task)
    n = len(a)
    late_a, late_b = np.zeros((n + 1, n + 1)), np.zeros((n + 1, 1))
    late_a[:n, :n], late_a[:n, n:], late_b[n] = a, b, 1.0
    cost = np.diag([*np.ones(n // 2), *np.full(n // 2, 0.1), 0.0])
    p = solve_discrete_are(late_a, late_b, cost, np.array([[effort_cost]]))
    gain = np.linalg.solve(effort_cost + late_b.T @ p @ late_b, late_b.T @ p @ late_a)[0]
    widths = (n // 2, n // 2, 1)
    scales = np.concatenate([np.full(w, term.scale) for term, w in zip(task.layout.terms, widths, strict=True)])
    return _one_layer(robot, task, -gain / scales, 0.0)


def constant_policy(robot_name: str, terms: list[dict[str, str]], action: float = 1.0) -> Policy:
    """Return a policy that sees `terms` and wants the same action whatever it sees."""
    robot = load_robot(robot_name)
    task = load_task("balance", robot, {"terms": terms})
    return _one_layer(robot, task, np.zeros(task.layout.size), action)


def reaching_policy(robot_name: str = "kuka_iiwa", gain: float = 0.4) -> Policy:
    """Return a policy whose joints go the way that `Chain.towards` says: differential inverse kinematics."""
    robot = load_robot(robot_name)
    task = load_task("reach", robot, {"terms": [{"name": "end_effector_step"}]})
    chain, _ = task.layout.reach
    weights = np.zeros((task.layout.size, robot.n_actuators))
    for k, joint in enumerate(chain.names):
        weights[k, robot.actuator_names.index(joint)] = gain
    return _one_layer(robot, task, weights, 0.0)


def _one_layer(robot: Robot, task: Task, weights: Array, bias: float) -> Policy:
    weights = weights.reshape(task.layout.size, -1)
    size, n_motors = weights.shape
    layer = {"w0": weights, "b0": np.full(n_motors, bias)}
    network = NetworkContract(sizes=(size, n_motors), activation="tanh")
    normalizer = {"obs_mean": np.zeros(size), "obs_std": np.ones(size)}
    return make_policy(robot, task, Randomization.none(robot), network, normalizer | layer, {"made_by": "tests"})
