"""Keras to int8 .tflite bytes, in a child process. Importing this does not import TensorFlow."""

from tflm_ext.convert.convert import convert, one_child
from tflm_ext.convert.int8_model import Conversion, Int8Model
from tflm_ext.convert.samples import Samples, load_npz

__all__ = ["Conversion", "Int8Model", "Samples", "convert", "load_npz", "one_child"]
