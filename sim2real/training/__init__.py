"""What a training is made of: its config, its worlds, eras of updates, checkpoints, the best policy, what ships."""
