"""Recordings in a folder that other tools read: DIR/<label>/<session>-<n>.wav and .json.

Example:
    >>> from tflm_ext.signals import Motion
    >>> from tflm_ext.store import Sensor, Store
    >>> store = Store("motions")
    >>> with store.writer("wave", Sensor.of(Motion(50)), who="ada") as writer:
    ...     writer.write([[0, 1, 2]] * 100)
    >>> [(one.label, one.samples, one.description.complete) for one in store.segments()]
    [('wave', 100, True)]
"""

from tflm_ext.signals.described import Description, Sensor
from tflm_ext.store.folder import Store
from tflm_ext.store.segment import Segment
from tflm_ext.store.writer import SegmentWriter

__all__ = ["Description", "Segment", "SegmentWriter", "Sensor", "Store"]
