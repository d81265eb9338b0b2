"""The probe sees every quantity of the cameras at work, in both engines, and nothing where there is nothing."""

from contextlib import closing

import pytest

from randomization import VariantSpace
from robots import load_robot
from sim2real.sim.camera_probe import CameraProbe


def cases(robot):
    """Return one member of each quantity of the cameras, and the end of its law that is farther from nominal."""
    space, chosen = VariantSpace(robot), {}
    for name, quantity, nominal in zip(space.names, space.quantities, space.nominal, strict=True):
        if quantity.place == "camera":
            chosen[quantity.name] = name, max(quantity.default.support, key=lambda end: abs(end - nominal))
    return list(chosen.values())


@pytest.mark.parametrize("name", ["a1", "kuka_iiwa", "racecar"])
def test_every_quantity_is_seen_at_work_alike_in_both_engines(name):
    robot = load_robot(name)
    found = {}
    for engine in ("bullet", "mujoco"):
        with closing(CameraProbe(robot, engine)) as eyes:
            found[engine] = {case: eyes.change(*case) for case in cases(robot)}
    for case, bullet in found["bullet"].items():
        mujoco = found["mujoco"][case]
        assert bullet.share > 0.001, case
        assert mujoco.share > 0.001, case
        assert bullet.elsewhere == mujoco.elsewhere == (), case
        # PyBullet shows the textures of an OBJ, which are dark here.
        assert bullet.brightness == pytest.approx(mujoco.brightness, abs=0.08), case


def test_a_value_that_is_nominal_is_no_change():
    with closing(CameraProbe(load_robot("racecar"), "bullet")) as eyes:
        assert eyes.change("exposure/left", 1.0) == eyes.change("light_azimuth", 0.785)
        assert eyes.change("exposure/left", 1.0).share == 0.0
        assert eyes.change("exposure/left", 0.5).brightness < -0.1


def test_a_camera_that_sees_nothing_is_blind():
    """The xArm's looks away from the arm, and a bolted robot has no floor."""
    with closing(CameraProbe(load_robot("xarm6"), "bullet")) as eyes:
        change = eyes.change("camera_yaw/hand", 0.1)
        assert (change.share, change.blind) == (0.0, True)
        assert not eyes.change("light_azimuth", 0.0).blind
