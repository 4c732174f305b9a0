"""Compares the generated C with TensorFlow Lite Micro, which defines what is correct."""
