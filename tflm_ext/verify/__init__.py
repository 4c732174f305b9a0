"""TensorFlow Lite Micro decides what is right; the generated C must give the same bytes."""
