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
from tflm_ext.store.exports import export_file, export_folder, export_npz
from tflm_ext.store.folder import Store
from tflm_ext.store.imports import import_file
from tflm_ext.store.quality import Quality, quality
from tflm_ext.store.segment import Segment
from tflm_ext.store.splits import Split, split
from tflm_ext.store.writer import SegmentWriter

__all__ = [
    "Description",
    "Quality",
    "Segment",
    "SegmentWriter",
    "Sensor",
    "Split",
    "Store",
    "export_file",
    "export_folder",
    "export_npz",
    "import_file",
    "quality",
    "split",
]
