"""Rewrites of a .tflite that come before the graph is read: model in, model out.

What is rewritten here runs in TFLM too, so TFLM stays the reference for both runtimes.
"""

from tflm_ext.rewrite.cut import Cut, cut
from tflm_ext.rewrite.moves import narrow_moves
from tflm_ext.rewrite.prepare import Prepared, prepare
from tflm_ext.rewrite.settle import Settled, settle
from tflm_ext.rewrite.unread import Read, drop_unread

__all__ = [
    "Cut",
    "Prepared",
    "Read",
    "Settled",
    "cut",
    "drop_unread",
    "narrow_moves",
    "prepare",
    "settle",
]
