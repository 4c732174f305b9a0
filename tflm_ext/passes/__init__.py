"""Rewrites of the graph, each in its own file, each proven to leave every value unchanged."""

from tflm_ext.passes.run import LeftOut, PassRecord, PassResult, run_passes

__all__ = ["LeftOut", "PassRecord", "PassResult", "run_passes"]
