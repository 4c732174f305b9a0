"""Checkpoints of compress() on disk: the same models and states, and hostile files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile.configurations import call
from tests.hostile.layers import layer, model
from tflm_ext.compression.stored import TrainingState, restore_model, store_model
from tflm_ext.errors import ConfigError, StorageError

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.slow


@keras.saving.register_keras_serializable(package="tests_stored")
class Twice(keras.layers.Layer):
    """A class of the user's own."""

    def call(self, x: Any) -> Any:
        return 2 * x


def net(kind: str = "keras", **options: Any) -> Any:
    package = pytest.importorskip(kind)
    package.utils.set_random_seed(0)
    layers = package.layers
    inner = package.Sequential([layers.Input((6,)), layers.Dense(5, activation="relu")])
    x = layers.Input((4,))
    y = layers.Dropout(0.2)(layers.BatchNormalization()(layers.Dense(6, **options)(x)))
    y = inner(y) if kind == "tf_keras" else Twice()(inner(y))
    return package.Model(x, [layers.Dense(3)(y), layers.Dense(1, name="other")(y)])


def assert_equal(one: Any, other: Any) -> None:
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("options", [{}, {"dtype": "bfloat16"}], ids=str)
def test_a_model_comes_back(options: dict[str, Any], tmp_path: Path) -> None:
    given = net(**options)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    given(x, training=True)  # statistics and the state of a random generator move on
    store_model(tmp_path / "a.npz", given)
    again = restore_model(tmp_path / "a.npz", given)
    assert again is not given
    assert [v.dtype for v in again.variables] == [v.dtype for v in given.variables]
    assert_equal([v.numpy() for v in given.variables], [v.numpy() for v in again.variables])
    assert_equal(given(x), again(x))


def test_models_of_tf_keras_come_back(tf_keras: Any, tmp_path: Path) -> None:
    from tflm_ext.compression.qat import quantize_aware

    x = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    given = net("tf_keras")
    plain = tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(4,), activation="relu")])
    aware = quantize_aware(plain)
    aware.compile("adam", "mse")
    aware.fit(x, np.zeros((8, 3)), verbose=0)
    for kept, live in ((given, given), (aware, plain)):
        store_model(tmp_path / "a.npz", kept)
        assert_equal(kept(x), restore_model(tmp_path / "a.npz", live)(x))


def test_no_file_is_loaded_by_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("a file is loaded")

    given = net()
    store_model(tmp_path / "a.npz", given)
    for owner, name in (
        (keras.models, "load_model"),
        (keras.Model, "load_weights"),
        (h5py, "File"),
    ):
        monkeypatch.setattr(owner, name, refuse)
    restore_model(tmp_path / "a.npz", given)


HOSTILE = [
    (model(call("io.write_file", "MARKER", contents="x")), "io.write_file"),
    (model(layer("Lambda", function="x")), "Lambda layer"),
    (model(layer("Mine", module="antigravity")), "'Mine' of antigravity"),
    (model(layer("Dense", units=10**12)), "units = 1,000,000,000,000"),
    (model(layer("Dense", units=10**4)), "units = 10,000"),
    ([1], "it contains no model"),
    ({"class_name": "Functional", "config": {"layers": 3}}, ""),
]


@pytest.mark.parametrize(("config", "reason"), HOSTILE, ids=[reason for _, reason in HOSTILE])
def test_hostile_configurations(config: Any, reason: str, tmp_path: Path) -> None:
    marker = tmp_path / "written"
    text = json.dumps(config).replace("MARKER", str(marker))
    path = tmp_path / "a.npz"
    np.savez(path, **{"config": np.frombuffer(text.encode(), np.uint8), "0": np.zeros(9)})
    with pytest.raises(ConfigError, match=r"a\.npz cannot be loaded") as caught:
        restore_model(path, net())
    assert reason in caught.value.problem
    assert not marker.exists()


def spoil(path: Path, how: str) -> None:
    """Damage a file in one way."""
    with np.load(path) as file:
        arrays = dict(file)
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "compressed":
        np.savez_compressed(path, **arrays)
    elif how == "pickled":
        np.savez(path, **{**arrays, "0": np.array({1: 2}, object)})
    elif how == "another shape":
        np.savez(path, **{**arrays, "0": arrays["0"][:, :3]})
    elif how == "one missing":
        del arrays["0"]
        np.savez(path, **arrays)
    elif how == "one more":
        np.savez(path, **arrays, more=arrays["0"])
    elif how == "text":
        np.savez(path, **{**arrays, "0": np.full(arrays["0"].shape, "x")})
    elif how == "no head":
        arrays.pop("config", None)
        arrays.pop("epoch", None)
        np.savez(path, **arrays)
    elif how == "claims too much":
        with zipfile.ZipFile(path, "a") as archive, archive.open("zz.npy", "w") as member:
            head = {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
            np.lib.format.write_array_header_1_0(member, head)


DAMAGE = [
    "cut",
    "empty",
    "compressed",
    "pickled",
    "another shape",
    "one missing",
    "one more",
    "text",
    "no head",
    "claims too much",
]


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_files(how: str, tmp_path: Path) -> None:
    given = net()
    given.compile("adam", "mse")
    store_model(tmp_path / "a.npz", given)
    TrainingState(tmp_path / "s.npz", given, given).save(1)
    before = given.get_weights()
    spoil(tmp_path / "a.npz", how)
    with pytest.raises(ConfigError, match=r"a\.npz cannot be loaded: \S"):
        restore_model(tmp_path / "a.npz", given)
    spoil(tmp_path / "s.npz", how)
    with pytest.raises(ConfigError, match=r"s\.npz cannot be loaded: \S") as caught:
        TrainingState(tmp_path / "s.npz", given, given).restore()
    assert caught.value.hint == "Delete s.npz to start this step again."
    assert_equal(before, given.get_weights())


@pytest.mark.parametrize("kind", ["keras", "tf_keras", "legacy"])
def test_training_goes_on_where_it_was(kind: str, tmp_path: Path) -> None:
    """One epoch, stored, and another give the same bytes as one, restored, and another."""
    package = pytest.importorskip("keras" if kind == "keras" else "tf_keras")
    x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)

    def trained(epochs: int, state: TrainingState | None = None) -> Any:
        package.utils.set_random_seed(7)
        layers = [package.layers.Input((4,)), package.layers.Dense(3), package.layers.Dense(1)]
        model = package.Sequential(layers)
        optimizers = package.optimizers.legacy if kind == "legacy" else package.optimizers
        model.compile(optimizers.Adam(0.01), "mse")
        state = TrainingState(tmp_path / "s.npz", model, model)
        begin = state.restore()
        model.fit(x, x[:, :1], shuffle=False, epochs=epochs, initial_epoch=begin, verbose=0)
        state.save(epochs)
        return model

    once = trained(2)
    (tmp_path / "s.npz").unlink()
    trained(1)
    assert_equal(once.get_weights(), trained(2).get_weights())
    assert TrainingState(tmp_path / "s.npz", once, once).restore() == 2


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = net()
    given.compile("adam", "mse")
    state = TrainingState(tmp_path / "s.npz", given, given)
    state.save(1)
    before = (tmp_path / "s.npz").read_bytes()

    def full(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(StorageError, match="No space left"):
        state.save(2)
    assert (tmp_path / "s.npz").read_bytes() == before
