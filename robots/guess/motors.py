"""Motors guessed from what the joints of a description carry: modes, efforts, gains, and a physics rate for them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from robots.extent import lowest_points
from robots.guess.anatomy import Anatomy
from robots.guess.gains import LARGEST_STEP, critical_damping, joint_inertias, stiffness, two_digits
from robots.kinematics import GRAVITY, Array, gravity_torques, link_poses
from robots.model import Joint

PHYSICS_HZ = (1000.0, 2000.0, 4000.0)
ARM_HZ, LEG_HZ = 6.0, 10.0  # natural frequency of a joint that holds its pose
FOLLOWS = 0.05  # [s] in which a wheel on the ground takes up its speed
SPARE = 2.0  # times the effort that the worst pose asks for, where a description gives none
GRIP = 0.8  # friction coefficient of a tyre
CANNOT_HOLD = "CANNOT HOLD"


class Motors:
    """The motors of a model in its default pose q, (n_joints,) [rad or m].

    known: what the description's own format says, keys of robot.yaml's `actuators`.
    """

    def __init__(self, anatomy: Anatomy, q: Array, stands: bool, known: Sequence[Mapping[str, Any]]) -> None:
        self.model, self.anatomy, self.q, self.stands = anatomy.model, anatomy, q, stands
        self._notes = list[tuple[int, str]]()  # place of the joint, text
        self._known = {motor["joint"]: {k: v for k, v in motor.items() if v is not None} for motor in known}
        self._legs = {joint.name: leg for leg in anatomy.legs for joint in leg} if stands else {}
        self._wheels = {wheel.name for wheel in anatomy.wheels}
        self._index = {name: k for k, name in enumerate(self.model.joint_names)}
        self._poses = link_poses(anatomy.merged.model, q)
        self._mass = sum(link.inertial.mass for link in self.model.links if link.inertial)
        self._share = self._mass * GRAVITY / max(1, len(anatomy.wheels or anatomy.legs))  # [N] on each foot or wheel
        self._inertia, self._free = joint_inertias(self.model, q, stands)

    def guess(self) -> tuple[float, list[dict[str, Any]]]:
        """Return the physics rate [Hz] and the motors, as robot.yaml has them."""
        free = [joint for joint in self.model.movable if joint.mimic is None]
        motors = [self._motor(joint) for joint in free]
        rate = self._rate(motors)
        for joint, motor in zip(free, motors, strict=True):
            self._add_gains(joint, motor, rate)
        return rate, [motor | self._known.get(motor["joint"], {}) for motor in motors]

    @property
    def notes(self) -> list[str]:
        """What each guess so far is based on, `key: text`, in the order of the joints."""
        return [text for _, text in sorted(self._notes, key=lambda note: note[0])]

    def _note(self, joint: Joint, text: str) -> None:
        self._notes.append((self._index[joint.name], f"actuators.{joint.name}: {text}"))

    def _motor(self, joint: Joint) -> dict[str, Any]:
        known = self._known.get(joint.name, {})
        mode = known.get("mode", "velocity" if joint.name in self._wheels else "position")
        if joint.name in self._wheels and "mode" not in known:
            self._note(joint, "a wheel: endless, round, level and on the ground; commanded in velocity")
        motor = {"joint": joint.name, "mode": mode, "effort": known.get("effort") or self._effort(joint)}
        carried = float(self._carried[self._index[joint.name]])
        if carried > motor["effort"]:
            load = f"{carried:.3g} in the default pose, of {motor['effort']:g} that it has"
            self._note(joint, f"{CANNOT_HOLD}: gravity asks it for {load}; give another default_pose")
        if joint.type == "continuous" and mode == "position":
            at = float(self.q[self._index[joint.name]])
            motor |= {"lower": round(at - 3.14, 3), "upper": round(at + 3.14, 3)}
            self._note(joint, "turns without end: half a turn each way is allowed")
        return motor

    def _effort(self, joint: Joint) -> float:
        """Return the URDF's effort limit; where it has none, what the robot's weight asks for [N m or N]."""
        effort = joint.limit.effort
        if 0 < effort < np.inf:
            return effort
        if joint.name in self._wheels:
            effort, why = GRIP * self._share * self._radius(joint), "a wheel slips at"
        else:
            effort, why = SPARE * self._worst(joint), f"{SPARE:g} times what the worst pose asks for is"
        effort = max(two_digits(effort), 0.01)
        self._note(joint, f"effort: none in the URDF; {why} {effort:g}")
        return effort

    def _worst(self, joint: Joint) -> float:
        """Return the effort [N m or N] for all that a joint carries held out level, and the push on a leg's foot."""
        below, place = {joint.child}, self._poses[joint.child][:3, 3]
        for other in self.anatomy.merged.model.joints:
            if other.parent in below:
                below.add(other.child)
        loads = [(self._share, self._foot(self._legs[joint.name]))] if joint.name in self._legs else []
        for link in (self.anatomy.merged.model.link(name) for name in below):
            if link.inertial:
                centre = (self._poses[link.name] @ [*link.inertial.origin.xyz, 1.0])[:3]
                loads.append((link.inertial.mass * GRAVITY, centre))
        if joint.type == "prismatic":
            return sum(force for force, _ in loads)
        return sum(force * float(np.linalg.norm(at - place)) for force, at in loads)

    def _foot(self, leg: tuple[Joint, ...]) -> Array:
        foot: Array = (self._poses[leg[-1].child] @ [*self.anatomy.tip(self.anatomy.foot(leg)), 1.0])[:3]
        return foot

    def _radius(self, wheel: Joint) -> float:
        bottoms = lowest_points(self.anatomy.merged.model, self.q)
        return float(self._poses[wheel.child][2, 3]) - bottoms[wheel.child]

    @cached_property
    def _carried(self) -> Array:
        """What each joint bears in the default pose: (n_joints,) [N m or N], legs a share of the robot's weight."""
        carried = np.abs(gravity_torques(self.model, self.q))
        push = np.array([0.0, 0.0, self._share])
        for name, leg in self._legs.items():
            joint = next(j for j in leg if j.name == name)
            pose = self._poses[joint.child]
            axis = pose[:3, :3] @ joint.axis
            along = axis @ (push if joint.type == "prismatic" else np.cross(self._foot(leg) - pose[:3, 3], push))
            carried[self._index[name]] = max(carried[self._index[name]], abs(float(along)))
        return carried

    def _stiffness(self, motor: Mapping[str, Any]) -> tuple[float, float]:
        """Return kp, and the frequency [Hz] that was aimed at, of a position motor."""
        k, hz = self._index[motor["joint"]], LEG_HZ if motor["joint"] in self._legs else ARM_HZ
        return stiffness(float(self._inertia[k]), float(self._carried[k]), motor["effort"], hz), hz

    def _rate(self, motors: Sequence[Mapping[str, Any]]) -> float:
        """Return the lowest physics rate at which every position motor can be damped."""
        wanted = max(self._rates(motors), default=0.0)
        rate = next((hz for hz in PHYSICS_HZ if hz >= wanted), PHYSICS_HZ[-1])
        if rate > PHYSICS_HZ[0]:
            text = "some joints move so little that damping them takes small steps"
            self._notes.append((-1, f"physics_hz: {rate:g}: {text}"))
        return rate

    def _rates(self, motors: Sequence[Mapping[str, Any]]) -> Iterator[float]:
        for motor in motors:
            if motor["mode"] == "position" and not self._known.get(motor["joint"], {}).get("kp"):
                k, (kp, _) = self._index[motor["joint"]], self._stiffness(motor)
                yield 0.7 * critical_damping(kp, float(self._inertia[k])) / (LARGEST_STEP * float(self._free[k]))

    def _add_gains(self, joint: Joint, motor: dict[str, Any], rate: float) -> None:
        known, k = self._known.get(joint.name, {}), self._index[joint.name]
        inertia, most = float(self._inertia[k]), LARGEST_STEP * float(self._free[k]) * rate
        if motor["mode"] == "position" and not known.get("kp"):
            kp, hz = self._stiffness(motor)
            motor |= {"kp": two_digits(kp), "kd": two_digits(min(critical_damping(kp, inertia), most))}
            gains = f"kp {motor['kp']:g}, kd {motor['kd']:g}"
            self._note(
                joint, f"{gains}: {hz:g} Hz and well damped with the {inertia:.2g} that it moves, or as its load asks"
            )
        elif motor["mode"] == "velocity" and not known.get("kd"):
            if joint.name in self._wheels:
                inertia += self._mass * self._radius(joint) ** 2 / len(self._wheels)
            motor["kd"] = two_digits(min(inertia / FOLLOWS, most))
            self._note(joint, f"kd {motor['kd']:g}: takes up its speed in {FOLLOWS:g} s, or as the physics step bears")
