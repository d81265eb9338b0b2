"""The digital twin: a world with a Variant that mirrors a robot, and the Gap between the two."""

from sim2real.twin.mirror import Mirror, Sample
from sim2real.twin.twin import Drift, Twin

__all__ = ["Drift", "Mirror", "Sample", "Twin"]
