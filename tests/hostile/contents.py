"""HDF5 files and archives that reach for others, claim too much, or mean two things."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import h5py

from tests.hostile.layers import CODE, dense, layer, model
from tests.hostile.makers import KERAS, Baits, h5_file, hostile, keras_file, weights

# Weights from other files


def external(file: Any, secret: Path) -> None:
    where = [(str(secret), 0, 12)]
    file.create_dataset("model_weights/dense/stolen", (3,), "f4", external=where)


@hostile("keeps weights in another file: '/model_weights/dense/stolen'")
def external_storage_of_a_h5(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense()), lambda file: external(file, baits.secret))


@hostile("keeps weights in another file: '/model_weights/dense/stolen'")
def external_storage_of_a_keras(folder: Path, baits: Baits) -> Path:
    stolen = weights(lambda file: external(file, baits.secret))
    return keras_file(folder, model(dense()), weights=stolen)


@hostile("keeps weights in another file")
def virtual_dataset(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        layout = h5py.VirtualLayout((3,), "f4")
        layout[:] = h5py.VirtualSource(str(baits.secret), "x", (3,))
        file.create_virtual_dataset("model_weights/dense/stolen", layout)

    return h5_file(folder, model(dense()), fill)


@hostile("links to another file or another place: '/model_weights/stolen'")
def external_link(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        file["model_weights/stolen"] = h5py.ExternalLink(str(baits.secret), "/")

    return h5_file(folder, model(dense()), fill)


@hostile("links to another file or another place: '/layers/loop'")
def soft_link(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        file["layers/loop"] = h5py.SoftLink("/layers")

    return keras_file(folder, model(dense()), KERAS, weights=weights(fill))


@hostile("has a dataset that does not contain numbers")
def object_references(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        data = file.create_dataset("model_weights/references", (2,), h5py.ref_dtype)
        data[0] = file["model_weights"].ref

    return h5_file(folder, model(dense()), fill)


@hostile("needs a filter from a library")
def filter_plugin(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        settings.set_chunk((4,))
        settings.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())  # Zstandard's registered number
        space = h5py.h5s.create_simple((4,))
        kind = h5py.h5t.NATIVE_FLOAT
        h5py.h5d.create(file["model_weights"].id, b"packed", kind, space, settings)

    return h5_file(folder, model(dense()), fill)


# Far more than is there


@hostile("bytes that it does not store: '/model_weights/huge'")
def dataset_of_a_terabyte(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        file.create_dataset("model_weights/huge", (10**12,), "f4", chunks=(1024,))

    return h5_file(folder, model(dense()), fill)


@hostile("bytes that it does not store")
def compressed_dataset(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        chunk = (2**22,)
        file.create_dataset("layers/huge", (2**33,), "i1", chunks=chunk, compression="gzip")
        file["layers/huge"][:1] = 1

    return keras_file(folder, model(dense()), KERAS, weights=weights(fill))


@hostile("contains too many groups, or nests them too deeply")
def deep_groups(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense()), lambda file: file.create_group("/".join("g" * 500)))


@hostile("is a small file that unpacks to")
def zip_bomb_of_weights(folder: Path, baits: Baits) -> Path:
    return _bomb(folder, {"model.weights.h5": 1 << 25})


@hostile("is a small file that unpacks to")
def zip_bomb_of_a_configuration(folder: Path, baits: Baits) -> Path:
    return _bomb(folder, {"config.json": 1 << 25})


def _bomb(folder: Path, sizes: dict[str, int]) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": KERAS}))
        for name in ("config.json", "model.weights.h5"):
            with archive.open(name, "w") as entry:
                for _ in range(sizes.get(name, 1 << 20) >> 20):
                    entry.write(b" " * (1 << 20))
    return path


@hostile("has units = 1,000,000,000,000 of layer 'dense'")
def dense_of_a_trillion_units(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense(units=10**12)), KERAS)


@hostile("has units = 100,000 of layer 'dense'")
def more_units_than_weights(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense(units=100_000)))


@hostile("has units = 1,000,000,000,000.0 of layer 'dense'")
def units_as_a_fraction(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense(units=1e12)))


@hostile("has units = 1,000,000,000,000.0 of layer 'dense'")
def units_as_text(folder: Path, baits: Baits) -> Path:
    """tf_keras takes int() of whatever it finds."""
    return h5_file(folder, model(dense(units="1_000_000_000_000")))


@hostile("has units = nan of layer 'dense'")
def units_that_are_no_number(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(dense(units=float("nan"))))


@hostile("has shape = [1073741824, ")
def shape_of_a_hundred_thousand_sizes(folder: Path, baits: Baits) -> Path:
    """Whose product has three million digits."""
    return keras_file(folder, model(layer("Reshape", shape=[2**30] * 100_000)))


@hostile("has shape = [9999999999")
def shape_of_thousands_of_digits(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("Reshape", shape=[10**4000 - 1])))


@hostile(r"has '\x1b]0;\n' = 1,099,511,627,776")
def key_that_controls_the_terminal(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense(**{"\x1b]0;\n": 2**40})))


@hostile(r"names the class 'X' of 'os\n\x1b[2J'")
def module_that_controls_the_terminal(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(layer("X", module="os\n\x1b[2J")))


@hostile("contains too many groups, or nests them too deeply")
def many_groups(folder: Path, baits: Baits) -> Path:
    def fill(file: Any) -> None:
        for i in range(35_000):
            file.create_group(f"g{i}")

    return h5_file(folder, model(dense()), fill)


@hostile("has 10,000,000,000,000 bytes")
def file_with_a_hole(folder: Path, baits: Baits) -> Path:
    """It takes a few kilobytes of a disk; a copy would take all of it."""
    path = h5_file(folder, model(dense()))
    os.truncate(path, 10**13)
    return path


@hostile("has batch_input_shape = [None, 100000, 100000]")
def input_of_ten_billions(folder: Path, baits: Baits) -> Path:
    trap = layer("InputLayer", batch_input_shape=[None, 100_000, 100_000])
    return keras_file(folder, model(trap))


@hostile("has n = 1,000,000,000 of layer 'trap'")
def repeated_a_billion_times(folder: Path, baits: Baits) -> Path:
    return h5_file(folder, model(layer("RepeatVector", n=10**9)))


@hostile("has padding = [30000, 30000] of layer")
def padded_to_gigabytes(folder: Path, baits: Baits) -> Path:
    padding = [[30_000, 30_000], [30_000, 30_000]]
    return keras_file(folder, model(layer("ZeroPadding2D", padding=padding)), KERAS)


@hostile("has no readable model configuration: RecursionError")
def brackets(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, "[" * 200_000)


@hostile("is nested too deeply")
def models_in_models(folder: Path, baits: Baits) -> Path:
    config: Any = model(dense())
    for _ in range(60):
        config = model({**config, "name": "net", "inbound_nodes": []})
    return h5_file(folder, config)


@hostile("has no readable model configuration")
def endless_digits(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, '{"class_name": "Sequential", "config": ' + "9" * 100_000 + "}")


# Files with more than one meaning


@hostile("a key is duplicated")
def type_under_a_key_that_is_there_twice(folder: Path, baits: Baits) -> Path:
    """Loaders of .h5 files make objects while they parse, also of what is replaced later."""
    spec = {"class_name": "TypeSpec", "type_spec": "tf.TensorSpec", "serialized": []}
    text = json.dumps(model(dense(trap=spec))).replace('"units"', '"trap": 1, "units"')

    def fill(file: Any) -> None:
        file.attrs["model_config"] = text

    return h5_file(folder, None, fill)


@hostile("the version of Keras is missing")
def metadata_that_is_a_list(folder: Path, baits: Baits) -> Path:
    path = folder / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "[]")
        archive.writestr("config.json", json.dumps(model(dense())))
        archive.writestr("model.weights.h5", weights())
    return path


@hostile("has no model configuration")
def configuration_that_is_a_number(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, "7")


@hostile("contains '../../../trap'")
def path_out_of_the_archive(folder: Path, baits: Baits) -> Path:
    return keras_file(folder, model(dense()), **{"../../../trap": b"x"})


@hostile("an entry is duplicated")
def two_configurations(folder: Path, baits: Baits) -> Path:
    path = keras_file(folder, model(dense()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", json.dumps(model(layer("Lambda", function=CODE))))
    return path


@hostile("has a Lambda layer 'trap'")
def lambda_in_a_file_of_two_formats(folder: Path, baits: Baits) -> Path:
    """Begins as HDF5 with a Lambda, ends as a zip without: loaders go by the name."""
    trap = h5_file(folder, model(layer("Lambda", function=CODE))).read_bytes()
    harmless = keras_file(folder, model(dense())).read_bytes()
    path = folder / "model.keras"
    path.write_bytes(trap + harmless)
    return path
