"""Cameras and what they see: mounting, optics, noise; light, floor, colours. None of it without a camera."""

from math import pi

from randomization.distributions import Choice, LogUniform, Uniform
from randomization.quantity import Quantity, always
from robots import Robot

_MJP = "MuJoCo Playground randomize_vision.py"
_AXES = {"x": "forward", "y": "to the left", "z": "up"}
_TEXTURED = {"floor_texture": 2.0}  # on a plain floor a camera may move and see the same
_TURNS = {"roll": "forward", "pitch": "left", "yaw": "upward"}


def cameras(robot: Robot) -> tuple[str, ...]:
    """Every camera."""
    return tuple(robot.file.cameras)


def _with_camera(robot: Robot) -> tuple[str, ...]:
    """One coordinate, where there is a camera."""
    return ("",) if robot.file.cameras else ()


def _with_camera_and_floor(robot: Robot) -> tuple[str, ...]:
    """One coordinate, where there is a camera and a floor to see."""
    return () if robot.fixed_base else _with_camera(robot)


def _seen(robot: Robot) -> tuple[str, ...]:
    """Every body that can be seen; where nothing has a visual shape, collision shapes are drawn."""
    links = robot.merged.model.links if robot.file.cameras else ()
    seen = tuple(link.name for link in links if link.visuals)
    return seen or tuple(link.name for link in links if link.collisions)


MOUNTING = (
    *(
        Quantity(
            name=f"camera_{axis}", per="camera", unit="m", place="camera", members=cameras, nominal=always(0.0),
            meaning=f"shift of the camera {way}, along its own {axis} axis",
            default=Uniform(low=-0.01, high=0.01), minimum=-1.0, maximum=1.0,
            source=f"open; {_MJP}: 5 cm, of one on a tripod, which would put an A1's into its trunk",
            context=_TEXTURED,
        )
        for axis, way in _AXES.items()
    ),
    *(
        Quantity(
            name=f"camera_{turn}", per="camera", unit="rad", place="camera", members=cameras, nominal=always(0.0),
            meaning=f"turn of the camera about its own axis that points {axis}",
            default=Uniform(low=-0.175, high=0.175), source=f"{_MJP}: 10 degrees", minimum=-pi, maximum=pi,
            context=_TEXTURED,
        )
        for turn, axis in _TURNS.items()
    ),
)  # fmt: skip

OPTICS = (
    Quantity(
        name="camera_fov", per="camera", unit="x nominal", place="camera", members=cameras, nominal=always(1.0),
        meaning="how much is seen at a given distance: the tangent of half the field of view, 1 / focal length",
        default=Uniform(low=0.95, high=1.05), source="open: between two cameras of a kind 1 to 2 %",
        minimum=0.1, maximum=10.0, context=_TEXTURED,
    ),
    Quantity(
        name="exposure", per="camera", unit="x nominal", place="camera", members=cameras, nominal=always(1.0),
        meaning="brightness of all that is seen, up to what the pixels can hold",
        default=LogUniform(low=0.5, high=2.0), source="open: one stop each way", minimum=0.0,
    ),
    Quantity(
        name="camera_noise", per="camera", unit="of full scale", place="camera", members=cameras, nominal=always(0.0),
        meaning="deviation of white noise on each colour of each pixel",
        default=Uniform(low=0.0, high=0.03), source="open: 0.01 is a good camera by day, 0.05 one by night",
        minimum=0.0, maximum=1.0,
    ),
    Quantity(
        name="depth_noise", per="camera", unit="1/m", place="camera", members=cameras, nominal=always(0.0),
        meaning="deviation of white noise on depth [m] over depth squared, as of a stereo camera",
        default=Uniform(low=0.0, high=0.0025),
        source="Intel, Tuning D435 and D415: depth^2 x subpixel error (0.08) / (focal length 640 x baseline 0.05 m)",
        minimum=0.0, maximum=1.0,
    ),
)  # fmt: skip

LIGHT = (
    Quantity(
        name="light_azimuth", per="world", unit="rad", place="camera", members=_with_camera, nominal=always(0.785),
        meaning="where the light comes from, seen from above: from the world's x axis towards its y axis",
        default=Uniform(low=-pi, high=pi), source=f"{_MJP}: a lamp anywhere overhead", minimum=-pi, maximum=pi,
    ),
    Quantity(
        name="light_elevation", per="world", unit="rad", place="camera", members=_with_camera, nominal=always(1.047),
        meaning="where the light comes from: its height above the horizon",
        default=Uniform(low=0.5, high=1.55), source=f"{_MJP}: a lamp anywhere overhead", minimum=0.0, maximum=pi / 2,
    ),
    Quantity(
        name="light_intensity", per="world", unit="x nominal", place="camera", members=_with_camera,
        nominal=always(1.0), meaning="brightness of that light, nominally 0.6 of full scale on white that faces it",
        default=Uniform(low=0.5, high=1.5), source="open: a cloud before the sun", minimum=0.0, maximum=10.0,
    ),
    Quantity(
        name="ambient", per="world", unit="x nominal", place="camera", members=_with_camera, nominal=always(1.0),
        meaning="brightness of light from everywhere, nominally 0.4 of full scale on white",
        default=Uniform(low=0.5, high=1.5), source="open: dark or light walls", minimum=0.0, maximum=10.0,
    ),
)  # fmt: skip

COLOURS = (
    Quantity(
        name="floor_grey", per="world", unit="1", place="camera", members=_with_camera_and_floor, nominal=always(0.5),
        meaning="share of light that the floor throws back",
        default=Uniform(low=0.0, high=0.5), source=f"{_MJP}: 0 to 0.25", minimum=0.0, maximum=1.0,
    ),
    Quantity(
        name="floor_texture", per="world", unit="choice", place="camera", members=_with_camera_and_floor,
        nominal=always(0.0), meaning="0 plain, 1 checker of 0.5 m, 2 noise of 0.1 m",
        default=Choice(values=(0.0, 1.0, 2.0)), source="open", minimum=0.0, maximum=2.0,
    ),
    Quantity(
        name="body_tint", per="body in sight", unit="share", place="camera", members=_seen, nominal=always(0.0),
        meaning="how far the body's own colours are mixed with the colour of body_hue",
        default=Uniform(low=0.0, high=0.5), source=f"{_MJP}: any colour on the box to be gripped",
        minimum=0.0, maximum=1.0,
    ),
    Quantity(
        name="body_hue", per="body in sight", unit="rad", place="camera", members=_seen, nominal=always(0.0),
        meaning="on the circle of colours: 0 red, 2.094 green, -2.094 blue; acts with a body_tint only",
        default=Uniform(low=-pi, high=pi), source=f"{_MJP}: any colour on the box to be gripped",
        minimum=-pi, maximum=pi, context={"body_tint": 0.5},
    ),
)  # fmt: skip

CAMERAS = (*MOUNTING, *OPTICS, *LIGHT, *COLOURS)
