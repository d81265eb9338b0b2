"""Mesh files of strangers: found, read within bounds, judged, and made convex parts that both engines take."""
