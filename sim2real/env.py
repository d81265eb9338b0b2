"""Gymnasium environments: N worlds of one robot and one task, single or vectorised.

import gymnasium, sim2real

env = gymnasium.make("sim2real/Balance-v0", robot="cartpole", engine="bullet", randomization="cartpole")
envs = gymnasium.make_vec("sim2real/Balance-v0", num_envs=64, robot="cartpole", workers=2)
"""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from randomization import Randomization, Variant, stream
from randomization.draws import Widening
from robots import Robot, load_robot
from sim2real.errors import RandomizationError
from sim2real.observation import LIMIT, ObservationLayout, Observer, RobotState
from sim2real.sim import make_engine
from sim2real.sim.simulation import Simulation
from sim2real.tasks import Task, load_task
from sim2real.tasks.steady import SteadyError
from sim2real.worlds import Worlds

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
Observation = NDArray[Any]  # float32, or uint8 where it is a picture
Bools = NDArray[np.bool_]


if TYPE_CHECKING:
    from sim2real.sim.render import Renderer

_METADATA: dict[str, Any] = {"render_modes": []}
_SINGLE_METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 50}
_VECTOR_METADATA: dict[str, Any] = {**_METADATA, "autoreset_mode": AutoresetMode.SAME_STEP}


class RobotVectorEnv(VectorEnv[Observation, Float32, NDArray[Any]]):
    """N worlds, each with its own Variant, drawn anew for each episode, and where asked for within it.

    World k does the same under the same actions, bit by bit, whether it is one of many or alone (`first_world` = k),
    in this process or in a pool.

    Worlds that end are reset within the same step (AutoresetMode.SAME_STEP): the observation is the new episode's
    first, `infos["final_obs"]` (n, size) holds the ended one's last where `infos["_final_obs"]` (n,) is True, and
    `infos["episode_variant"]` (n, size of the VariantSpace) its truth, likewise.
    With `privileged`, `infos["privileged"]` and `infos["final_privileged"]` (n, any) hold what only a simulator knows.
    Also in `infos`: `reward_terms`, a dict of (n,) arrays; `success` (n,), True where an episode reached its time
    limit; `diverged` (n,), True where physics produced no finite number and the world was rebuilt.
    """

    metadata = _VECTOR_METADATA

    def __init__(
        self,
        num_envs: int = 1,
        robot: str | Path | Robot = "cartpole",
        task: str = "balance",
        engine: str = "bullet",
        randomization: str | Path | Randomization = "none",
        variants: Variant | None = None,
        options: dict[str, Any] | None = None,
        workers: int = 0,
        seed: int | None = None,
        first_world: int = 0,
        widening: Widening | None = None,
        physics_hz: float | None = None,
        privileged: bool = False,
        stagger: bool = False,
    ) -> None:
        """Build the worlds.

        robot: a catalog name, a folder, a robot.yaml, or a Robot; task: a name or "module:Class"
        randomization: a shipped name, a .yaml, "none", or a Randomization; drawn from at every reset
        variants: num_envs Variants to keep instead of drawing; options: the task's options by name
        workers: processes (bullet) or threads (mujoco); 0 stays in this thread
        seed: until reset(seed=...) sets another; with None every environment has a seed of its own
        first_world: index of the first of these worlds, where they are some of a greater number under one seed
        widening: sets the ranges to draw from, in the place of `randomization`'s
        physics_hz: in the place of the robot.yaml's [Hz]; privileged: add to `infos` what a critic may look at
        stagger: let the episodes that a reset of all worlds begins end at different times, as if under way already
        """
        seed = secrets.randbits(63) if seed is None else seed
        self.num_envs = num_envs
        self.robot = (robot if isinstance(robot, Robot) else load_robot(robot)).at(physics_hz)
        self.task = load_task(task, self.robot, options)
        if not isinstance(randomization, Randomization):
            randomization = Randomization.load(randomization, self.robot, self.task.episode_s)
        self.randomization = randomization
        self.variants = variants
        self._check_fit()
        self._first_world, self._widening = first_world, widening
        self._worlds = self._make_worlds(seed)
        layout = self.task.layout
        self.simulation = Simulation(
            make_engine(engine, self.robot, num_envs, workers), seed, first_world, layout.pixels
        )
        self._observer = Observer(layout, num_envs)
        self._max_steps = round(self.task.episode_s / self.robot.control_dt)
        self.single_observation_space = _space(layout)
        self.single_action_space = gymnasium.spaces.Box(-1.0, 1.0, (self.robot.n_actuators,), np.float32)
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._action = np.zeros((num_envs, self.robot.n_actuators))
        self._command = np.zeros((num_envs, self.robot.n_actuators))
        self._steady = SteadyError(self.task, num_envs, self.robot.control_dt)
        self._steps = np.zeros(num_envs, dtype=np.int64)  # of each episode, counted from where it was staggered to
        self._time = np.zeros(num_envs)  # [s] since the policy began
        self._stagger, self._seed = stagger, seed
        self._privileged, self._insight = privileged, _Insight(self.task, self.randomization)

    def _make_worlds(self, seed: int) -> Worlds:
        truth = self.randomization if self.variants is None else self.variants
        return Worlds(self.task, truth, seed, self.num_envs, self._first_world, widening=self._widening)

    def _check_fit(self) -> None:
        for name, given in (("randomization", self.randomization), ("variants", self.variants)):
            if given is not None and given.space.robot_name != self.robot.name:
                raise RandomizationError(f"{name}: for robot '{given.space.robot_name}', this is '{self.robot.name}'")
        if self.variants is not None and len(self.variants) != self.num_envs:
            raise RandomizationError(
                f"variants: {len(self.variants)} Variants for {self.num_envs} worlds; give one each"
            )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in every world."""
        super().reset(seed=seed)
        if seed is not None:
            self._seed = seed
            self._worlds = self._make_worlds(seed)
            self.simulation.reseed(seed, self._first_world)
        everywhere = np.arange(self.num_envs)
        observation = self._begin(everywhere)
        if self._stagger:
            ages = [stream(self._seed, "age", self._first_world + k) for k in everywhere.tolist()]
            self._steps[:] = [rng.integers(self._max_steps) for rng in ages]
        return observation, {"privileged": self._see(everywhere)} if self._privileged else {}

    def step(self, actions: Float32) -> tuple[Observation, Array, Bools, Bools, dict[str, Any]]:
        """Advance every world by one control period under actions (n, n_actuators) in -1..1."""
        said = np.asarray(actions, dtype=np.float64).reshape(self._action.shape)
        action = self.task.action_map.action(said, self._action)
        asked = self._worlds.command.copy()
        command = self.task.action_map.command(action, self._command, self._time, asked)
        self.simulation.advance(command)  # refuses what is not finite, which must not become the last command
        self._command = command
        self._steps += 1
        self._time += self.robot.control_dt
        state = self.simulation.state
        steady = self._steady.observe(state, asked, self._worlds.since)
        terms = self.task.reward(state, action, self._action, asked, steady)
        self._action = action
        diverged = ~state.healthy
        terminated = self.task.failed(state) | diverged
        truncated = ~terminated & (self._steps >= self._max_steps)
        infos: dict[str, Any] = {"reward_terms": terms, "success": truncated, "diverged": diverged}
        observation = self._pass_time(terminated | truncated, truncated, infos)
        reward = sum(terms.values(), np.zeros(self.num_envs))
        return observation, reward, terminated, truncated, infos

    def _pass_time(self, ended: Bools, truncated: Bools, infos: dict[str, Any]) -> Observation:
        """Let what changes with time change, begin new episodes, and return the observations: (n, size)."""
        if ended.any():
            truth = np.zeros((self.num_envs, self.simulation.engine.space.size))
            truth[ended] = self.simulation.truth(np.flatnonzero(ended))
            infos["episode_variant"], infos["_episode_variant"] = truth, ended
            self._worlds.report(np.flatnonzero(ended), truncated[ended])
        if (redrawn := self._worlds.tick(self.robot.control_dt)) is not None:
            self.simulation.redraw(*redrawn)
        observation = self._shown(self._observer.observe(self._sense()))
        if self._privileged:
            infos["privileged"] = self._see(slice(None))
        if ended.any():
            infos["final_obs"], infos["_final_obs"] = observation.copy(), ended
            worlds = np.flatnonzero(ended)
            observation[ended] = self._begin(worlds)
            if self._privileged:
                infos["final_privileged"] = infos["privileged"].copy()
                infos["privileged"][ended] = self._see(worlds)
        return observation

    def close_extras(self, **kwargs: Any) -> None:
        """Release the engine."""
        self.simulation.close()

    def _begin(self, worlds: NDArray[np.intp]) -> Observation:
        """Begin an episode in some worlds and return their first observations: (len(worlds), size)."""
        variant, q, dq = self._worlds.begin(worlds)
        self.simulation.reset(q, dq, worlds, variant)
        self._steps[worlds], self._time[worlds] = 0, 0.0
        self._action[worlds], self._steady.value[worlds] = 0.0, 0.0
        self._command[worlds] = self.task.action_map.at_rest(q[:, self.robot.actuated])
        return self._shown(self._observer.restart(self._sense(worlds), worlds))

    def _shown(self, observed: NDArray[Any]) -> Observation:
        """Return observations (n, size) as their space has them."""
        shape = self.task.layout.picture or (self.task.layout.size,)
        return observed.reshape(len(observed), *shape).astype(self.single_observation_space.dtype)

    def _sense(self, some: NDArray[np.intp] | None = None) -> RobotState:
        worlds = slice(None) if some is None else some
        q, dq, quaternion, angular_velocity = (reading[worlds] for reading in self.simulation.sense())
        action, asked, time = self._action[worlds], self._worlds.command[worlds], self._time[worlds]
        return RobotState(q, dq, quaternion, angular_velocity, action, asked, time, image=self.simulation.look(some))

    def _see(self, worlds: NDArray[np.intp] | slice) -> Float32:
        """Return what a critic may look at in some worlds: (len(worlds), any number)."""
        return self._insight.of(self.simulation, self._worlds.command, self._steady.value, worlds)


def _space(layout: ObservationLayout) -> gymnasium.spaces.Box:
    """Return the space of one world's observations: a vector, or a picture (height, width, channels)."""
    if layout.picture is not None:
        return gymnasium.spaces.Box(0, 255, layout.picture, np.uint8)
    return gymnasium.spaces.Box(-LIMIT, LIMIT, (layout.size,), np.float32)


class _Insight:
    """What only a simulator knows: the task's share, and the Variant's coordinates that differ between worlds."""

    def __init__(self, task: Task, randomization: Randomization) -> None:
        self._task = task
        low, high = randomization.bounds()
        self._columns = np.flatnonzero(np.isfinite(low) & np.isfinite(high) & (high > low))
        low, high = low[self._columns], high[self._columns]
        self._centre, self._half = (low + high) / 2, (high - low) / 2

    def of(self, simulation: Simulation, command: Array, steady: Array, worlds: NDArray[np.intp] | slice) -> Float32:
        """Return it for some worlds, each coordinate of the Variant within -1..1 of its range: (k, any number)."""
        drawn = (simulation.truth(worlds)[:, self._columns] - self._centre) / self._half
        seen = self._task.privileged(simulation.state, command, steady)[worlds]
        return np.concatenate([seen, drawn], axis=1).astype(np.float32)


class RobotEnv(gymnasium.Env[Observation, Float32]):
    """One world: RobotVectorEnv with num_envs = 1, without the automatic reset; `render` draws it."""

    metadata = _SINGLE_METADATA

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        """Take the options of RobotVectorEnv, except num_envs; render_mode: None or "rgb_array"."""
        self.render_mode = render_mode
        self.worlds = RobotVectorEnv(num_envs=1, **options)
        self._renderer: Renderer | None = None
        self.observation_space = self.worlds.single_observation_space
        self.action_space = self.worlds.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; `info["variant"]` is its truth, as far as it is not nominal."""
        super().reset(seed=seed)
        observation, _ = self.worlds.reset(seed=seed)
        return observation[0], {"variant": self.worlds.simulation.variant.as_dict()}

    def step(self, action: Float32) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Advance one control period under an action (n_actuators,) in -1..1."""
        observation, reward, terminated, truncated, infos = self.worlds.step(np.asarray(action)[None])
        last = infos["final_obs"][0] if "final_obs" in infos else observation[0]
        info = {f"reward/{name}": float(value[0]) for name, value in infos["reward_terms"].items()}
        info |= {name: bool(infos[name][0]) for name in ("success", "diverged")}
        return last, float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture (height, width, 3), or None without a render mode."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            from sim2real.sim.render import Renderer

            self._renderer = Renderer(self.worlds.robot)
        state = self.worlds.simulation.state
        return self._renderer.draw(state.q[0], state.base_position[0], state.base_quaternion[0])

    def close(self) -> None:
        """Release the engine and the renderer."""
        self.worlds.close()
        if self._renderer is not None:
            self._renderer.close()
