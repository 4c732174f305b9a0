"""Layers and models that round in training like their int8 versions, registered with Keras."""
