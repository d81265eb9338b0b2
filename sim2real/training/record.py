"""How a training goes, as far as decisions hang on it: its rolling return, the best policy so far, a collapse."""

from collections import deque
from collections.abc import Iterable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sim2real.config import Strict
from sim2real.training.config import TrainConfig

WINDOW = 100  # episodes that the rolling return is taken over, unless the goal names another number
COLLAPSE_ERAS = 10
HUGE = 1e100

Count = Annotated[int, Field(ge=0)]


class Best(Strict):
    """The policy to keep. score: its mean return in training or in evaluation; step: when it was that good."""

    score: float
    step: Count
    by: Literal["training", "evaluation"]


class RecordState(Strict):
    """What a checkpoint holds of a Record.

    returns: of the last episodes, group by group; first, highest: rolling return at the end of the first era that had
    enough episodes, and of the best; below: eras in a row that ended below the middle of the two
    """

    returns: tuple[tuple[float, ...], ...] = ()
    eras: Count = 0
    first: float | None = None
    highest: float | None = None
    below: Count = 0
    best: Best | None = None


class Record:
    """The last returns of each group of worlds, and what follows from them. The same steps give the same record."""

    def __init__(self, config: TrainConfig, state: RecordState | None = None) -> None:
        """state: of the run that goes on. Returns of another number of groups, or another kind of best, are dropped."""
        self._goal, state = config.goal, state or RecordState()
        self._by: Literal["training", "evaluation"] = "training" if config.evaluation is None else "evaluation"
        # Returns under ranges that widen do not compare: falling ones may well be progress.
        self._compares = config.widening is None
        self._wanted = WINDOW if config.goal is None else config.goal.episodes
        share = -(-self._wanted // config.workers)
        kept = state.returns if len(state.returns) == config.workers else ((),) * config.workers
        self._returns = [deque(returns, maxlen=share) for returns in kept]
        self.eras, self._first, self._highest, self._below = state.eras, state.first, state.highest, state.below
        self.best = state.best if state.best is not None and state.best.by == self._by else None

    @property
    def state(self) -> RecordState:
        """What another Record goes on from."""
        returns = tuple(tuple(group) for group in self._returns)
        return RecordState(
            returns=returns,
            eras=self.eras,
            first=self._first,
            highest=self._highest,
            below=self._below,
            best=self.best,
        )

    def add(self, group: int, returns: Iterable[float]) -> None:
        """Take in the returns of episodes that ended in a group of worlds; NaN and what overflows is left out."""
        self._returns[group].extend(value for value in returns if abs(value) < HUGE)

    @property
    def mean_return(self) -> float | None:
        """Mean of the last returns, of each group as many; None before there are enough."""
        returns = [value for group in self._returns for value in group]
        return float(np.mean(returns)) if len(returns) >= self._wanted else None

    @property
    def goal_reached(self) -> bool:
        """Whether the run may end early."""
        goal = self._goal
        if goal is None:
            return False
        if goal.on == "evaluation":
            return self.best is not None and self.best.score >= goal.mean_return
        return self.mean_return is not None and self.mean_return >= goal.mean_return

    @property
    def collapsed(self) -> bool:
        """Whether the rolling return has long been below the middle of its first and its highest value."""
        return self._below >= COLLAPSE_ERAS

    def end_era(self, step: int) -> tuple[bool, str]:
        """Count an era; return whether the policy of now is the best by its returns, and a line if it has collapsed."""
        self.eras += 1
        mean = self.mean_return
        if mean is None or not self._compares:
            return False, ""
        if self._first is None or self._highest is None:
            self._first = self._highest = mean
        middle = (self._first + self._highest) / 2
        self._highest = max(self._highest, mean)
        self._below = self._below + 1 if mean < middle else 0
        news = ""
        if self._below == COLLAPSE_ERAS:
            news = (
                f"collapse: the mean return, {mean:.4g}, has been below {middle:.4g}, the middle of its first and its "
                f"highest value, for {COLLAPSE_ERAS} eras; the policy of step {self.best.step if self.best else 0:,} "
                "is the one that is kept"
            )
        return self._by == "training" and self.take(mean, step), news

    def take(self, score: float, step: int) -> bool:
        """Note how good the policy of now is; return whether none was better, so that it is the one to keep."""
        if not np.isfinite(score) or (self.best is not None and score <= self.best.score):
            return False
        self.best = Best(score=score, step=step, by=self._by)
        return True
