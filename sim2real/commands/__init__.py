"""The bodies of the commands of `sim2real.cli`, and what they print. Each imports what is heavy when it runs."""
