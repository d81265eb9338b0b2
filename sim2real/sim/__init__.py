"""Physics engines behind one protocol of N worlds, and the sensors that look at them."""

from sim2real.sim.engine import ENGINES, Engine, WorldState, make_engine

__all__ = ["ENGINES", "Engine", "WorldState", "make_engine"]
