"""PyBullet worlds: one physics client a world, randomized without loading the URDF again.

`sim2real.sim.bullet_world` has one world, and what was measured about PyBullet.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from randomization import Variant, VariantSpace
from robots import Robot
from robots.kinematics import follow
from sim2real.errors import EngineError
from sim2real.sim.actuators import DelayLine, Motors, holding_command
from sim2real.sim.bullet_bodies import Bodies
from sim2real.sim.bullet_instruments import INSTRUMENTS, BulletInstruments
from sim2real.sim.bullet_reading import Reading
from sim2real.sim.bullet_servo import Advance, Drives
from sim2real.sim.bullet_world import World
from sim2real.sim.channels import check_channels
from sim2real.sim.engine import Array, Index, WorldState, blank_readings, calm_readings, state_reading


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
        self.worlds = [World(robot, self._bodies) for _ in range(n_worlds)]
        self._drives = Drives(self.worlds, self._motors)
        self._reading = Reading(robot, self.worlds[0].root_frame)
        self.channels = check_channels(robot, channels)
        self.readings = blank_readings(robot, n_worlds, self.channels)
        self._told = [name for name in self.channels if name not in INSTRUMENTS]  # by a state
        self._instruments = [BulletInstruments(world, self.channels) for world in self.worlds]
        self._early: list[tuple[int, int, list[float]]] = []  # world, physics step and snapshot
        self.listen({})
        self.reset(self.state.q.copy(), self.state.dq.copy(), np.arange(n_worlds))

    def apply(self, variant: Variant, worlds: Index) -> None:
        """See `Engine.apply`."""
        self._variant[worlds] = variant.values
        self._motors.take(variant.values, worlds)
        self._drives.take(worlds)
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
        self._reading.fill(self.state, worlds, [self.worlds[world].snapshot() for world in worlds.tolist()])
        self._sense(worlds, self.channels)
        self._shift_encoders(worlds)
        self.state.tau[worlds] = 0.0

    def step(self, command: Array, delay: Array, force: Array | None = None) -> None:
        """See `Engine.step`."""
        if not np.isfinite(command).all():
            raise EngineError("step: a command is not finite; nothing was simulated")
        control = self._motors.limit_rate(self._delays.issue(command, delay))
        healthy = np.flatnonzero(self.state.healthy)
        if len(healthy):
            self._advance(healthy, control, force)
        self.state.quarantine(self.robot)
        self._sense_at_end(np.flatnonzero(self.state.healthy))
        calm_readings(self.readings, self.state)

    def _advance(self, worlds: Index, control: Array, force: Array | None) -> None:
        """Take worlds through a period, one after the other, and read what state they are in."""
        efforts, snapshots = [], []
        for number, advance in zip(worlds.tolist(), self._drives.period(worlds, control), strict=True):
            world = self.worlds[number]
            world.force = None if force is None else force[number].tolist()
            efforts.append(self._through_period(number, advance))
            snapshots.append(world.snapshot())
        self.state.tau[worlds] = efforts
        self._reading.fill(self.state, worlds, snapshots)
        if self._early:
            self._sense_early()

    def _through_period(self, world: int, advance: Advance) -> list[float]:
        """Take a world through a period; return the efforts of its last physics step."""
        done = 0
        for stop in self._stops[world]:
            if stop > done:
                advance(done, stop)
                done = stop
            self._listen_at(stop, world)
        return advance(done, self.robot.substeps)

    def listen(self, taps: Mapping[str, Index]) -> None:
        """See `Engine.listen`."""
        n, substeps = self.n_worlds, self.robot.substeps
        self._taps = {channel: taps.get(channel, np.full(n, substeps)) for channel in self.channels}
        # An accelerometer compares with the speed of one physics step before.
        self._before = (self._taps.get("accelerometer", np.zeros(n, dtype=np.intp)) - 1).tolist()
        self._tap_rows = np.stack([*self._taps.values(), np.full(n, substeps)], axis=1).tolist()
        moments = zip(self._tap_rows, self._before, strict=True)
        self._stops = [sorted({k for k in (*row, before) if 0 <= k < substeps}) for row, before in moments]

    def _listen_at(self, k: int, world: int) -> None:
        """Read in one world what is to be read k physics steps into the period."""
        instruments = self._instruments[world]
        if self._before[world] == k:
            instruments.before(self.worlds[world].dt)
        due = [name for name, tap in zip(self.channels, self._tap_rows[world], strict=False) if tap == k]
        for channel in due:
            if channel not in self._told:
                self.readings[channel][world] = instruments.read(channel)
        if any(channel in self._told for channel in due):
            self._early.append((world, k, self.worlds[world].snapshot()))

    def _sense_early(self) -> None:
        """Let the channels that a state tells read what was seen within the period."""
        worlds, steps, snapshots = (list(column) for column in zip(*self._early, strict=True))
        self._early = []
        seen = WorldState.zeros(self.robot, len(worlds))
        self._reading.fill(seen, slice(None), snapshots)
        for channel in self._told:
            due = np.flatnonzero(self._taps[channel][worlds] == steps)
            reading = state_reading(seen, channel, due)
            if reading is not None:
                self.readings[channel][np.array(worlds)[due]] = reading

    def _sense_at_end(self, worlds: Index) -> None:
        """Read the channels that are read at the end of a period."""
        for channel, tap in self._taps.items():
            self._sense(worlds[tap[worlds] == self.robot.substeps], [channel])
        self._shift_encoders(worlds)

    def _sense(self, worlds: Index, channels: Sequence[str]) -> None:
        """Read channels at this moment, of which `state` is told."""
        for channel in channels:
            reading = state_reading(self.state, channel, worlds)
            if reading is None:
                reading = np.array([self._instruments[world].read(channel) for world in worlds.tolist()])
            if len(worlds):
                self.readings[channel][worlds] = reading

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

    def _rebuild(self, world: int) -> None:
        self.worlds[world].close()
        self.worlds[world] = World(self.robot, self._bodies)
        self.worlds[world].apply(self._variant[world])
        self._instruments[world] = BulletInstruments(self.worlds[world], self.channels)
        self.state.healthy[world] = True
        self.rebuilt += 1
