"""How a Variant gets into a PyBullet world: absolute values, from the stored nominal, and only what has changed.

Facts behind the choices, measured on PyBullet 3.2.7:
- changeDynamics ignores a negative mass or a NaN without a word, so what it is given is checked.
- A motor's largest effort becomes an impulse with the time step of the moment when it is set.
- A joint's limits, set anew, act; `getJointInfo` goes on telling those of the URDF.
"""

from typing import TYPE_CHECKING

import numpy as np

from randomization import VariantSpace
from sim2real.errors import EngineError
from sim2real.quiet import quiet
from sim2real.sim.bullet_bodies import damping_span
from sim2real.sim.bullet_contacts import Contacts
from sim2real.sim.bullet_trim import TRIMS, needs_trim, trim_name, trimmed
from sim2real.sim.engine import Array

if TYPE_CHECKING:
    from sim2real.sim.bullet_world import World

with quiet(1), quiet(2):  # it prints its build time
    import pybullet

_change, _set_motor = pybullet.changeDynamics, pybullet.setJointMotorControl2
_NO_STOPS = 1.0, -1.0  # limits that Bullet ignores
MAX_LINKS = 127  # of more, Bullet loads but does not tell the state


class BulletVariant:
    """Sets what Variants say in one world, as long as it is not loaded anew; trims: bodies that it has trims on."""

    def __init__(self, world: "World", trims: list[str]) -> None:
        self._world, self._bodies, self._trims = world, world.bodies, trims
        self._columns = _Columns(world.space)
        limits = [joint.limit for joint in world.robot.model.movable]
        stops = [(a.lower, a.upper) if b else _NO_STOPS for a, b in zip(limits, self._columns.limited, strict=True)]
        self._stops = np.array(stops).reshape(-1, 2).T
        self._applied = np.full(world.space.size, np.nan)
        self._loads: tuple[Array, Array, Array] | None = None  # of the Variant that `trims_for` was asked for
        self._contacts = Contacts(
            world.robot, world.space, world.bodies.grounds, world.client, world.body, world.link_index
        )
        self._lay_out_bodies()

    def trims_for(self, values: Array) -> list[str] | None:
        """Return the bodies that need trims if the world must be loaded anew for a Variant (space.size,), else None."""
        missing = []
        if (values[self._columns.loads] != self._applied[self._columns.loads]).any():
            self._loads = self._bodies.loads(values)
            _, shifts, inertias = self._loads
            needing = np.flatnonzero(needs_trim(shifts, inertias)).tolist()
            missing = [name for k in needing if (name := self._bodies.names[k]) not in self._trims]
        if not (missing or self._contacts.outgrown(values)):
            return None
        trims = [*self._trims, *missing]
        if self._links(trims) > MAX_LINKS:  # without those that this Variant does not need
            trims = [self._bodies.names[k] for k in np.flatnonzero(needs_trim(*self._bodies.loads(values)[1:]))]
        if (links := self._links(trims)) > MAX_LINKS:
            robot = self._world.robot.name
            refused = f"robot '{robot}': PyBullet bears {MAX_LINKS} links, and moving a centre of mass or"
            raise EngineError(
                f"{refused} tilting an inertia costs {TRIMS} more for each body, here {links} in all"
                f" ({', '.join(trims)}); vary com_* or armature of fewer bodies, or take engine mujoco"
            )
        return trims

    def _links(self, trims: list[str]) -> int:
        """Return how many links the robot has with trims on these bodies."""
        return len(self._bodies.description.links) + TRIMS * len(trims)

    def apply(self, values: Array) -> None:
        """Set what a Variant (space.size,) says and the world does not have yet, once `trims_for` has been asked."""
        changed = values != self._applied
        if not changed.any():
            return
        columns, world = self._columns, self._world
        if changed[columns.loads].any():
            self._apply_loads(*(self._loads or self._bodies.loads(values)))
            self._loads = None
        if changed[columns.gravity].any():
            pybullet.setGravity(*values[columns.gravity].tolist(), physicsClientId=world.client)
        if changed[columns.joints].any():
            self._apply_joints(values)
        self._contacts.apply(values, changed)
        self._applied = values.copy()

    def _lay_out_bodies(self) -> None:
        """Note the rows and links of bodies without and with trims, each of the latter with its trims after it."""
        names = self._bodies.names
        self._plain = [k for k, name in enumerate(names) if name not in self._trims]
        self._trimmed = [k for k, name in enumerate(names) if name in self._trims]
        parts = [(names[k], *(trim_name(names[k], number) for number in range(TRIMS))) for k in self._trimmed]
        plain = [names[k] for k in self._plain]
        links = self._world.link_index
        self._parts = [links[name] for name in [*plain, *(name for some in parts for name in some)]]

    def _apply_loads(self, masses: Array, shifts: Array, inertias: Array) -> None:
        """Set mass, centre of mass and inertia of every body."""
        plain, trims = self._plain, self._trimmed
        sound = (masses > 0) & np.isfinite(inertias).all(axis=(1, 2))
        if not sound.all():  # Bullet would keep what it had, without a word
            name, mass = self._bodies.names[int(np.argmin(sound))], masses[np.argmin(sound)]
            raise EngineError(f"PyBullet would not take mass {mass:g} kg, or the inertia, of body '{name}'")
        weights, moments = masses[plain].tolist(), inertias[plain][:, [0, 1, 2], [0, 1, 2]].tolist()
        if trims:
            shares, parts = trimmed(masses[trims], shifts[trims], inertias[trims])
            weights += shares.ravel().tolist()
            moments += parts.reshape(-1, 3).tolist()
        body, client = self._world.body, self._world.client
        for link, mass, moment in zip(self._parts, weights, moments, strict=True):
            _change(body, link, mass=mass, localInertiaDiagonal=moment, physicsClientId=client)

    def _apply_joints(self, values: Array) -> None:
        world, columns = self._world, self._columns
        damping, friction = values[columns.damping], values[columns.friction]
        rubbing = friction != self._applied[columns.friction]
        offset = np.where(columns.limited, values[columns.offset], 0.0)
        moved = (damping != self._applied[columns.damping]) | (values[columns.offset] != self._applied[columns.offset])
        lower, upper = self._stops + offset
        for k, damp, low, high in np.stack([np.arange(len(moved)), damping, lower, upper], axis=1)[moved].tolist():
            joint, limits = world.joint_ids[int(k)], {"jointLowerLimit": low, "jointUpperLimit": high}
            _change(world.body, joint, jointDamping=damp, physicsClientId=world.client, **limits)
        # With another time step, all friction is to be set anew.
        rubbing |= world.divide(self._bodies.servo_rate.fineness(values))
        body, client, at_rest = world.body, world.client, pybullet.VELOCITY_CONTROL
        for k, value in zip(np.flatnonzero(rubbing).tolist(), friction[rubbing].tolist(), strict=True):
            # A velocity motor at rest with a bounded effort is Coulomb friction; 0 switches Bullet's default motor off.
            _set_motor(body, world.joint_ids[k], at_rest, targetVelocity=0, force=value, physicsClientId=client)
        world.span = damping_span(world.robot, world.space, self._bodies.moved, values)


class _Columns:
    """Which coordinates of a Variant are set together."""

    def __init__(self, space: VariantSpace) -> None:
        def columns(*quantities: str) -> list[int]:
            return [k for name in quantities for k in range(*space.block(name).indices(space.size))]

        self.loads = columns("mass", "payload", "com_x", "com_y", "com_z", "inertia", "armature")
        self.gravity = columns("gravity_x", "gravity_y", "gravity_z")
        # Gains, strengths and masses decide how finely Bullet must step, and that how friction is set.
        self.joints = [*self.loads, *columns("damping", "friction", "limit_offset", "strength", "kp", "kd")]
        self.damping, self.friction = columns("damping"), columns("friction")
        offsets = dict(zip(space.members[space.block("limit_offset")], columns("limit_offset"), strict=True))
        joints = space.members[space.block("damping")]
        self.limited = np.array([joint in offsets for joint in joints], dtype=bool)
        self.offset = [offsets.get(joint, 0) for joint in joints]  # any column where there are no stops
