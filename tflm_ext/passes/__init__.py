"""Rewrites of the graph, each in its own file, each proven to leave the outputs unchanged."""

from tflm_ext.passes.run import run_passes

__all__ = ["run_passes"]
