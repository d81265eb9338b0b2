"""Settings of the agent. No TensorFlow here, so that a config can be read and checked at once."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sim2real.config import Strict
from sim2real.policy.convolution import Convolution

Widths = tuple[Annotated[int, Field(gt=0)], ...]


class A2CConfig(Strict):
    """Advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783) with GAE (Schulman et al. 2016, arXiv 1506.02438).

    The actor's step is `natural` (Wu et al. 2017, arXiv 1708.05144; Schulman et al. 2015, arXiv 1502.05477) or
    `first_order`, as published first.
    """

    convolutions: tuple[Convolution, ...] = Field(
        default=(Convolution(filters=16, size=8, stride=4), Convolution(filters=32, size=4, stride=2)),
        min_length=1,
        max_length=8,
        description="Below the hidden layers, where observations are pictures; as Mnih et al. 2016 have them",
    )
    hidden: Widths = Field(default=(64, 64), description="Widths of the hidden layers")
    critic_hidden: Widths | None = Field(default=None, description="The same of a critic apart; None: as the actor's")
    activation: Literal["relu", "tanh", "elu"] = "tanh"
    init: Literal["orthogonal", "he_normal"] = "orthogonal"
    shared: bool = Field(default=False, description="One trunk for actor and critic; first_order only")
    asymmetric: bool = Field(default=False, description="Let the critic see what only a simulator knows")
    symmetry: bool = Field(default=False, description="Make the actor symmetric, where the task has a symmetry")
    horizon: int = Field(default=16, gt=0, description="Steps of each world in one batch")
    gamma: float = Field(default=0.99, gt=0, le=1, description="Discount a step")
    lam: float = Field(default=0.95, ge=0, le=1, description="GAE's lambda; 1 gives plain n-step returns")
    actor_step: Literal["natural", "first_order"] = "natural"
    max_kl: float = Field(default=0.015, gt=0, description="KL divergence that a natural step makes [nat]")
    damping: float = Field(default=0.02, gt=0, description="Added to the Fisher matrix's diagonal")
    cg_iterations: int = Field(default=10, gt=0, description="Conjugate-gradient iterations of a natural step")
    fisher_share: float = Field(
        default=0.25, gt=0, le=1, description="Share of the batch that estimates Fisher's matrix"
    )
    policy_weight: float = Field(default=1.0, ge=0, description="Of the loss; first_order only")
    value_weight: float = Field(default=0.5, ge=0, description="Of the loss; first_order only")
    entropy_weight: float = Field(default=0.0, ge=0)
    entropy_final: float | None = Field(
        default=None, ge=0, description="Where it falls to over the run; None: it stays"
    )
    optimizer: Literal["adam", "rmsprop"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0, description="Of all, and with a natural step of the critic")
    schedule: Literal["constant", "linear", "kl"] = Field(
        default="linear", description="linear falls to 0 over the run; kl follows the measured KL (first_order only)"
    )
    critic_passes: int = Field(default=3, gt=0, description="Of the critic over a batch, with a natural step")
    critic_parts: int = Field(default=4, gt=0, description="Minibatches of such a pass")
    max_grad_norm: float = Field(default=0.5, gt=0)
    normalize_advantage: bool = True
    normalize_observation: bool = True
    normalize_return: bool = Field(default=False, description="Let the critic predict returns of mean 0, deviation 1")
    initial_std: float = Field(default=0.5, gt=0, description="Deviation of a Gaussian policy at the start")
    final_std: float | None = Field(
        default=None, gt=0, description="Where it falls to over the run, at a constant rate; None: it is learned"
    )
    std: Literal["independent", "dependent"] = Field(default="independent", description="Of the state")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        apart = self.actor_step == "natural" or self.asymmetric or self.symmetry or self.critic_hidden is not None
        if self.shared and apart:
            raise ValueError(
                "shared: one trunk cannot take a natural step, see what only the critic may, be symmetric, or "
                "have two sets of widths; set shared: false, or actor_step: first_order and no asymmetric, symmetry "
                "or critic_hidden"
            )
        if self.final_std is not None and self.std == "dependent":
            raise ValueError("final_std: a deviation that depends on the state is learned; leave final_std out")
        if self.schedule == "kl" and self.actor_step == "natural":
            raise ValueError("schedule: a natural step keeps to max_kl by itself; choose constant or linear")
        return self
