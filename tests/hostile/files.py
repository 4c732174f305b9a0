"""All hostile files: importing the modules registers their makers."""

from tests.hostile import configurations, contents, graphs
from tests.hostile.makers import CUT, HOSTILE

__all__ = ["CUT", "HOSTILE", "configurations", "contents", "graphs"]
