"""PyBullet worlds: one physics client a world, randomized without loading the URDF again.

`sim2real.sim.bullet_world` has one world, and what was measured about PyBullet.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from randomization import Variant, VariantSpace
from robots import Robot
from robots.kinematics import follow
from sim2real.errors import EngineError
from sim2real.sim.actuators import DelayLine, Motors, holding_command
from sim2real.sim.bullet_bodies import Bodies
from sim2real.sim.bullet_instruments import BulletInstruments
from sim2real.sim.bullet_world import World
from sim2real.sim.channels import check_channels
from sim2real.sim.engine import Array, Index, WorldState, blank_readings, calm_readings, state_reading
from sim2real.sim.rotations import compose, from_rpy, inverse, rotate


class BulletEngine:
    """N PyBullet worlds in this process. See `sim2real.sim.engine.Engine`."""

    def __init__(self, robot: Robot, n_worlds: int = 1, channels: Sequence[str] = ()) -> None:
        self.robot, self.n_worlds = robot, n_worlds
        self.space = VariantSpace(robot)
        self.state = WorldState.zeros(robot, n_worlds)
        self.rebuilt = 0
        self._variant = np.tile(self.space.nominal, (n_worlds, 1))
        self._delays = DelayLine(robot, n_worlds)
        self._motors = Motors(robot, self.space, n_worlds)
        self._bodies = Bodies(robot, self.space)
        self._effort_only = all(mode == "effort" for mode in robot.modes)
        if robot.file.imu:
            self._imu_turn = from_rpy(np.array(robot.merged.frames[robot.file.imu.link][1].rpy))
        self.worlds = [World(robot, self._bodies) for _ in range(n_worlds)]
        self.channels = check_channels(robot, channels)
        self.readings = blank_readings(robot, n_worlds, self.channels)
        self._instruments = [BulletInstruments(world, self.channels) for world in self.worlds]
        self.listen({})
        self.reset(self.state.q.copy(), self.state.dq.copy(), np.arange(n_worlds))

    def apply(self, variant: Variant, worlds: Index) -> None:
        """See `Engine.apply`."""
        self._variant[worlds] = variant.values
        self._motors.take(variant.values, worlds)
        for world in worlds:
            if self.state.healthy[world]:
                self._apply(world)

    def _apply(self, world: int) -> None:
        if self.worlds[world].apply(self._variant[world]):  # loaded anew
            self._instruments[world] = BulletInstruments(self.worlds[world], self.channels)

    def reset(self, q: Array, dq: Array, worlds: Index, keep_commands: bool = False) -> None:
        """See `Engine.reset`."""
        q, dq = follow(self.robot.model, q, dq)
        if not keep_commands:
            hold = holding_command(self.robot, q)
            self._delays.reset(hold, worlds)
            self._motors.reset(hold, worlds)
        place, turn = self._bodies.grounds.start(self._variant[worlds])
        for row, world in enumerate(worlds):
            if not self.state.healthy[world]:
                self._rebuild(world)
            self.worlds[world].reset(q[row], dq[row], place[row], turn[row])
            self._instruments[world].forget()
        self._read(worlds)
        self._sense_all(worlds)
        self.state.tau[worlds] = 0.0

    def step(self, command: Array, delay: Array, force: Array | None = None) -> None:
        """See `Engine.step`."""
        if not np.isfinite(command).all():
            raise EngineError("step: a command is not finite; nothing was simulated")
        control = self._motors.limit_rate(self._delays.issue(command, delay))
        healthy = np.flatnonzero(self.state.healthy)
        for world in healthy.tolist():
            self.worlds[world].force = None if force is None else force[world].tolist()
        self._listen_at(0, healthy)
        # One that needs no measurement is told its efforts for the whole period.
        blind = self._motors.steady[healthy] & self._effort_only
        if blind.any():
            self._drive(healthy[blind], control)
        if not blind.all():
            self._servo(healthy[~blind], control)
        self._read(healthy)
        self.state.quarantine(self.robot)
        self._sense_at_end(np.flatnonzero(self.state.healthy))
        calm_readings(self.readings, self.state)

    def listen(self, taps: Mapping[str, Index]) -> None:
        """See `Engine.listen`."""
        n, substeps = self.n_worlds, self.robot.substeps
        self._taps = {channel: taps.get(channel, np.full(n, substeps)) for channel in self.channels}
        self._early = {
            k: found
            for k in range(1, substeps)
            if (found := [(channel, tap == k) for channel, tap in self._taps.items() if (tap == k).any()])
        }
        # An accelerometer compares with the speed of one physics step before.
        self._before = self._taps.get("accelerometer", np.zeros(n, dtype=np.intp)) - 1
        stops = np.stack([*self._taps.values(), self._before], axis=1).tolist()
        self._stops = [sorted({k for k in row if 0 < k < substeps}) for row in stops]

    def _drive(self, worlds: Index, control: Array) -> None:
        """Advance worlds whose efforts are known beforehand, under `control` (n_worlds, substeps, n_actuators)."""
        tau = self._motors.blind_torque(control[worlds], worlds)
        changed = (tau[:, 1:] != tau[:, :-1]).any(axis=2)
        changes = changed.any(axis=1).tolist()
        for row, world in enumerate(worlds.tolist()):
            efforts, drive = tau[row].tolist(), self.worlds[world].drive
            stops, steps = self._stops[world], self.robot.substeps
            if not (changes[row] or stops):
                drive(efforts[0], steps)
                continue
            cuts = {*(np.flatnonzero(changed[row]) + 1).tolist(), *stops}
            for start, end in pairwise([0, *sorted(cuts), steps]):
                drive(efforts[start], end - start)
                if end in stops:
                    self._listen_at(end, worlds[row : row + 1])
        self.state.tau[worlds] = tau[:, -1]

    def _servo(self, worlds: Index, control: Array) -> None:
        """Advance worlds side by side, with efforts worked out before each call of Bullet."""
        chosen = [self.worlds[world] for world in worlds.tolist()]
        finer = np.array([world.finer for world in chosen])
        dt = np.array([[world.dt / world.finer] for world in chosen])
        for world in chosen:
            world.set_substeps(1)
        parts = [(worlds[finer > k], dt[finer > k], [w for w in chosen if w.finer > k]) for k in range(finer.max())]
        for k in range(self.robot.substeps):
            for index, span, some in parts:
                states = np.array([world.motor_states() for world in some])
                tau = self._motors.torque(control[index, k], states[:, :, 0], states[:, :, 1], span, index)
                for world, efforts in zip(some, tau.tolist(), strict=True):
                    world.tick(efforts)
                self.state.tau[index] = tau
            self._listen_at(k + 1, worlds)

    def _listen_at(self, k: int, worlds: Index) -> None:
        """Read what is to be read k physics steps into the period."""
        for world in worlds[self._before[worlds] == k].tolist():
            self._instruments[world].before(self.worlds[world].dt)
        for channel, here in self._early.get(k, ()):
            self._sense(channel, worlds[here[worlds]])

    def _sense_all(self, worlds: Index) -> None:
        """Read all channels at this moment."""
        for channel in self.channels:
            reading = state_reading(self.state, channel, worlds)
            if reading is None:
                self._sense(channel, worlds)
            else:
                self.readings[channel][worlds] = reading
        self._shift_encoders(worlds)

    def _sense_at_end(self, worlds: Index) -> None:
        """Read the channels that are read at the end of a period."""
        for channel, tap in self._taps.items():
            last = worlds[tap[worlds] == self.robot.substeps]
            reading = state_reading(self.state, channel, last)
            if reading is None:
                self._sense(channel, last)
            else:
                self.readings[channel][last] = reading
        self._shift_encoders(worlds)

    def _sense(self, channel: str, worlds: Index) -> None:
        for world in worlds.tolist():
            self.readings[channel][world] = self._instruments[world].read(channel)

    def _shift_encoders(self, worlds: Index) -> None:
        """Add what the motors' encoders are off by; the part of the play is that of the period's end."""
        if self._motors.is_off and "position" in self.channels:
            offset = self._motors.encoder_offset()[worlds]
            self.readings["position"][np.ix_(worlds, self.robot.actuated)] += offset

    def close(self) -> None:
        """See `Engine.close`."""
        for world in self.worlds:
            world.close()
        self.worlds = []

    def _read(self, worlds: Index) -> None:
        state, chosen = self.state, [self.worlds[world] for world in worlds.tolist()]
        joints = np.array([w.joints() for w in chosen]).reshape(len(chosen), self.robot.n_joints, 2)
        state.q[worlds], state.dq[worlds] = joints[:, :, 0], joints[:, :, 1]
        if self.robot.file.imu and chosen:
            turns, speeds = zip(*(w.imu() for w in chosen), strict=True)
            quaternion = compose(np.array(turns), self._imu_turn)
            state.imu_quaternion[worlds] = quaternion
            state.imu_angular_velocity[worlds] = rotate(inverse(quaternion), np.array(speeds))
        if not self.robot.fixed_base:
            for world, w in zip(worlds, chosen, strict=True):
                position, quaternion, velocity, angular_velocity = w.base()
                state.base_position[world], state.base_quaternion[world] = position, quaternion
                state.base_velocity[world], state.base_angular_velocity[world] = velocity, angular_velocity

    def _rebuild(self, world: int) -> None:
        self.worlds[world].close()
        self.worlds[world] = World(self.robot, self._bodies)
        self.worlds[world].apply(self._variant[world])
        self._instruments[world] = BulletInstruments(self.worlds[world], self.channels)
        self.state.healthy[world] = True
        self.rebuilt += 1
