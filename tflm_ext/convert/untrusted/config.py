"""Checks that everything named in the configuration of a Keras model is known to be harmless.

Nested models, wrapped layers, initializers, functions, constants of nodes and the arguments of
compile() are all values somewhere in it. Loaders look up names in any of them, so every value is
checked, and names that are not on the lists of names.py are refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tflm_ext.convert.untrusted import names
from tflm_ext.convert.untrusted.sizes import exceeds
from tflm_ext.errors import UnsupportedModelError

# A model inside a model takes 3 levels, and the arguments of its nodes a few more.
_DEPTH = 100
_VALUES = 1_000_000
_INTEGER = 2**31
_ELEMENTS = 2**28  # of one tensor whose shape a configuration gives

# An integer of these is no larger than the number of the layer's weights.
_COUNTS = frozenset({"units", "filters", "key_dim", "value_dim", "num_heads", "output_dim"})
# No more than a size of a tensor can be.
_SIZES = names.words("""
    batch_input_shape batch_shape cropping depth_multiplier dilation_rate groups height
    input_dim input_length input_shape kernel_size members n new_rows newshape num_channels
    num_tokens output_padding output_shape output_size padding pad_width pool_size repeats reps
    shape size strides target_shape width
""")
_LIMITED = _COUNTS | _SIZES
_SEEDS = frozenset({"seed", "shared_object_id", "salt"})

# Strings under these keys are looked up as names.
_NAMED: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("activation", "activation", names.ACTIVATIONS),
    ("initializer", "initializer", names.INITIALIZERS),
    ("regularizer", "regularizer", names.REGULARIZERS),
    ("constraint", "constraint", names.CONSTRAINTS),
)
_COMPILE = ("compile_config", "training_config")
_COMPILED = names.LOSSES | names.METRICS | names.OPTIMIZERS
_COMPILED_KEYS = frozenset({"loss", "metrics", "optimizer", "weighted_metrics", "fn"})
_CUSTOM = frozenset({"optimizers", "optimizer", "losses", "metrics"})

FLOAT_MODEL = (
    "Pass the model as it was before model.quantize(): tflm_ext quantises the float model for the "
    "device itself."
)
_LIVE = (
    "Load the model yourself if you trust it, with custom_objects= for custom classes, and pass "
    "the live model in Python."
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Place of a value in the configuration.

    Attributes:
        key: its key in the innermost dict around it.
        layer: name of the innermost layer around it; None outside layers.
        depth: number of dicts and lists around it.
        compiled: whether it belongs to the arguments of compile().
    """

    key: str = ""
    layer: str | None = None
    depth: int = 0
    compiled: bool = False


def parse(text: str | bytes) -> Any:
    """Parse unambiguous JSON; duplicate keys are refused.

    Loaders process every object while they parse, even one that a later duplicate replaces.

    Raises:
        ValueError, RecursionError: it is not unambiguous JSON.
    """
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is duplicated")
    return found


def check_config(
    config: Any,
    name: str,
    *,
    trains: bool = False,
    wrapped: bool = False,
    custom: frozenset[str] = frozenset(),
    elements: int = _ELEMENTS,
) -> None:
    """Refuse a configuration with names that are not known to be harmless, or excessive sizes.

    Args:
        config: parsed JSON.
        name: of the file, for messages.
        trains: whether the arguments of compile() will be loaded, too. If not, unknown names in
            them are left to strip_compile().
        wrapped: whether wrappers of tensorflow-model-optimization will be loaded.
        custom: names of further classes and functions that may be loaded, because the caller has
            them in a live model.
        elements: number of values in the file's weights; no layer can have more units.

    Raises:
        UnsupportedModelError: it has a Lambda layer, or anything else that runs code or reads
            files; a class, function or module that is not on the lists; or an excessive size or
            depth.
    """
    checker = _Checker(name, trains, wrapped, custom, max(elements, 1))
    left = [(config, _Place())]
    seen = 0
    while left:
        value, place = left.pop()
        seen += 1
        if seen > _VALUES or place.depth > _DEPTH:
            what = "is nested too deeply" if place.depth > _DEPTH else "contains too many values"
            raise UnsupportedModelError(f"The configuration of {name} {what} for a model.", _LIVE)
        left.extend(checker.look(value, place))


def strip_compile(config: Any) -> Any:
    """Return the configuration without arguments of compile(), also in nested models."""
    if isinstance(config, Mapping):
        return {k: strip_compile(v) for k, v in config.items() if k not in _COMPILE}
    if isinstance(config, list):
        return [strip_compile(value) for value in config]
    return config


class _Checker:
    """Checks the values of a configuration one after another."""

    def __init__(
        self, name: str, trains: bool, wrapped: bool, custom: frozenset[str], elements: int
    ) -> None:
        self.name = name
        self.trains = trains
        self.wrapped = wrapped
        self.custom = custom
        self.elements = elements

    def look(self, value: Any, place: _Place) -> Iterator[tuple[Any, _Place]]:
        """Check a value, and yield the values inside it."""
        if isinstance(value, str):
            self._string(value, place)
        elif isinstance(value, int | float):
            self._number(value, place)
        elif isinstance(value, Mapping):
            layer = _layer_name(value) or place.layer
            if "class_name" in value:
                self._object(value, place, layer)
            elif "module" in value or "registered_name" in value:
                raise self._unknown("object without a class", str(value.get("module")), layer)
            for key, inner in value.items():
                compiled = place.compiled or key in _COMPILE
                yield inner, _Place(str(key), layer, place.depth + 1, compiled)
        elif isinstance(value, list):
            self._shape(value, place)
            deeper = _Place(place.key, place.layer, place.depth + 1, place.compiled)
            yield from ((inner, deeper) for inner in value)

    def _object(self, value: Mapping[str, Any], place: _Place, layer: str | None) -> None:
        """Check a dict from which a loader makes an object."""
        kind, module = value["class_name"], value.get("module")
        registered = value.get("registered_name")
        plain = str(kind).rpartition(">")[2]
        if plain in names.RUNS_CODE:
            raise self._code(f"{plain} layer" if plain[:1] != "_" else plain, layer)
        if plain in names.READS_TEXT:
            raise UnsupportedModelError(
                f"{self.name} has a {plain} layer {layer!r}, which may read other files.",
                "Turn words and categories into numbers before the model.",
            )
        if not all(isinstance(text, str | None) for text in (kind, module, registered)):
            raise self._unknown("object", repr(kind)[:80], layer)
        if kind == "function":
            self._function(value, place, layer)
            return
        if kind in names.QUANTIZED:
            raise UnsupportedModelError(
                f"Layer {layer!r} of {self.name} was quantised by Keras ({kind}).",
                FLOAT_MODEL,
            )
        ours = names.REGISTERED | self.custom
        known = _is_known(kind, module) or (self.wrapped and _is_wrapper(kind, module))
        if not known and (registered in ours or (kind in ours and not registered)):
            # In tf_keras, where our classes are not registered, it is an import.
            our_module = module is None or module.startswith(names.REGISTERED_IN)
            if not our_module and module not in self.custom:
                raise self._unknown("module", str(module), layer)
            return  # What is registered takes precedence over module and class.
        if kind in names.VALUES:
            return
        if place.compiled and self._is_left_out(kind, module):
            return
        if place.compiled and str(kind).startswith("Custom>"):
            kind = plain  # tf_keras' name of its own optimizers in a .h5
        known = known or _is_known(kind, module)
        if not known and kind in names.OPERATIONS and module is None:
            raise UnsupportedModelError(
                f"{self.name} has the operation {kind!r}, which Keras cannot load from a .h5.",
                "Save the model again with model.save('model.keras').",
            )
        if not known:
            raise self._unknown("class", str(kind), layer, module)
        if registered not in {None, "", kind, f"keras>{kind}", f"Custom>{kind}", *ours}:
            raise self._unknown("registered class", str(registered), layer)

    def _function(self, value: Mapping[str, Any], place: _Place, layer: str | None) -> None:
        """Check {"class_name": "function"}; its name is in config, or the registered name."""
        module = value.get("module")
        for function in (value.get("config"), value.get("registered_name")):
            if function in (None, "", "function"):
                continue
            if place.compiled and self._is_left_out(str(function), module):
                continue
            if function in list(self.custom) and module in {None, "builtins", *self.custom}:
                continue
            known = function in list(names.FUNCTIONS)  # a list, since it need not be a string
            if not known or not (module == "builtins" or _is_keras(module)):
                raise self._unknown("function", str(function), layer, module)

    def _is_left_out(self, kind: str, module: str | None) -> bool:
        """Whether an argument of compile() is the user's own class, which only training loads.

        Modules of Python or TensorFlow are not the user's own.
        """
        if self.trains or kind.startswith("_"):
            return False
        package = (module or "").partition(".")[0]
        foreign = package in sys.stdlib_module_names or package in _LIBRARIES
        return package == "__main__" or not foreign

    def _string(self, value: str, place: _Place) -> None:
        if value in self.custom:
            return
        key = place.key
        if key in _LIMITED:
            self._number(_as_number(value), place)
        if key == "function":
            if value not in names.TF_FUNCTIONS:
                raise UnsupportedModelError(
                    f"{self.name} has a layer {place.layer!r} that calls TensorFlow's function"
                    f" {value[:80]!r} while it is loaded, which may run code or access files.",
                    _LIVE,
                )
            return
        for end, what, allowed in _NAMED:
            if (key == end or key.endswith(f"_{end}")) and value not in allowed:
                raise self._unknown(what, value, place.layer)
        if place.compiled and self.trains and key in _COMPILED_KEYS and value not in _COMPILED:
            raise self._unknown("loss, metric or optimizer", value, place.layer)

    def _number(self, value: float, place: _Place) -> None:
        counts = place.key in _LIMITED
        if isinstance(value, bool) or place.key in _SEEDS:
            return
        if counts or isinstance(value, int):
            limit = self._limit(place) if counts else _INTEGER
            if exceeds([value], limit):
                raise self._too_large(place, f"{value:,}")

    def _shape(self, value: list[Any], place: _Place) -> None:
        sizes = [v for v in value if isinstance(v, int | float)]
        if place.key in _LIMITED and exceeds(sizes, self._limit(place)):
            raise self._too_large(place, str(value[:8]))

    def _limit(self, place: _Place) -> int:
        return self.elements if place.key in _COUNTS else _ELEMENTS

    def _too_large(self, place: _Place, value: str) -> UnsupportedModelError:
        where = f" of layer {place.layer!r}" if place.layer else ""
        key = place.key if place.key.isidentifier() else repr(place.key)
        return UnsupportedModelError(
            f"{self.name} has {key[:80]} = {value[:80]}{where}, which is more than the weights in"
            " the file, or any memory, can hold.",
            "Save the model again with model.save('model.keras'); the file may be damaged.",
        )

    def _code(self, what: str, layer: str | None) -> UnsupportedModelError:
        return UnsupportedModelError(
            f"{self.name} has a {what} {layer!r}: loading it would run code from the file.",
            "If you trust the model, load it yourself and pass the live model to export(), or "
            "replace the layer with one of Keras' own.",
        )

    def _unknown(
        self, what: str, name: str, layer: str | None, module: str | None = None
    ) -> UnsupportedModelError:
        where = f" in layer {layer!r}" if layer else ""
        source = f" of {_plain(module)}" if module and module != "builtins" else ""
        return UnsupportedModelError(
            f"{self.name} names the {what} {name[:80]!r}{source}{where}, which model files are "
            "not allowed to name.",
            _LIVE,
        )


# Modules that even an ignored argument of compile() may not name.
_LIBRARIES = names.words(
    "h5py jax keras keras_cv keras_hub numpy tensorflow tf_keras tflm_ext torch"
)


def _is_keras(module: str | None) -> bool:
    """Whether Keras looks up its own classes in this module."""
    if module is None:
        return True
    package, _, rest = module.removeprefix("tf_").partition(".")
    rest = rest.removeprefix("src.")
    return package == "keras" and (not rest or rest in names.PACKAGES | names.MODULES)


def _is_wrapper(kind: str, module: str | None) -> bool:
    """Whether a class is one of tensorflow-model-optimization's, around a layer."""
    package, _, rest = (module or "").partition(".python.core.")
    here = package == "tensorflow_model_optimization" and rest in names.WRAPPERS_IN
    return kind in names.WRAPPERS and (module is None or here)


def _as_number(text: str) -> float:
    """Return the number that Keras reads from a size given as text; 0 if it is not a number."""
    try:
        return float(text)
    except ValueError:
        return 0


def _plain(module: str) -> str:
    """Return a module's name, quoted if it is not a valid name."""
    return module[:80] if module.replace(".", "").isidentifier() else repr(module[:80])


def _is_known(kind: str, module: str | None) -> bool:
    """Whether a class is one of Keras' layers, optimizers and so on, or operations."""
    if kind in names.CLASSES and _is_keras(module):
        return True
    operation = module is not None and module.startswith("keras.src.ops.")
    return operation and kind in names.OPERATIONS and _is_keras(module)


def _layer_name(value: Mapping[str, Any]) -> str | None:
    inner = value.get("config")
    name = inner.get("name") if isinstance(inner, Mapping) else None
    return name[:80] if isinstance(name, str) else None
