"""Which policy to keep: what a learner knows made into a Policy, and how well it does in worlds held out from training.

Environments without a robot have no Policy; there the learner itself is judged.
"""

import io
from pathlib import Path
from typing import Any, NamedTuple

from randomization import Randomization, stream
from sim2real.a2c.agent import A2C
from sim2real.a2c.rollout import greedy_returns
from sim2real.env import RobotVectorEnv
from sim2real.errors import PolicyError
from sim2real.evaluate import evaluate
from sim2real.policy import NetworkContract, Policy
from sim2real.policy.convolution import Convolution
from sim2real.training.config import RobotEnvironment, TrainConfig
from sim2real.training.export import make_policy
from sim2real.training.folder import BEST_POLICY, POLICY, versions
from sim2real.training.record import Record
from sim2real.training.reports import Reports
from sim2real.training.worlds import Envs, TrainingWorlds, make_envs

FINAL_EPISODES = 100


class Score(NamedTuple):
    """How a policy did in held-out worlds. success: share of episodes that reached their time limit, if a robot's."""

    mean_return: float
    success: float | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """The figures to log."""
        figures = {"evaluation/return": self.mean_return, "evaluation/success": self.success}
        return {name: value for name, value in figures.items() if value is not None}


class Selection:
    """Judges the learner now and then, and says at the end which policy is left in the run folder.

    best: the learner of the best policy so far, as `A2C.save` writes it, None before there is any
    """

    def __init__(
        self, worlds: TrainingWorlds, envs: Envs, agent: A2C, record: Record, folder: Path, best: bytes | None
    ) -> None:
        self.config, self.worlds, self.envs, self.agent, self.record = worlds.config, worlds, envs, agent, record
        self.folder, self.best = folder, best if record.best is not None else None
        self.metrics: dict[str, float] = {}

    def evaluate(self, step: int, learner: bytes, reports: Reports) -> None:
        """Judge the learner of now; if none was better, its policy is the one to keep, and goes into policy-best."""
        assert self.config.evaluation is not None  # noqa: S101
        policy, worlds = self._policy(step), self.config.evaluation.worlds
        score = judge_learner(self.config, self.agent, worlds) if policy is None else self._judge(policy, worlds)
        better = self.record.take(score.mean_return, step)
        self.metrics = score.metrics
        if self.record.best is not None:
            self.metrics |= {"evaluation/best": self.record.best.score}
        if not better:
            return
        self.best = learner
        if policy is not None:
            self._save(policy, BEST_POLICY, step, reports)
            reports.best(step, policy)

    def keep(self, step: int, reports: Reports) -> Policy | None:
        """Leave the policy that was best in evaluation, or in training before a collapse; else the one of now.

        The learner is then that policy's. Return the policy, None for environments without a robot.
        """
        best = self.record.best
        if best is not None and self.best is not None and (best.by == "evaluation" or self.record.collapsed):
            self.agent.load(io.BytesIO(self.best))
            if best.step < step:
                score = f"mean return {best.score:.4g} in {best.by}"
                reports.note(step, f"the policy that is kept is that of step {best.step:,}: {score}")
            step = best.step
        policy = self._policy(step)
        if policy is not None:
            self._save(policy, POLICY, step, reports)
        return policy

    def _policy(self, step: int) -> Policy | None:
        if not isinstance(self.envs, RobotVectorEnv):
            return None
        family = self.worlds.randomization or self.envs.randomization  # as wide as its ranges have become
        return export_policy(self.config, self.agent, self.envs, family, step)

    def _judge(self, policy: Policy, n_worlds: int) -> Score:
        """Run a policy in the same worlds each time, drawn from the full ranges.

        They are neither training's nor those of `sim2real evaluate`, which is to judge the policy that is chosen here.
        """
        envs, environment = self.envs, self.config.environment
        assert isinstance(envs, RobotVectorEnv)  # noqa: S101
        assert isinstance(environment, RobotEnvironment)  # noqa: S101
        result = evaluate(
            policy,
            engine=environment.engine,
            randomization=self.worlds.full,
            variants=n_worlds,
            seed=int(stream(self.config.seed, "select").integers(2**31)),
            robot=envs.robot,
            workers=self.config.workers,
        )
        return Score(float(result.returns.mean()), result.success_rate)

    def _save(self, policy: Policy, name: str, step: int, reports: Reports) -> None:
        try:
            policy.save(self.folder / name)
        except PolicyError as error:
            reports.note(step, str(error))


def export_policy(config: TrainConfig, agent: A2C, envs: RobotVectorEnv, family: Randomization, step: int) -> Policy:
    """Return the agent's policy of now; `family` is what it was trained in."""
    network = agent.snapshot()
    sizes = (network.n_in, *(weight.shape[1] for weight, _ in network.actor))
    weights: dict[str, Any] = {f"w{k}": w for k, (w, _) in enumerate(network.actor)} | {
        f"b{k}": b for k, (_, b) in enumerate(network.actor)
    }
    weights["obs_mean"], weights["obs_std"] = agent.norm.scale(network.n_in)
    stack: tuple[Convolution, ...] = ()
    if network.actor_eye is not None:
        stack = tuple(network.actor_eye.stack)
        weights |= {f"c{k}": w for k, (w, _) in enumerate(network.actor_eye.weights)} | {
            f"d{k}": b for k, (_, b) in enumerate(network.actor_eye.weights)
        }
    contract = NetworkContract(sizes=sizes, activation=config.a2c.activation, convolutions=stack)
    training = {"config": config.model_dump(mode="json"), "steps": step, "versions": versions()}
    return make_policy(envs.robot, envs.task, family, contract, weights, training)


def judge_learner(config: TrainConfig, agent: A2C, episodes: int = FINAL_EPISODES, purpose: str = "select") -> Score:
    """Run the learner's most likely actions in an environment without a robot; `purpose` names the random stream."""
    envs = make_envs(config, episodes, config.seed)
    try:
        seed = int(stream(config.seed, purpose).integers(2**31))
        return Score(float(greedy_returns(agent, envs, seed).mean()))
    finally:
        envs.close()
