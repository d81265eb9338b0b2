"""A robot.yaml guessed from a description: motors, gains, feet, default pose. Each guess says what it is based on."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from robots.extent import lowest_points
from robots.guess.anatomy import Anatomy
from robots.guess.motors import CANNOT_HOLD, Motors
from robots.guess.stance import middle, stance
from robots.kinematics import Array
from robots.model import RobotModel
from robots.robot_file import Loop, RobotFile
from sim2real.errors import RobotError

CONTROL_HZ = 50.0


@dataclass(frozen=True)
class Known:
    """What a description says besides its URDF; None and empty where it says nothing.

    motors: keys of robot.yaml's `actuators` each, `joint` among them; default_pose: joint name -> [rad or m]
    """

    name: str | None = None
    source: str | None = None
    licence: str | None = None
    repair: tuple[str, ...] = ()
    floating_base: bool | None = None
    base_height: float | None = None
    default_pose: Mapping[str, float] = field(default_factory=dict)
    motors: tuple[Mapping[str, Any], ...] = ()
    loops: tuple[Loop, ...] = ()


@dataclass(frozen=True)
class Guess:
    """`file` is the contents of a robot.yaml; `notes` say what each guess is based on, `key: text`."""

    file: Mapping[str, Any]
    notes: tuple[str, ...]


def guess_robot(model: RobotModel, urdf: str, known: Known | None = None) -> Guess:
    """Guess the robot.yaml of a model that `urdf`, as that file is to name it, describes.

    What is `known` is taken as it is. Raise RobotError for a model without a joint that can move.
    """
    guesser = _Guesser(model, known or Known())
    file = guesser.file(urdf)
    RobotFile.model_validate(file)
    # What needs a hand stands first.
    return Guess(file, tuple(sorted(guesser.notes, key=lambda note: CANNOT_HOLD not in note)))


class _Guesser:
    def __init__(self, model: RobotModel, known: Known) -> None:
        self.model, self.known, self.notes = model, known, list[str]()
        if not any(joint.mimic is None for joint in model.movable):
            raise RobotError(f"robot '{model.name}': no joint can move, so there is nothing to command; give it one")
        pose = [known.default_pose.get(joint.name, middle(joint)) for joint in model.movable]
        self.anatomy = Anatomy(model, np.array(pose))

    def file(self, urdf: str) -> dict[str, Any]:
        known, base = self.known, self._base()
        motors = Motors(self.anatomy, self.q, self.floating, known.motors)
        physics_hz, actuators = motors.guess()
        self.notes += motors.notes
        file: dict[str, Any] = {
            "name": known.name or _plain_name(self.model.name),
            "urdf": urdf,
            "source": known.source or "see the URDF",
            "licence": known.licence or "see the URDF",
            "fixed_base": not self.floating,
            "control_hz": CONTROL_HZ,
            "physics_hz": physics_hz,
            **base,
            "actuators": actuators,
            **self._sensors(),
            **self._ends(),
            "fallback": self._fallback(),
        }
        if known.repair:
            file["repair"] = list(known.repair)
        if known.loops:
            file["loops"] = [loop.model_dump(mode="json") for loop in known.loops]
        return file

    def _note(self, key: str, text: str) -> None:
        self.notes.append(f"{key}: {text}")

    @cached_property
    def _stance(self) -> tuple[Array, str] | None:
        return stance(self.anatomy) if self.anatomy.legs else None

    @cached_property
    def floating(self) -> bool:
        """Whether the root is free to move."""
        if self.known.floating_base is not None:
            return self.known.floating_base
        wheels, legs = len(self.anatomy.wheels), len(self.anatomy.legs)
        why = f"it stands on {wheels} wheels" if wheels else "no legs or wheels were found"
        if legs:
            why = f"it stands on {legs} legs" if self._stance else f"{legs} chains look like legs, but it cannot stand"
        stands = bool(wheels or self._stance)
        self._note("fixed_base", f"{not stands}: {why}")
        return stands

    @cached_property
    def q(self) -> Array:
        """The default pose: (n_joints,) [rad or m]."""
        if self.known.default_pose:
            return self.anatomy.q
        if self._stance and self.floating:
            q, how = self._stance
            self._note("default_pose", how)
            return q
        moved = [j.name for j, q in zip(self.model.movable, self.anatomy.q, strict=True) if q]
        off = f"; at the limit next to it where 0 is out of range ({', '.join(moved)})" if moved else ""
        self._note("default_pose", f"all joints at 0{off}")
        return self.anatomy.q

    def _base(self) -> dict[str, Any]:
        pose = {
            joint.name: float(q)
            for joint, q in zip(self.model.movable, self.q, strict=True)
            if joint.mimic is None and abs(q) > 1e-9
        }
        if not self.floating:
            return {"default_pose": pose}
        height = self.known.base_height
        if height is None:
            bottoms = lowest_points(self.model, self.q)
            height = round(-min(bottoms.values(), default=0.0), 4)
            self._note("base_height", f"{height:g} m: then the lowest point touches the ground")
        return {"base_height": height, "default_pose": pose}

    def _sensors(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        imu = next((name for name in self.model.link_names if "imu" in name.lower()), None)
        if imu is not None:
            self._note("imu", f"on link '{imu}', by its name")
        elif self.floating:
            imu = self.model.root.name
            self._note("imu", f"on the root link '{imu}': no link is named for one")
        if imu is not None:
            found["imu"] = {"link": imu}
        cameras = [n for n in self.model.link_names if "camera" in n.lower() and "optical" not in n.lower()]
        if cameras:
            found["cameras"] = {name: {"link": name} for name in cameras}
            self._note("cameras", f"on {', '.join(cameras)}, by their names, looking along x")
        return found

    def _ends(self) -> dict[str, Any]:
        anatomy = self.anatomy
        if self.floating and anatomy.legs:
            feet = [anatomy.foot(leg).name for leg in anatomy.legs]
            self._note(
                "feet", f"{', '.join(feet)}: the far ends of {len(feet)} chains that hang on the root side by side"
            )
            return {"feet": feet}
        if self.floating and anatomy.wheels:
            return {"feet": [wheel.child for wheel in anatomy.wheels]}
        hand = anatomy.hand()
        if hand is None:
            return {}
        self._note("end_effector", f"'{hand.name}': the outermost link of the chain")
        return {"end_effector": hand.name}

    def _fallback(self) -> str:
        if self.anatomy.wheels:
            return "zero"
        return "damp" if self.floating else "hold"


def _plain_name(name: str) -> str:
    """Return a name as robot.yaml wants it: small letters, digits and underscores, a letter first."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"robot_{plain}".rstrip("_")


def write_robot(folder: Path, guess: Guess, urdf: Path) -> Path:
    """Write a robot.yaml that refers to `urdf` into a folder, which may exist; return its path.

    The notes stand above the keys as comments. Raise RobotError if there is a robot.yaml already.
    """
    path = folder / "robot.yaml"
    if path.exists():
        raise RobotError(f"{path}: exists; remove it or give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    real, home = urdf.resolve(), folder.resolve()
    named = os.path.relpath(real, home) if real.is_relative_to(home) else str(real)
    comments = ["Guessed from the description. Check each line below, then remove it.", *guess.notes]
    file = _short({**guess.file, "urdf": named})
    text = yaml.safe_dump(file, sort_keys=False, default_flow_style=None, width=120)
    path.write_text("".join(f"# {line}\n" for line in comments) + text)
    return path


def _short(value: Any) -> Any:
    """Return plain data with whole numbers written without a point."""
    if isinstance(value, Mapping):
        return {key: _short(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_short(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
