"""A metrics writer for TensorBoard: train/, rollout/, time/, evaluation/ as they come, randomization/ for the worlds.

Under randomization/ stand the laws of what varies, once as text, and how far the ranges have widened.
"""

from pathlib import Path

from randomization import Randomization
from sim2real.a2c.backend import tf

NAMESPACES = {"widening": "randomization"}  # what goes under another name than the learning curve has it


class TensorBoard:
    """See `sim2real.train.MetricsWriter`."""

    def __init__(self, folder: Path, randomization: Randomization | None = None) -> None:
        self._writer = tf.summary.create_file_writer(str(folder))
        if randomization is not None:
            with self._writer.as_default(step=0):
                for name, law, bounds, nominal, unit, when in randomization.table():
                    tf.summary.text(f"randomization/{name}", f"{law} {bounds} [{unit}], nominal {nominal}, {when}")

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Write figures by name after `step` control steps."""
        with self._writer.as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(tag(name), value)
        self._writer.flush()


def tag(name: str) -> str:
    """Return the name of a figure in TensorBoard."""
    namespace, _, rest = name.partition("/")
    return f"{NAMESPACES.get(namespace, namespace)}/{rest}"
