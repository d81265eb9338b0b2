"""A worker of an EnginePool.

`python -m sim2real.sim.worker ROBOT PHYSICS_HZ CHANNELS N FIRST LAST FD_MEMORY FD_IN FD_OUT`
"""

import os
import signal
import sys

import numpy as np

from randomization import Variant
from robots import load_robot
from sim2real.errors import Sim2RealError
from sim2real.sim.bullet import BulletEngine
from sim2real.sim.pool import DONE, FAILED, SharedWorlds


def serve(engine: BulletEngine, shared: SharedWorlds, worlds: slice, request: bytes) -> None:
    """Handle one request on the shared arrays of this worker's worlds."""
    arrays = {name: array[worlds] for name, array in shared.arrays.items()}
    chosen = np.flatnonzero(arrays["chosen"])
    if request == b"s":
        engine.step(arrays["command"], arrays["delay"])
    elif request == b"f":
        engine.step(arrays["command"], arrays["delay"], arrays["force"])
    elif request == b"l":
        engine.listen(shared.taps(worlds))
    elif request == b"a":
        engine.apply(Variant(engine.space, arrays["variant"][chosen]), chosen)
    else:
        engine.reset(arrays["start_q"][chosen], arrays["start_dq"][chosen], chosen, keep_commands=request == b"k")
        arrays["rebuilt"][0] = engine.rebuilt


def main() -> None:
    """Serve requests until the pool closes its end."""
    # Ctrl-C is the learner's to handle; it closes the pipe when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path, physics_hz, channels, *numbers = sys.argv[1:]
    n_worlds, first, last, memory, from_pool, to_pool = (int(n) for n in numbers)
    robot, worlds = load_robot(path).at(float(physics_hz)), slice(first, last)
    names = channels.split(",") if channels else []
    shared = SharedWorlds(robot, n_worlds, memory, names)
    engine = BulletEngine(robot, last - first, names)
    engine.rebuilt = int(shared.arrays["rebuilt"][first])
    engine.state, engine.readings = shared.state(worlds), shared.readings(worlds)  # every write is seen by the pool
    engine.listen(shared.taps(worlds))
    engine.apply(Variant(engine.space, shared.arrays["variant"][worlds]), np.arange(last - first))
    os.write(to_pool, DONE)
    while request := os.read(from_pool, 1):
        try:
            serve(engine, shared, worlds, request)
            os.write(to_pool, DONE)
        except Sim2RealError as error:
            message = str(error).encode()
            os.write(to_pool, FAILED + len(message).to_bytes(4, "little") + message)


if __name__ == "__main__":
    main()
