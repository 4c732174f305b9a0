"""Channel pruning: fewer channels in every layer, and nothing else changed."""

from tflm_ext.compress.channels.prune import prune_channels
from tflm_ext.compress.channels.report import PruningReport

__all__ = ["PruningReport", "prune_channels"]
