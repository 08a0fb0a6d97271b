"""How a model is made, from examples to a calibrated fit."""
