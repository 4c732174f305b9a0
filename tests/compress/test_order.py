"""Inputs, targets and weights of models in dicts: none is taken for another."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from tests.convert.ordered_nets import NAMES, STRUCTURES, filled, net

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["list", "dict", "OrderedDict", "dict of lists"])
def test_inputs_are_told_apart_by_name(kind: str, keras: Any) -> None:
    from tflm_ext.compression.channels.data import take_sample
    from tflm_ext.compression.data import read_data

    inputs = STRUCTURES[kind](*NAMES)
    subject = net(keras, inputs, "o")
    y = subject.expected("o")
    names = [tensor.name for tensor in subject.model.inputs]
    by_name = dict(reversed(subject.data.items()))
    for x in (by_name, filled(inputs, subject.data)):
        data = read_data(subject.model, (x, y), (x, y), 0.2, 0)
        sample = take_sample(subject.model, (x, y), "data")
        for name, column, few in zip(names, data.inputs, sample.inputs, strict=True):
            np.testing.assert_array_equal(column, subject.data[name])
            assert few[0] in subject.data[name]


def test_targets_of_the_first_output(keras: Any) -> None:
    from tflm_ext.compression.data import read_data

    # The first output is that of the first key in sorted order, whatever its layer is called.
    subject = net(keras, "x", {"b": "b", "a": "a"}, {"b": "a_layer", "a": "z_layer"})
    (x,) = subject.data.values()
    for names in ({"a": "a", "b": "b"}, {"z_layer": "a", "a_layer": "b"}):
        y = {key: subject.expected(name) for key, name in reversed(names.items())}
        data = read_data(subject.model, (x, y), (x, y), 0.2, 0)
        np.testing.assert_array_equal(data.targets, subject.expected("a"))


def test_what_keras_cannot_save_is_refused(keras: Any) -> None:
    from tflm_ext import compress, quantize_aware
    from tflm_ext.errors import UnsupportedModelError

    outputs = OrderedDict(b="b", a="a")
    subject = net(keras, "x", outputs)
    (x,) = subject.data.values()
    y = filled(outputs, {name: subject.expected(name) for name in outputs})
    for call in (
        lambda: quantize_aware(subject.model),
        lambda: compress(subject.model, (x, y)),
    ):
        with pytest.raises(UnsupportedModelError) as caught:
            call()
        assert str(caught.value) == (
            f"The outputs of model {subject.model.name!r} are an OrderedDict with unsorted keys:"
            " Keras assigns the weights of layers to other layers when it saves and loads such a "
            "model.\nBuild it with a list or a dict of outputs, as keras.Model(inputs, "
            "dict(outputs))."
        )
    quantize_aware(net(keras, "x", {"b": "b", "a": "a"}).model)
