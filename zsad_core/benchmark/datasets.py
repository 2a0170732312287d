"""Where commands that are written down elsewhere look for `Sample`."""

from ..datasets import Sample

__all__ = ["Sample"]
