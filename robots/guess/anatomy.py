"""What a description looks like: which joints are wheels, which chains are legs, where a foot or a hand is.

All of it is read off the merged model (`robots.merge`) in one pose, by geometry; names are not looked at.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from robots.extent import lowest_points, outline, reach
from robots.kinematics import Array, link_poses, transform
from robots.merge import Merged, merge_fixed
from robots.model import Cylinder, Joint, Link, Mesh, RobotModel, Shape, Sphere

UP = (0.0, 0.0, 1.0)
LEVEL = 0.1  # share of the robot's height, or of a wheel's radius, within which something counts as on the ground
ROUND = 0.05  # share of its radius by which a wheel may be out of round, and its middle off the axle


@dataclass(frozen=True)
class Anatomy:
    """A model with its joints at `q`, (n_joints,) [rad or m]."""

    model: RobotModel
    q: Array

    @cached_property
    def merged(self) -> Merged:
        """The model with the links of fixed joints made one body."""
        return merge_fixed(self.model)

    @cached_property
    def poses(self) -> dict[str, Array]:
        """Pose of every link, (4, 4), in the root's frame."""
        return link_poses(self.model, self.q)

    @cached_property
    def chains(self) -> tuple[tuple[Joint, ...], ...]:
        """For each body that carries no other, the movable joints from the root to it; joints of the merged model."""
        model = self.merged.model
        above = {joint.child: joint for joint in model.joints}
        parents = {joint.parent for joint in model.joints}
        chains = []
        for leaf in (name for name in model.link_names if name in above and name not in parents):
            chain, body = list[Joint](), leaf
            while body in above:
                chain.append(above[body])
                body = above[body].parent
            chains.append(tuple(chain[::-1]))
        return tuple(chains)

    @cached_property
    def bottom(self) -> float:
        """Height of the lowest point [m] in the root's frame; 0 where nothing can be touched."""
        return min(lowest_points(self.model, self.q).values(), default=0.0)

    @cached_property
    def height(self) -> float:
        """From the lowest to the highest point that can be touched [m]."""
        tops = (reach(link, self.poses[link.name], UP) for link in self.model.links if link.collisions)
        return max(tops, default=self.bottom) - self.bottom

    @cached_property
    def wheels(self) -> tuple[Joint, ...]:
        """Endless joints that turn something round on the ground about a level axis; none if there is but one."""
        ends = [chain[-1] for chain in self.chains]
        wheels = tuple(joint for joint in ends if joint.type == "continuous" and self._is_wheel(joint))
        return wheels if len(wheels) > 1 else ()

    def _is_wheel(self, joint: Joint) -> bool:
        pose, body = self.poses[joint.child], self.merged.model.link(joint.child)
        if abs((pose[:3, :3] @ joint.axis)[2]) > LEVEL:
            return False
        radii = [_radius_about(shape, np.array(joint.axis)) for shape in body.collisions]
        radius = max((r for r in radii if r is not None), default=0.0)
        return radius > 0 and -reach(body, pose) < self.bottom + LEVEL * radius

    @cached_property
    def legs(self) -> tuple[tuple[Joint, ...], ...]:
        """Chains of two or more joints that hang on the root side by side, and whose ends are the lowest; two or more.

        Failing that, four or more that are alike. None where the root has no mass: what cannot fall does not stand.
        """
        if self.wheels or not self.merged.model.root.inertial:
            return ()
        bodies = {link.name: link for link in self.merged.model.links}
        bottoms = {chain: -reach(bodies[chain[-1].child], self.poses[chain[-1].child]) for chain in self.chains}
        first = [chain[0] for chain in self.chains]
        hanging = [chain for chain in self.chains if len(chain) > 1 and first.count(chain[0]) == 1]
        legs = tuple(chain for chain in hanging if bottoms[chain] < self.bottom + LEVEL * self.height)
        if len(legs) < 2:  # legs that are folded up in this pose are alike at least
            longest = max((len(chain) for chain in hanging), default=0)
            legs = tuple(chain for chain in hanging if len(chain) == longest)
            return legs if len(legs) > 3 else ()
        return legs

    def foot(self, chain: tuple[Joint, ...]) -> Link:
        """Return the link with collision shapes that is farthest out in the last body of a leg."""
        body = chain[-1].child
        links = [link for link in self.model.links if self.merged.frames[link.name][0] == body and link.collisions]
        return max(links, key=lambda link: float(np.linalg.norm(self._cloud(link), axis=1).max()))

    def tip(self, link: Link) -> Array:
        """Return a link's point (3,) [m] that is farthest from its body's joint, in the body's frame.

        Of a ball it is the middle; of anything else the middle of the farthest tenth.
        """
        if len(link.collisions) == 1 and isinstance(link.collisions[0].geometry, Sphere):
            frame = transform(self.merged.frames[link.name][1])
            middle: Array = (frame @ [*link.collisions[0].origin.xyz, 1.0])[:3]
            return middle
        points = self._cloud(link)
        distance = np.linalg.norm(points, axis=1)
        tip: Array = points[distance >= 0.9 * distance.max()].mean(axis=0)
        return tip

    def _cloud(self, link: Link) -> Array:
        """Return points (n, 3) [m] around what can be touched of a link, in its body's frame."""
        frame = transform(self.merged.frames[link.name][1])
        points: Array = np.concatenate([_points(shape) for shape in link.collisions]) @ frame[:3, :3].T + frame[:3, 3]
        return points

    def hand(self) -> Link | None:
        """Return the outermost link of the last body that all chains share, as the fingers of a hand do.

        None if they share less than half of the longest one: that is a trunk with arms.
        """
        shared = [j for j in self.chains[0] if all(j in chain for chain in self.chains)] if self.chains else []
        if 2 * len(shared) < max(map(len, self.chains), default=1):
            return None
        body = shared[-1].child
        links = [link for link in self.model.links if self.merged.frames[link.name][0] == body]
        return max(links, key=lambda link: float(np.linalg.norm(self.merged.frames[link.name][1].xyz)))


def _points(shape: Shape) -> Array:
    pose = transform(shape.origin)
    points: Array = outline(shape.geometry) @ pose[:3, :3].T + pose[:3, 3]
    return points


def _radius_about(shape: Shape, axis: Array) -> float | None:
    """Return the radius [m] of a shape that is round about an axis through its frame's origin; None if it is not."""
    pose, geometry = transform(shape.origin), shape.geometry
    middle = pose[:3, 3]
    match geometry:
        case Cylinder(radius, _) if abs(pose[:3, 2] @ axis) > 1 - ROUND**2:
            pass
        case Sphere(radius):
            pass
        case Mesh():
            points = _points(shape)
            across = points - np.outer(points @ axis, axis)
            sides = [np.ptp(across @ side) for side in np.linalg.svd(axis[None])[2][1:]]
            if abs(sides[0] - sides[1]) > 2 * ROUND * max(sides):
                return None
            radius, middle = max(sides) / 2, (across.max(axis=0) + across.min(axis=0)) / 2
        case _:
            return None
    off = middle - (middle @ axis) * axis
    return float(radius) if np.linalg.norm(off) <= ROUND * radius + 1e-6 else None
