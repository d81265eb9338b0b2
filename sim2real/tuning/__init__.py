"""Search for a better training config: what is searched, trial by trial."""
