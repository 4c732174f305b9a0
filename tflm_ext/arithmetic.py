"""The integers of TensorFlow Lite Micro: the only Python that rounds."""
