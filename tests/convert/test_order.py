"""Every structure of inputs and outputs: names, order and numbers through the whole conversion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.convert.ordered_nets import NAMES, STRUCTURES, Net, drawn, filled, flat, net
from tflm_ext.arithmetic import dequantize_array, quantize_array
from tflm_ext.convert import Conversion, convert, faithful, order
from tflm_ext.errors import ConfigError, UnsupportedModelError, VerificationError
from tflm_ext.frontend import read_graph
from tflm_ext.verify.tflm import run_outputs

pytestmark = pytest.mark.slow

KINDS = list(STRUCTURES)
TESTED = 20  # samples that the float model and TFLM run
# What each library saves in each form, and in what else it would be the same code.
SAVED = {
    ("keras", "model.keras"): (
        "list",
        "dict",
        "OrderedDict",
        "list of dicts",
        "OrderedDict of lists",
        "dict of one",
    ),
    ("keras", "model.h5"): ("list", "OrderedDict", "list of dicts"),
    ("keras", "export"): ("list", "dict", "OrderedDict"),
    ("tf_keras", "model.keras"): ("OrderedDict", "list of dicts"),
    ("tf_keras", "model.h5"): ("list", "OrderedDict of lists", "dict of one"),
    ("tf_keras", "export"): ("list", "OrderedDict"),
    ("tf_keras", "save"): ("list", "dict", "list of dicts", "OrderedDict of lists"),
}


def silent(text: str) -> None:
    pass


def structured(kind: str, prefix: str = "") -> Any:
    return STRUCTURES[kind](*(prefix + name for name in NAMES))


def converted(model: Any, subject: Net, form: Any = None) -> Conversion:
    """The net, calibrated with its data in a structure of names; by name without one."""
    given = [subject.data, {name: column[:TESTED] for name, column in subject.data.items()}]
    calibration, tested = given if form is None else [filled(form, data) for data in given]
    return convert(model, calibration, progress=silent, test_inputs=tested)


def names_of(tensors: Any) -> list[str]:
    return [tensor.name.partition(":")[0] for tensor in tensors]


def check(conversion: Conversion, subject: Net, outputs: tuple[str, ...] | None = None) -> None:
    """Names, and the numbers that belong to them: of the float model and of TFLM.

    Args:
        outputs: the net's outputs in order, where the conversion cannot know their names.
    """
    int8 = conversion.int8
    assert sorted(int8.input_names) == sorted(subject.data)
    for name, column in zip(int8.input_names, conversion.calibration, strict=True):
        np.testing.assert_array_equal(column, subject.data[name])
    assert sorted(outputs or int8.output_names) == sorted(subject.outputs)
    graph = read_graph(int8.bytes)
    columns = [
        quantize_array(column, q.scale, q.zero_point)[:, np.newaxis]
        for column, i in zip(conversion.test, graph.inputs, strict=True)
        if (q := graph.tensors[i].quantization) is not None
    ]
    got = run_outputs(int8.bytes, columns, len(graph.outputs), 100_000)
    assert int8.float_outputs is not None
    for name, values, rounded, i in zip(
        outputs or int8.output_names, int8.float_outputs, got, graph.outputs, strict=True
    ):
        expected = subject.expected(name)[:TESTED]
        np.testing.assert_allclose(values, expected, atol=1e-3)
        if outputs is None:  # what the C calls it
            assert name in graph.tensors[i].name.partition(":")[0].split("/")
        q = graph.tensors[i].quantization
        assert q is not None
        real = dequantize_array(rounded, q.scale, q.zero_point).reshape(expected.shape)
        error = np.abs(real - expected).mean()
        assert error < 0.05 * np.ptp(expected)
        for other in set(subject.outputs) - {name}:
            assert np.abs(real - subject.expected(other)[:TESTED]).mean() > 4 * error


@pytest.mark.parametrize("kind", KINDS)
def test_live_models(kind: str, library: Any) -> None:
    # Every kind of outputs meets another kind of inputs; data comes by name and in the structure.
    place = KINDS.index(kind)
    inputs = structured(KINDS[(place + 5) % len(KINDS)])
    subject = net(library, inputs, structured(kind, "o_"), seed=place)
    conversion = converted(subject.model, subject, inputs if place % 2 else None)
    assert list(conversion.int8.input_names) == names_of(subject.model.inputs)
    assert list(conversion.int8.output_names) == list(subject.model.output_names)
    check(conversion, subject)
    assert conversion.int8.warnings == ()


@pytest.mark.parametrize("seed", range(4))
def test_structures_at_random(seed: int, library: Any) -> None:
    random = np.random.default_rng(seed)
    letters = [str(letter) for letter in random.permutation(list("abcdefgh"))]
    inputs = drawn(random, letters[: random.integers(1, 5)])
    if library.__name__ == "tf_keras":
        inputs = (inputs,)  # tf_keras cannot call a model of some nested dicts
    outputs = drawn(random, [f"o_{letter}" for letter in letters[: random.integers(2, 6)]])
    subject = net(library, inputs, outputs, seed=seed)
    conversion = converted(subject.model, subject, inputs)
    assert list(conversion.int8.input_names) == names_of(subject.model.inputs)
    assert list(conversion.int8.output_names) == list(subject.model.output_names)
    check(conversion, subject)


@pytest.mark.parametrize(
    ("library", "form", "kind"),
    [(*key, kind) for key, kinds in SAVED.items() for kind in kinds],
    indirect=["library"],
)
def test_files(library: Any, form: str, kind: str, tmp_path: Path) -> None:
    exported = form in {"export", "save"}
    outputs = structured(kind, "o_")
    subject = net(library, structured(kind), outputs, seed=KINDS.index(kind))
    path = tmp_path / form
    (subject.model.export if form == "export" else subject.model.save)(str(path))
    if library.__name__ == "keras" and not exported and "OrderedDict" in kind:
        # Keras 3 loads weights that differ from those it saved.
        loaded = library.models.load_model(path)
        given = {name: column[:TESTED] for name, column in subject.data.items()}
        found = loaded(filled(library.tree.map_structure(lambda t: t.name, loaded.input), given))
        wrong = [
            name
            for name, values in zip(flat(outputs), flat(found), strict=True)
            if not np.allclose(values, subject.expected(name)[:TESTED])
        ]
        assert wrong
        with pytest.raises(UnsupportedModelError, match="Keras mixes up the weights of layers"):
            converted(path, subject)
        return
    conversion = converted(path, subject)
    int8 = conversion.int8
    unnamed = form == "export" and isinstance(outputs, list)
    if unnamed:
        assert list(int8.output_names) == [f"output_{i}" for i in range(len(subject.outputs))]
    check(conversion, subject, subject.outputs if unnamed else None)
    if not exported:
        loaded = library.models.load_model(path)
        assert list(int8.input_names) == names_of(loaded.inputs)
        assert list(int8.output_names) == list(loaded.output_names)
    elif form == "save":
        assert list(int8.output_names) == list(subject.model.output_names)
    told = [warning for warning in int8.warnings if "specify the order of its outputs" in warning]
    assert bool(told) == (form == "export" and kind in {"dict", "OrderedDict"})


def test_lists_for_a_saved_model(keras: Any, tf_keras: Any, tmp_path: Path) -> None:
    """The endpoint's own order if it has one; no guess if it has none."""
    subject = net(keras, structured("list"), structured("list", "o_"))
    subject.model.export(tmp_path / "ordered", verbose=False)
    check(converted(tmp_path / "ordered", subject, list(NAMES)), subject, subject.outputs)
    subject = net(tf_keras, structured("tuple"), structured("list", "o_"))
    subject.model.save(tmp_path / "saved")
    check(converted(tmp_path / "saved", subject, list(NAMES)), subject)
    subject = net(keras, structured("OrderedDict"), "o")
    subject.model.export(tmp_path / "dict", verbose=False)
    with pytest.raises(ConfigError) as caught:
        converted(tmp_path / "dict", subject, list(NAMES))
    assert str(caught.value) == (
        "calibration_data is a list, but the model has several inputs of the same "
        "shape, identified by name.\n"
        "Pass one array per input, as a dict {'alpha': (samples, 2), 'mid': (samples, "
        "2), 'zeta': (samples, 2)}."
    )


def test_saved_model_that_keras_did_not_write(tmp_path: Path) -> None:
    import tensorflow as tf

    spec = tf.TensorSpec((None, 2), tf.float32)

    class Functions(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[spec, spec])
        def by_position(self, zeta: Any, alpha: Any) -> Any:
            return {"b": zeta - 2 * alpha, "a": zeta + alpha}

        @tf.function(input_signature=[[spec, spec]])
        def by_list(self, both: Any) -> Any:
            return both[0] - 2 * both[1], both[0] + both[1]

        @tf.function(input_signature=[{"zeta": spec, "alpha": spec}])
        def by_name(self, both: Any) -> Any:
            return both["zeta"] - 2 * both["alpha"], both["zeta"] + both["alpha"]

    module = Functions()
    zeta, alpha = np.random.default_rng(0).normal((3, -1), 1, (100, 2)).astype(np.float32).T
    zeta, alpha = np.stack([zeta, zeta], 1), np.stack([alpha, alpha], 1)
    for name in ("by_position", "by_list"):
        tf.saved_model.save(module, str(tmp_path / name), getattr(module, name))
        int8 = convert(tmp_path / name, [zeta, alpha], progress=silent, test_inputs=[zeta, alpha])
        found = int8.int8.float_outputs
        assert found is not None
        results = dict(zip(int8.int8.output_names, found, strict=True))
        first, second = ("b", "a") if name == "by_position" else ("output_0", "output_1")
        np.testing.assert_allclose(results[first], zeta - 2 * alpha, atol=1e-4)
        np.testing.assert_allclose(results[second], zeta + alpha, atol=1e-4)
    tf.saved_model.save(module, str(tmp_path / "by_name"), module.by_name)
    with pytest.raises(
        ConfigError, match="has several inputs of the same shape, identified by name"
    ):
        convert(tmp_path / "by_name", [zeta, alpha], progress=silent)


def test_a_list_for_a_sorted_dict_is_told(library: Any) -> None:
    subject = net(library, structured("dict"), "o")
    data = filled(sorted(NAMES), subject.data)
    conversion = convert(subject.model, data, progress=silent, test_inputs=[c[:20] for c in data])
    check(conversion, subject)
    assert conversion.int8.warnings == tuple(
        f"{what} is a list, but the model takes a dict. Keras sorted its keys, and the list was "
        "used as 'alpha', 'mid', 'zeta'."
        for what in ("calibration_data", "test_data")
    )


def test_keys_count_where_layers_are_called_otherwise(library: Any) -> None:
    layers = {"first": "z_layer", "second": "first", "third": "second"}
    outputs = {name: name for name in layers}
    subject = net(library, "x", outputs, layers)
    conversion = converted(subject.model, subject)
    assert conversion.int8.output_names == ("first", "second", "third")
    check(conversion, subject)
    assert conversion.int8.warnings == (
        "Output 'first' is named after the key of a dict; the layer at that key is 'z_layer'.",
        "Output 'second' is named after the key of a dict; the layer at that key is 'first'.",
    )


def test_inputs_at_other_keys(library: Any) -> None:
    z, a = library.Input((2,), name="z"), library.Input((2,), name="a")
    model = library.Model({"a": z, "left": a}, library.layers.Subtract(name="difference")([z, a]))
    random = np.random.default_rng(0)
    data = {"a": random.normal(5, 1, (100, 2)), "left": random.normal(-1, 1, (100, 2))}
    conversion = convert(model, data, progress=silent, test_inputs=data)
    assert conversion.int8.float_outputs is not None
    np.testing.assert_allclose(
        conversion.int8.float_outputs[0], data["a"] - data["left"], atol=1e-5
    )
    (warning,) = conversion.int8.warnings
    assert warning.startswith("Input 'a' is named after the key of a dict")


def test_shared_layers_have_two_names(library: Any) -> None:
    u, v = library.Input((2,), name="u"), library.Input((2,), name="v")
    shared = library.layers.Dense(2, name="dense")
    first, second = shared(u), shared(v)
    data = {n: np.random.default_rng(0).normal(size=(100, 2)) for n in ("u", "v")}
    names = []
    for outputs in ([first, second], {"q": [first, second]}):
        model = library.Model([u, v], outputs)
        names.append(convert(model, data, progress=silent).int8.output_names)
    own = ["dense", "dense_1"]
    assert names == [tuple(own), ("q.0", "q.1") if library.__name__ == "keras" else tuple(own)]


Mutant = Callable[[pytest.MonkeyPatch, Any], None]


def _pack_sorted(patch: pytest.MonkeyPatch, keras: Any) -> None:
    import tensorflow as tf

    patch.setattr("tflm_ext.convert.trace.tree", lambda model: tf.nest)


def _swap_names(patch: pytest.MonkeyPatch, keras: Any) -> None:
    real = order.output_names
    patch.setattr(
        "tflm_ext.convert.trace.output_names", lambda model, result: real(model, result)[::-1]
    )


def _swap_ports(patch: pytest.MonkeyPatch, keras: Any) -> None:
    real = order.open_inputs
    patch.setattr("tflm_ext.convert.trace.open_inputs", lambda model: real(model)[::-1])


@pytest.mark.parametrize("mutant", [_pack_sorted, _swap_names, _swap_ports])
def test_a_wrong_order_is_found(
    mutant: Mutant, keras: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = net(keras, structured("OrderedDict"), structured("OrderedDict", "o_"))
    mutant(monkeypatch, keras)
    with pytest.raises(VerificationError) as caught:
        converted(subject.model, subject)
    assert caught.value.problem.startswith(
        "The graph to be converted does not compute the same as the model: output 'o_"
    )
    assert "% of its range" in caught.value.problem
    assert caught.value.hint == (
        "Nothing was exported. Please report this bug with the model; lists instead of "
        "dicts for inputs and outputs may avoid it."
    )


def test_outputs_that_only_a_batch_has(keras: Any) -> None:
    class Centred(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x - keras.ops.mean(x, axis=0, keepdims=True)

    class Noisy(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            import tensorflow as tf

            return x + tf.random.normal((2,))

    class One(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            import tensorflow as tf

            return tf.reshape(tf.reshape(x, (1, 2)), (-1, 2)) * 2.0

    def of(layer: Any) -> Any:
        x = keras.Input((2,), name="x")
        return keras.Model(x, {"same": keras.layers.ReLU()(x), "other": layer(x)})

    data = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.raises(UnsupportedModelError, match="Output 'other' of a sample depends on the"):
        convert(of(Centred()), data, progress=silent)
    with pytest.raises(UnsupportedModelError, match="Output 'other' is random"):
        convert(of(Noisy()), data, progress=silent)
    convert(of(One()), data, progress=silent)  # takes no batch, and is right


def test_the_check_leaves_models_alone_that_it_cannot_judge(keras: Any) -> None:
    """Constant and infinite outputs, an output twice, and a quantisation-aware model."""
    x = keras.Input((2,), name="x")
    zeros = keras.layers.Dense(1, kernel_initializer="zeros", name="zeros")(x)
    plain = keras.layers.Dense(2, name="plain")(x)
    model = keras.Model(x, [zeros, plain, plain])
    data = np.random.default_rng(0).normal(size=(100, 2))
    int8 = convert(model, data, progress=silent).int8
    assert int8.output_names == ("zeros", "plain", "plain_1")
    values = {"a": np.full((3, 1), np.inf), "b": np.full((3, 1), np.nan)}
    assert faithful.check(lambda samples: values, {"x": data[:3]}, values, coarse=False) == []
