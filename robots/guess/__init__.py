"""A robot.yaml guessed from a description: motors, gains, feet, and a pose to stand in."""
