"""Motors and the way to them: gains, limits, play, and what becomes of a command until it acts."""

from math import inf

from randomization.distributions import LogUniform, Uniform
from randomization.quantity import Quantity, always, damped_servos, motors, once, servos

_MI = "motion_imitation, minitaur_env_randomizer_config.py"

MOTORS = (
    Quantity(
        name="kp", per="position servo", unit="x nominal", place="motor", members=servos, nominal=always(1.0),
        meaning="position gain", default=LogUniform(low=0.75, high=1.5), source="Isaac Lab, gear assembly",
        minimum=0.0, maximum=100.0,
    ),
    Quantity(
        name="kd", per="position or velocity servo", unit="x nominal", place="motor", members=damped_servos,
        nominal=always(1.0), meaning="velocity gain",
        default=LogUniform(low=0.5, high=2.0), source="Isaac Lab, gear assembly: 0.3 to 3",
        minimum=0.0, maximum=100.0,
    ),
    Quantity(
        name="strength", per="motor", unit="x nominal", place="motor", members=motors, nominal=always(1.0),
        meaning="effort delivered for effort asked, and the effort limit",
        default=Uniform(low=0.8, high=1.2), source=_MI, minimum=0.0, maximum=100.0,
    ),
    Quantity(
        name="no_load_speed", per="motor", unit="rad/s | m/s", place="motor", members=motors, nominal=always(inf),
        meaning="speed at which the largest effort has fallen to 0, in a straight line; inf is no such loss",
        default=LogUniform(low=10.0, high=40.0), source="open: legged robots' motors (A1: 21 rad/s in its URDF)",
        minimum=0.0, strict=True,
    ),
    Quantity(
        name="supply_voltage", per="robot", unit="x nominal", place="motor", members=once, nominal=always(1.0),
        meaning="scales the no-load speeds and, below 1, the largest efforts",
        default=Uniform(low=0.875, high=1.05), source="Tan et al. 2018 and motion_imitation: 14.0 to 16.8 V of 16 V",
        minimum=0.0, strict=True, maximum=2.0, context={"no_load_speed": 20.0},
    ),
    Quantity(
        name="dead_zone", per="motor", unit="N m | N", place="motor", members=motors, nominal=always(0.0),
        meaning="effort lost before any is delivered",
        default=Uniform(low=0.0, high=0.5), source="Isaac Lab, gear assembly: 0.3 to 0.7 N m of stiction on a UR10e",
        minimum=0.0,
    ),
    Quantity(
        name="backlash", per="motor", unit="rad | m", place="motor", members=motors, nominal=always(0.0),
        meaning="play between motor and joint; the motor's encoder sits on the motor's side",
        default=Uniform(low=0.0, high=0.02), source="open: up to a degree in hobby servos", minimum=0.0,
    ),
    Quantity(
        name="zero_offset", per="motor", unit="rad | m", place="motor", members=motors, nominal=always(0.0),
        meaning="error of the encoder's zero: it reads, and a position servo holds, the joint this much too high",
        default=Uniform(low=-0.02, high=0.02), source="walk-these-ways; MuJoCo Playground 0.05",
    ),
    Quantity(
        name="rate_limit", per="motor", unit="1/s of the command", place="motor", members=motors, nominal=always(inf),
        meaning="fastest change of the command that the motor follows; inf is no limit",
        default=LogUniform(low=10.0, high=100.0), source="open", minimum=0.0, strict=True,
    ),
)  # fmt: skip

COMMANDS = (
    Quantity(
        name="latency", per="robot", unit="s", place="motor", members=once, nominal=always(0.0),
        meaning="from the command's issue to the motor, rounded up to a physics step",
        default=Uniform(low=0.0, high=0.04), source=_MI, minimum=0.0, maximum=10.0,
    ),
    Quantity(
        name="jitter", per="robot", unit="s", place="motor", members=once, nominal=always(0.0),
        meaning="largest extra delay of a command, drawn anew each control period",
        default=Uniform(low=0.0, high=0.01), source="DDS jitter of 5 to 20 ms (unitree_sim_isaaclab issue 108)",
        minimum=0.0, maximum=10.0,
    ),
    Quantity(
        name="command_loss", per="robot", unit="probability", place="motor", members=once, nominal=always(0.0),
        meaning="that a command never arrives; the motors go on with the one before",
        default=Uniform(low=0.0, high=0.1), source="open: a wireless hop", minimum=0.0, maximum=1.0,
    ),
    Quantity(
        name="command_repeat", per="robot", unit="probability", place="motor", members=once, nominal=always(0.0),
        meaning="that the command sent is the one before, once more",
        default=Uniform(low=0.0, high=0.1), source="DeXtreme: up to 0.7 at the end of its widening",
        minimum=0.0, maximum=1.0,
    ),
)  # fmt: skip
