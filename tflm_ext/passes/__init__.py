"""Rewrites of the graph, each in its own file, each proven to leave every value unchanged."""

from tflm_ext.passes.changes import Change
from tflm_ext.passes.run import LeftOut, PassRecord, PassResult, PassStep, run_passes

__all__ = ["Change", "LeftOut", "PassRecord", "PassResult", "PassStep", "run_passes"]
