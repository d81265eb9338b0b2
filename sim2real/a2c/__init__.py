"""Advantage actor-critic in TensorFlow 2: the only package that imports TensorFlow, and only where it learns."""
