"""A metrics writer for TensorBoard: train/, rollout/ and time/ as they come, randomization/ once as text."""

from pathlib import Path

from randomization import Randomization
from sim2real.a2c.backend import tf


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
                tf.summary.scalar(name, value)
        self._writer.flush()
