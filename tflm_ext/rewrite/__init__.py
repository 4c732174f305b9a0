"""Rewrites of a .tflite that come before the graph is read: model in, model out.

What is rewritten here runs in TFLM too, so TFLM stays the reference for both runtimes.
"""

from tflm_ext.rewrite.settle import Settled, settle

__all__ = ["Settled", "settle"]
