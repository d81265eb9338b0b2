"""The linter for robots: rules about masses, joints, shapes and the default pose, and the repair."""
