"""Checks that an HDF5 file is self-contained, and not larger than its contents.

HDF5 can store a dataset's bytes in other files (external storage, virtual datasets), link to other
files, load filters from shared libraries, and claim sizes that it does not store.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tflm_ext.errors import UnsupportedModelError

_OBJECTS = 30_000  # three times those of the largest models of keras.applications
_ATTRIBUTES = 1_000  # of one object
_DEPTH = 64
_BYTES = 2**31  # weights and an optimizer's
# zlib compresses at most a thousandfold. Filters of shared libraries are not listed.
_LARGEST_RATIO = 1100
_AGAIN = "Save the model again, with model.save('model.keras')."


def check_hdf5(path: Path, name: str) -> int:
    """Refuse a file that refers to other files, or whose contents are larger than it stores.

    Args:
        path: of the HDF5 file.
        name: of the model's file, for messages.

    Returns:
        The number of values in its datasets.

    Raises:
        UnsupportedModelError: it is damaged or too large, or has links or unexpected datasets.
        OSError, RuntimeError: it cannot be read as HDF5.
    """
    import h5py

    with h5py.File(path, "r") as file:
        return _Walk(name).numbers(file)


class _Walk:
    """One walk through all groups and datasets of a file, each visited once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: set[Any] = set()
        self.total = 0
        self.count = 0

    def numbers(self, file: Any) -> int:
        import h5py

        left = [(file["/"], "/", 0)]
        while left:
            item, path, depth = left.pop()
            info = h5py.h5o.get_info(item.id)
            if (info.fileno, info.addr) in self.seen:
                continue
            self.seen.add((info.fileno, info.addr))
            if len(self.seen) > _OBJECTS or depth > _DEPTH:
                raise self._refusal("contains too many groups, or nests them too deeply", path)
            self._attributes(item, path)
            if isinstance(item, h5py.Dataset):
                self._dataset(item, path)
                continue
            for key in item:
                inner = f"{path.rstrip('/')}/{key}"
                # Check the link before anything follows it.
                if type(item.get(key, getlink=True)) is not h5py.HardLink:
                    raise self._refusal("links to another file or another place", inner)
                member = item[key]
                if not isinstance(member, h5py.Group | h5py.Dataset):
                    raise self._refusal("contains something other than groups and datasets", inner)
                left.append((member, inner, depth + 1))
        return self.count

    def _attributes(self, item: Any, path: str) -> None:
        import h5py

        if len(item.attrs) > _ATTRIBUTES:
            raise self._refusal("has too many attributes", path)
        for key in item.attrs:
            attribute = h5py.h5a.open(item.id, key.encode() if isinstance(key, str) else key)
            kind = attribute.get_type()
            if not isinstance(kind, h5py.h5t.TypeStringID | h5py.h5t.TypeIntegerID) and not (
                isinstance(kind, h5py.h5t.TypeFloatID | h5py.h5t.TypeEnumID)
            ):
                raise self._refusal("has an attribute that is neither text nor numbers", path)

    def _dataset(self, dataset: Any, path: str) -> None:
        import h5py

        settings = dataset.id.get_create_plist()
        if settings.get_external_count() or settings.get_layout() == h5py.h5d.VIRTUAL:
            raise self._refusal("keeps weights in another file", path)
        if dataset.dtype.kind not in "fiub" and h5py.check_string_dtype(dataset.dtype) is None:
            raise self._refusal("has a dataset that does not contain numbers", path)
        filters = [settings.get_filter(i) for i in range(settings.get_nfilters())]
        known = {
            h5py.h5z.FILTER_DEFLATE,
            h5py.h5z.FILTER_SHUFFLE,
            h5py.h5z.FILTER_FLETCHER32,
            h5py.h5z.FILTER_LZF,
        }
        if any(code not in known for code, *_ in filters):
            raise self._refusal("needs a filter from a library", path)
        elements = math.prod(dataset.shape or ())
        size = elements * dataset.dtype.itemsize
        ratio = _LARGEST_RATIO if filters else 1
        self.total += size
        if size > dataset.id.get_storage_size() * ratio or self.total > _BYTES:
            raise self._refusal(f"claims {size:,} bytes that it does not store", path)
        self.count += elements

    def _refusal(self, problem: str, path: str) -> UnsupportedModelError:
        return UnsupportedModelError(f"{self.name} {problem}: {path[:120]!r}.", _AGAIN)
