"""Determines the kind of a model file, and whether a .tflite is int8."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from tflm_ext.errors import ConfigError, UnsupportedModelError
from tflm_ext.flatbuffer import MalformedError, Reader
from tflm_ext.near import did_you_mean_file

SUFFIXES = (".keras", ".h5", ".hdf5", ".tflite")
FORMATS = "Pass a .keras, .h5 or int8 .tflite file, or a SavedModel folder."
_MODEL_SUFFIXES = (*SUFFIXES, ".pb", ".onnx", ".pt", ".pth")
_DATA_SUFFIXES = (".npz", ".npy", ".csv")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_START_BYTES = 1 << 16  # of a .h5, in which Keras' attribute with the layers is found
_FLOAT32 = 0
_QUANTIZE, _DEQUANTIZE = 114, 6
_NOT_EQUAL = 72


def kind_of(path: Path) -> str:
    """Distinguish "keras", "h5", "tflite" and "saved_model" by content rather than name.

    Raises:
        ConfigError: there is no such file or folder, or it contains no model.
    """
    if os.path.isdir(path):
        if os.path.isfile(path / "saved_model.pb"):
            return "saved_model"
        raise ConfigError(f"The folder {path} does not contain a saved_model.pb.", FORMATS)
    if not os.path.isfile(path):
        near = did_you_mean_file(path, SUFFIXES)
        raise ConfigError(f"There is no model at {path}.", f"{near}{FORMATS}")
    with path.open("rb") as file:
        head = file.read(8)
    if head[4:] == b"TFL3":
        return "tflite"
    if head.startswith(b"PK"):
        return "keras"
    if head == _HDF5:
        return "h5"
    if path.suffix == ".tflite":
        return "tflite"  # The reader of .tflite files gives the best error for this one.
    raise ConfigError(f"{path} is not a readable model file.", FORMATS)


def is_model_file(path: Path) -> bool:
    """Whether a path is a model by its content, or by its name if there is no such file."""
    try:
        if os.path.isdir(path):
            return os.path.isfile(path / "saved_model.pb")
        if not os.path.isfile(path):
            return path.suffix in _MODEL_SUFFIXES
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except (OSError, ValueError):
        return False
    if start.startswith(b"PK"):
        return path.suffix == ".keras" and not is_data_file(path)
    return start[4:8] == b"TFL3" or (start.startswith(_HDF5) and b"model_config" in start)


def is_data_file(path: Path) -> bool:
    """Whether a file contains NumPy arrays, or at least has such a name."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
        if head == b"\x93NUMPY":
            return True
        if head.startswith(b"PK"):
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
            return bool(names) and all(name.endswith(".npy") for name in names)
    except (OSError, ValueError, zipfile.BadZipFile):
        pass
    return path.suffix in _DATA_SUFFIXES


def float_operators(data: bytes) -> tuple[set[int], bool]:
    """Return the operators of a .tflite that compute in float32, and whether all operators do.

    QUANTIZE and DEQUANTIZE that only convert ports are ignored.

    Raises:
        MalformedError: not a valid .tflite.
    """
    model = Reader(data).root()
    codes = [max(table.int8(0), table.int32(3)) for table in model.tables(1)]
    floats: set[int] = set()
    others: set[int] = set()
    for subgraph in model.tables(2):
        types = [table.int8(1) for table in subgraph.tables(0)]
        for operator in subgraph.tables(3):
            outputs = operator.int32s(2) or ()
            if operator.uint32(0) >= len(codes) or any(o >= len(types) for o in outputs):
                raise MalformedError("an operator refers to a tensor that does not exist")
            code = codes[operator.uint32(0)]
            if code not in {_QUANTIZE, _DEQUANTIZE}:
                computes = any(types[o] == _FLOAT32 for o in outputs)
                (floats if computes else others).add(code)
    return floats, bool(floats) and not others


def compares(data: bytes) -> bool:
    """Whether an operator of a .tflite compares values, as masks do."""
    model = Reader(data).root()
    return any(max(table.int8(0), table.int32(3)) == _NOT_EQUAL for table in model.tables(1))


def read_tflite(path: Path) -> bytes:
    """Return the bytes of an int8 .tflite; the reader checks later whether it is supported.

    Raises:
        UnsupportedModelError: it is a float model.
    """
    data = path.read_bytes()
    try:
        _, is_float = float_operators(data)
    except MalformedError:
        return data  # The reader reports what is wrong with it.
    if is_float:
        raise UnsupportedModelError(
            f"{path.name} computes in float32; only int8 models can be exported.",
            "Pass the Keras model it was converted from, with calibration_data, or convert it "
            "yourself with a representative dataset, TFLITE_BUILTINS_INT8 and int8 inputs and "
            "outputs.",
        )
    return data
