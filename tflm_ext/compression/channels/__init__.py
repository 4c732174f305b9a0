"""Channel pruning: fewer channels in every layer, and nothing else changed."""

from tflm_ext.compression.channels.prune import prune_channels
from tflm_ext.compression.channels.report import PruningReport

__all__ = ["PruningReport", "prune_channels"]
