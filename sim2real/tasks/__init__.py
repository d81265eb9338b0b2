"""What is wanted of a robot: reward, termination, first states, and what the network sees and moves."""

from sim2real.tasks.task import TASKS, Mirror, Task, load_task

__all__ = ["TASKS", "Mirror", "Task", "load_task"]
