"""Runs our Python programs in forks of one process, so that they start quickly."""

from tflm_ext.warm.run import run_python, warm_python

__all__ = ["run_python", "warm_python"]
