"""Distributions over the physical truth: `Variant` is one sample of it, `Randomization` the law that draws them.

Nothing here knows a physics engine, TensorFlow or ROS.
"""

from randomization.quantities import QUANTITIES
from randomization.quantity import Quantity
from randomization.randomization import Randomization, family_names, preset_names
from randomization.streams import stream
from randomization.variant import Variant, VariantSpace

__all__ = [
    "QUANTITIES",
    "Quantity",
    "Randomization",
    "Variant",
    "VariantSpace",
    "family_names",
    "preset_names",
    "stream",
]
