"""Settings of the agent. No TensorFlow here, so that a config can be read and checked at once."""

from typing import Annotated, Literal

from pydantic import Field

from sim2real.config import Strict


class A2CConfig(Strict):
    """Advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783) with GAE (Schulman et al. 2016, arXiv 1506.02438)."""

    hidden: tuple[Annotated[int, Field(gt=0)], ...] = Field(default=(64, 64), description="Widths of the hidden layers")
    activation: Literal["relu", "tanh", "elu"] = "tanh"
    init: Literal["orthogonal", "he_normal"] = "orthogonal"
    shared: bool = Field(default=True, description="One trunk for actor and critic")
    horizon: int = Field(default=16, gt=0, description="Steps of each world in one batch")
    gamma: float = Field(default=0.99, gt=0, le=1, description="Discount a step")
    lam: float = Field(default=0.95, ge=0, le=1, description="GAE's lambda; 1 gives plain n-step returns")
    policy_weight: float = Field(default=1.0, ge=0)
    value_weight: float = Field(default=0.5, ge=0)
    entropy_weight: float = Field(default=0.0, ge=0)
    optimizer: Literal["adam", "rmsprop"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["constant", "linear"] = Field(default="linear", description="linear falls to 0 over the run")
    max_grad_norm: float = Field(default=0.5, gt=0)
    normalize_advantage: bool = True
    normalize_observation: bool = True
    initial_std: float = Field(default=0.5, gt=0, description="Deviation of a Gaussian policy at the start")
