"""Pictures of one episode of a policy: what happened, recorded, and moments of it side by side."""
