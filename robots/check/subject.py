"""What the lint rules look at: a model that the reader accepts, its elements in the file, and its default pose."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from robots.findings import Finding
from robots.kinematics import Array, follow, link_poses
from robots.merge import Merged, merge_fixed
from robots.model import Joint, Link, RobotModel
from robots.urdf.elements import Element
from robots.urdf.solids import Solids
from robots.urdf.tree import Elements


@dataclass(frozen=True, eq=False)
class Subject:
    """A robot under inspection. `pose` holds the joints whose default position is known [rad or m]."""

    model: RobotModel
    elements: Elements
    floating: bool
    pose: Mapping[str, float] = field(default_factory=dict)
    solids: Solids = field(default_factory=Solids)

    def link(self, link: Link | str) -> Element:
        """Return the element of a link; of one that only a robot.yaml adds (`up`), the first link's."""
        own = self.elements.get(("link", link if isinstance(link, str) else link.name))
        return own or next(element for (tag, _), element in self.elements.items() if tag == "link")

    def joint(self, joint: Joint) -> Element:
        """Return the element of a joint."""
        return self.elements["joint", joint.name]

    def part(self, joint: Joint, tag: str) -> Element:
        """Return the child of a joint's element with that tag, or the joint's own if there is none."""
        return next(self.joint(joint).all(tag), self.joint(joint))

    @cached_property
    def merged(self) -> Merged:
        """The bodies that engines are given."""
        return merge_fixed(self.model)

    @cached_property
    def bodies(self) -> dict[str, list[Link]]:
        """The links of each body, by the body's name."""
        groups: dict[str, list[Link]] = {body.name: [] for body in self.merged.model.links}
        for link in self.model.links:
            groups[self.merged.frames[link.name][0]].append(link)
        return groups

    def moves(self, body: str) -> bool:
        """Return whether a body can move at all."""
        return self.floating or body != self.model.root.name

    @cached_property
    def q(self) -> Array:
        """The default pose: (n_joints,) [rad or m]; an unknown joint is at 0, or at the limit next to it."""
        q = np.array([self.pose.get(j.name, _near_zero(j)) for j in self.model.movable])
        return follow(self.model, q, np.zeros_like(q))[0]

    @cached_property
    def poses(self) -> dict[str, Array]:
        """The frame of every link in the default pose, in the root's: name -> (4, 4)."""
        return link_poses(self.model, self.q)


Lint = Callable[[Subject], Iterator[Finding]]


def _near_zero(joint: Joint) -> float:
    return float(min(max(0.0, joint.limit.lower), joint.limit.upper))
