"""URDF in and out: a strict, bounded reader, edits that mend, and one normal form to write."""
