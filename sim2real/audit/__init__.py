"""The audit: proof that each quantity of a robot's Variants reaches the physics in both engines, and nothing else."""

from sim2real.audit.audit import audit
from sim2real.audit.verdict import Audit, Finding, Measured, Row

__all__ = ["Audit", "Finding", "Measured", "Row", "audit"]
