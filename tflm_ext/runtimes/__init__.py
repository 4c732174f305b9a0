"""How a model runs on the device: one package per runtime."""
