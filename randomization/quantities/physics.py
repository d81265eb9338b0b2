"""Bodies, contacts and joints: what the engines themselves take."""

from math import inf

from randomization.distributions import LogUniform, Uniform
from randomization.quantity import Quantity, always, bodies, joints, limited_joints, touching
from robots import Robot

# A floating base stands on its parts; a scale of its mass is what a payload and a battery make of it.
_PENG = "Peng et al. 2018, Sim-to-Real Transfer of Robotic Control with Dynamics Randomization"
_MI = "motion_imitation, minitaur_env_randomizer_config.py"


def _damping(robot: Robot, joint: str) -> float:
    return robot.model.joint(joint).damping


def _friction(robot: Robot, joint: str) -> float:
    return robot.model.joint(joint).friction


def _armature(robot: Robot, joint: str) -> float:
    return next((a.armature for a in robot.actuators if a.joint == joint), 0.0)


def _grip(robot: Robot, _: str) -> float:
    return robot.file.ground_friction


def _rotor_joints(robot: Robot) -> tuple[str, ...]:
    """Joints that turn: PyBullet bears the rotor of a sliding joint on a level rail only."""
    return tuple(joint.name for joint in robot.model.movable if joint.type != "prismatic" and joint.mimic is None)


BODIES = (
    Quantity(
        name="mass", per="body", unit="x nominal", place="engine", members=bodies, nominal=always(1.0),
        meaning="mass; the inertia follows it",
        default=Uniform(low=0.8, high=1.2), source=_MI, minimum=0.0, strict=True, maximum=100.0,
    ),
    Quantity(
        name="payload", per="body", unit="kg", place="engine", members=bodies, nominal=always(0.0),
        meaning="a point mass in the body's centre of mass; negative takes away",
        default=Uniform(low=0.0, high=1.0), source="legged_gym: -1 to 1 kg on the base",
    ),
    *(
        Quantity(
            name=f"com_{axis}", per="body", unit="m", place="engine", members=bodies, nominal=always(0.0),
            meaning=f"shift of the centre of mass along the {axis} axis of the body's frame",
            default=Uniform(low=-0.02, high=0.02), source="MuJoCo Playground go1/randomize.py: 0.05 on the trunk",
            minimum=-0.2, maximum=0.2,
        )
        for axis in "xyz"
    ),
    Quantity(
        name="inertia", per="body", unit="x nominal", place="engine", members=bodies, nominal=always(1.0),
        meaning="inertia about the centre of mass, at equal mass",
        default=Uniform(low=0.5, high=1.5), source=_MI, minimum=0.0, strict=True, maximum=100.0,
    ),
)  # fmt: skip

CONTACTS = (
    Quantity(
        name="sliding_friction", per="touching body", unit="1", place="engine", members=touching, nominal=_grip,
        meaning="Coulomb friction of the body on the floor",
        default=Uniform(low=0.4, high=1.0), source="MuJoCo Playground go1/randomize.py", minimum=0.0, maximum=10.0,
    ),
    Quantity(
        name="rolling_friction", per="touching body", unit="m", place="engine", members=touching, nominal=always(0.0),
        meaning="moment against rolling for each newton of contact force",
        default=Uniform(low=0.0, high=0.005), source="open: 0.005 is a rubber tyre of 0.3 m on concrete (c_rr 0.015)",
        minimum=0.0, maximum=1.0,
    ),
    Quantity(
        name="spinning_friction", per="touching body", unit="m", place="engine", members=touching, nominal=always(0.0),
        meaning="moment against turning on the spot for each newton of contact force",
        default=Uniform(low=0.0, high=0.01), source="open: two thirds of a contact patch's radius times its friction",
        minimum=0.0, maximum=1.0,
    ),
    Quantity(
        name="restitution", per="touching body", unit="1", place="engine", members=touching, nominal=always(0.0),
        meaning="speed after an impact on the floor over the speed before it",
        default=Uniform(low=0.0, high=0.4), source="walk-these-ways scripts/train.py", minimum=0.0, maximum=1.0,
    ),
    Quantity(
        name="contact_stiffness", per="touching body", unit="N/m", place="engine", members=touching,
        nominal=always(inf), meaning="of each contact with the floor; inf is as rigid as the engine has it",
        default=LogUniform(low=1e4, high=1e5), source="open: rubber feet of a legged robot of 10 to 50 kg",
        minimum=0.0, strict=True, maximum=1e9,
    ),
    Quantity(
        name="contact_damping", per="touching body", unit="N s/m", place="engine", members=touching,
        nominal=always(100.0), meaning="of each contact with the floor; acts with a finite contact_stiffness only",
        default=LogUniform(low=30.0, high=300.0), source="open: a tenth to all of critical damping, 3 kg on 1e4 N/m",
        minimum=0.0, strict=True, context={"contact_stiffness": 2e4},
    ),
)  # fmt: skip

JOINTS = (
    Quantity(
        name="damping", per="joint", unit="N m s/rad | N s/m", place="engine", members=joints, nominal=_damping,
        meaning="viscous friction", default=Uniform(low=0.0, high=0.05), source=_MI, minimum=0.0,
    ),
    Quantity(
        name="friction", per="joint", unit="N m | N", place="engine", members=joints, nominal=_friction,
        meaning="Coulomb friction", default=Uniform(low=0.0, high=0.05), source=_MI, minimum=0.0,
    ),
    Quantity(
        name="armature", per="turning joint", unit="kg m^2", place="engine", members=_rotor_joints, nominal=_armature,
        meaning="inertia of the rotor, seen at the joint",
        default=Uniform(low=0.0, high=0.02), source="a trial of the A1; MuJoCo Playground scales by 1.0 to 1.05",
        minimum=0.0,
    ),
    Quantity(
        name="limit_offset", per="limited joint", unit="rad | m", place="engine", members=limited_joints,
        nominal=always(0.0), meaning="shift of both end stops",
        default=Uniform(low=-0.05, high=0.05), source="after the encoders' zero: +-0.05 in MuJoCo Playground",
    ),
)  # fmt: skip
