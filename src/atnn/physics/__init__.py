"""Energies that physics gives, as terms any representation can use."""

from atnn.physics.zbl import ZBL, ZBLSpecification

__all__ = ["ZBL", "ZBLSpecification"]
