"""The world around the robot: gravity, floor, pushes, wind.

What the numbers of the floor mean exactly is in `sim2real.sim.terrain`, what those of pushes and wind mean in
`sim2real.sim.disturbances`. A floor that is not flat is a new height field for the engine whenever one of its numbers
changes, which takes milliseconds in PyBullet: draw it once a world, as the papers do, and not every episode.
"""

from math import pi

from randomization.distributions import Choice, LogUniform, Uniform
from randomization.quantity import Quantity, always, once, with_floor

_ISAAC = "Isaac Lab, ROUGH_TERRAINS_CFG"
_PUSH = {"push_impulse": 5.0, "push_interval": 0.2}
_AHEAD = {"gravity_x": 3.0, "ground_friction": 0.0}  # makes a robot glide into what is ahead: it starts on the level

GRAVITY = tuple(
    Quantity(
        name=f"gravity_{axis}", per="world", unit="m/s^2", place="engine", members=once, nominal=always(value),
        meaning=f"gravity along the {axis} axis of the world",
        default=Uniform(low=value - 0.5, high=value + 0.5), source="walk-these-ways: +-1; DeXtreme: N(0, 0.6)",
        minimum=-100.0, maximum=100.0,
    )
    for axis, value in (("x", 0.0), ("y", 0.0), ("z", -9.81))
)  # fmt: skip

FLOOR = (
    Quantity(
        name="ground_friction", per="floor", unit="x nominal", place="engine", members=with_floor, nominal=always(1.0),
        meaning="scales the sliding friction of all bodies on the floor",
        default=Uniform(low=0.5, high=1.25), source="MuJoCo Playground go1/randomize.py: 0.4 to 1.0, here of 0.8",
        minimum=0.0, maximum=10.0,
    ),
    Quantity(
        name="patch_friction", per="floor", unit="x nominal", place="world", members=with_floor, nominal=always(1.0),
        meaning="scales it once more while the base is over a dark field of a 0.5 m checkerboard, as at the start",
        default=Uniform(low=0.5, high=1.0), source="open: no paper has patches; a wet or dusty tile grips half as well",
        minimum=0.0, maximum=10.0,
    ),
    Quantity(
        name="slope", per="floor", unit="rad", place="engine", members=with_floor, nominal=always(0.0),
        meaning="tilt of the whole floor about the start; the robot starts tilted with it",
        default=Uniform(low=0.0, high=0.4), source=f"{_ISAAC}: 0 to 0.4 as a gradient", minimum=0.0, maximum=1.0,
    ),
    Quantity(
        name="slope_direction", per="floor", unit="rad", place="engine", members=with_floor, nominal=always(0.0),
        meaning="where uphill is, from the world's x axis towards y; acts with a slope only",
        default=Uniform(low=-pi, high=pi), source="open: any direction", context={"slope": 0.2},
    ),
    Quantity(
        name="roughness", per="floor", unit="m", place="engine", members=with_floor, nominal=always(0.0),
        meaning="largest height of random smooth bumps and depth of hollows, 0.25 m from node to node",
        default=Uniform(low=0.0, high=0.05), source="legged_gym utils/terrain.py: +-0.05 every 0.2 m",
        minimum=0.0, maximum=0.3,
    ),
    Quantity(
        name="step_height", per="floor", unit="m", place="engine", members=with_floor, nominal=always(0.0),
        meaning="rise of each of ten steps, 0.3125 m deep, ahead of the start along +x; negative leads down",
        default=Uniform(low=0.0, high=0.23), source=f"{_ISAAC}: 0.05 to 0.23, 0.3 deep",
        minimum=-0.3, maximum=0.3, context=_AHEAD,
    ),
    Quantity(
        name="stone_height", per="floor", unit="m", place="engine", members=with_floor, nominal=always(0.0),
        meaning="largest height of square stones around the start, 0.375 m wide, one every 0.625 m; the least is half",
        default=Uniform(low=0.0, high=0.2), source=f"{_ISAAC}: boxes of 0.05 to 0.2, 0.45 wide",
        minimum=0.0, maximum=0.3, context=_AHEAD,
    ),
    Quantity(
        name="terrain_seed", per="floor", unit="number", place="engine", members=with_floor, nominal=always(0.0),
        meaning="which random pattern of bumps and stones, rounded to a whole number",
        default=Choice(values=tuple(float(seed) for seed in range(20))), source="open: as legged_gym has columns",
        minimum=0.0, maximum=2.0**31, context={"roughness": 0.05},
    ),
)  # fmt: skip

DISTURBANCES = (
    Quantity(
        name="push_impulse", per="robot", unit="N s", place="world", members=once, nominal=always(0.0),
        meaning="of each push on the centre of mass of the base, else of the end effector's body",
        default=Uniform(low=0.0, high=5.0), source="unitree_rl_lab: 0.5 m/s, here of 10 kg",
        minimum=0.0, maximum=1e5, context={"push_interval": 0.2},
    ),
    Quantity(
        name="push_duration", per="robot", unit="s", place="world", members=once, nominal=always(0.1),
        meaning="how long a push lasts, in whole control periods, at least one",
        default=Uniform(low=0.05, high=0.2), source="MuJoCo Playground go1: 50 to 200 ms",
        minimum=0.0, maximum=60.0, context=_PUSH,
    ),
    Quantity(
        name="push_interval", per="robot", unit="s", place="world", members=once, nominal=always(5.0),
        meaning="from the start to the first push and from push to push; inf is no push",
        default=Uniform(low=5.0, high=10.0), source="unitree_rl_lab", minimum=0.0, strict=True,
        context={"push_impulse": 5.0},
    ),
    Quantity(
        name="push_direction", per="robot", unit="rad", place="world", members=once, nominal=always(0.0),
        meaning="where pushes go, in the world's horizontal plane, from x towards y",
        default=Uniform(low=-pi, high=pi), source="legged_gym: any direction", context=_PUSH,
    ),
    Quantity(
        name="wind_speed", per="world", unit="m/s", place="world", members=once, nominal=always(0.0),
        meaning="of a steady wind, which drags on what pushes act on",
        default=Uniform(low=0.0, high=10.0), source="open: up to a fresh breeze (Beaufort 5)",
        minimum=0.0, maximum=60.0,
    ),
    Quantity(
        name="wind_direction", per="world", unit="rad", place="world", members=once, nominal=always(0.0),
        meaning="where the wind blows to, in the world's horizontal plane, from x towards y",
        default=Uniform(low=-pi, high=pi), source="open: any direction", context={"wind_speed": 10.0},
    ),
    Quantity(
        name="drag_area", per="robot", unit="m^2", place="world", members=once, nominal=always(0.1),
        meaning="drag coefficient times frontal area; acts in wind only",
        default=LogUniform(low=0.05, high=0.5), source="open: 0.3 m x 0.3 m, as an A1 from ahead, times 1.1",
        minimum=0.0, maximum=100.0, context={"wind_speed": 10.0},
    ),
)  # fmt: skip

WORLD = (*GRAVITY, *FLOOR, *DISTURBANCES)
