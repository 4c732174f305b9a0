"""Calibration data in every form that is documented, and in those that are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tflm_ext.convert.samples import InputSpec, Order, gather, load_npz
from tflm_ext.errors import ConfigError

IMAGE = InputSpec("image", (1, 4, 3), "float32")
SPEED = InputSpec("speed", (1, 2), "float32")
X = np.arange(60, dtype=np.float32).reshape(5, 4, 3)
V = np.arange(10, dtype=np.float32).reshape(5, 2)


def batches(*arrays: Any, size: int = 2) -> Iterator[Any]:
    for i in range(0, 5, size):
        batch = tuple(a[i : i + size] for a in arrays)
        yield batch if len(batch) > 1 else batch[0]


@pytest.mark.parametrize(
    "data",
    [
        X,
        [X],
        {"image": X},
        {"image": X, "unused": V},
        (X, np.arange(5)),
        list(X),
        (x for x in X),
        ([x[np.newaxis]] for x in X),
        ({"image": x} for x in X),
        batches(X),
        batches(X, np.arange(5)),
        batches(X, np.arange(5), np.ones(5)),
        X.astype(np.float64),
        X.astype(np.uint8),
    ],
)
def test_one_input(data: Any) -> None:
    (column,), cut = gather(data, [IMAGE], "calibration_data")
    assert column.dtype == np.float32
    np.testing.assert_array_equal(column, X)
    assert not cut


@pytest.mark.parametrize(
    "data",
    [
        [X, V],
        (X, V),
        {"speed": V, "image": X},
        ({"speed": v, "image": x} for x, v in zip(X, V, strict=True)),
        ([x, v] for x, v in zip(X, V, strict=True)),
        (((x, v), 7) for x, v in zip(X, V, strict=True)),
        ([X, V], np.arange(5)),
        batches(X, V),
    ],
)
def test_two_inputs(data: Any) -> None:
    columns, _ = gather(data, [IMAGE, SPEED], "calibration_data")
    np.testing.assert_array_equal(columns[0], X)
    np.testing.assert_array_equal(columns[1], V)


NESTED = [
    InputSpec("z", (1, 2), "float32", "in_z", ("pair", 0)),
    InputSpec("a", (1, 2), "float32", "in_a", ("pair", 1)),
    InputSpec("m", (1, 2), "float32", "in_m", ("mid",)),
]
COLUMNS = [V, 2 * V, 3 * V]


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize(
    "data",
    [
        lambda: {"m": COLUMNS[2], "a": COLUMNS[1], "z": COLUMNS[0]},
        lambda: {"in_m": COLUMNS[2], "in_a": COLUMNS[1], "in_z": COLUMNS[0]},
        lambda: {"mid": COLUMNS[2], "pair": COLUMNS[:2]},
        lambda: {"pair": tuple(COLUMNS[:2]), "mid": COLUMNS[2]},
        lambda: ({"mid": COLUMNS[2], "pair": COLUMNS[:2]}, np.arange(5)),
        lambda: ({"mid": m, "pair": [z, a]} for z, a, m in zip(*COLUMNS, strict=True)),
        lambda: (({"mid": m, "pair": [z, a]}, 1) for z, a, m in zip(*COLUMNS, strict=True)),
    ],
)
def test_nested_inputs(data: Any, order: Order) -> None:
    columns, warnings = gather(data(), NESTED, "calibration_data", order)
    for found, expected in zip(columns, COLUMNS, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert warnings == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_list_where_names_are_needed(stream: bool) -> None:
    def data() -> Any:
        return (list(row) for row in zip(*COLUMNS, strict=True)) if stream else COLUMNS

    assert gather(data(), NESTED, "test_data", Order.OWN)[1] == []
    columns, warnings = gather(data(), NESTED, "test_data", Order.SORTED)
    np.testing.assert_array_equal(columns[1], COLUMNS[1])
    (warning,) = warnings
    assert warning == (
        "test_data is a list, but the model takes a dict. Keras sorted its keys, and the list was "
        "used as 'z', 'a', 'm'."
    )
    with pytest.raises(ConfigError) as caught:
        gather(data(), NESTED, "test_data", Order.UNKNOWN)
    assert str(caught.value) == (
        "test_data is a list, but the model has several inputs of the same shape, "
        "identified by name.\n"
        "Pass one array per input, as a dict {'z': (samples, 2), 'a': (samples, 2), "
        "'m': (samples, 2)}."
    )
    assert gather([X, V], [IMAGE, SPEED], "test_data", Order.UNKNOWN)[1] == []


def test_one_sample_is_a_batch_of_one() -> None:
    (column,), _ = gather(X[0], [IMAGE], "calibration_data")
    assert column.shape == (1, 4, 3)


def test_endless_generator_is_cut() -> None:
    (column,), cut = gather((X[0] for _ in iter(int, 1)), [IMAGE], "calibration_data")
    assert len(column) == 1000
    assert cut


def test_whole_numbers_for_an_integer_input() -> None:
    (column,), _ = gather(np.ones((2, 3)), [InputSpec("ids", (1, 3), "int32")], "calibration_data")
    assert column.dtype == np.int32


NOT_FINITE = (
    "calibration_data for input 'image' has values that are not finite (NaN or infinite).\n"
    "Remove or replace them; a single such value makes the ranges of all layers useless."
)
WITH_NAN = np.where(X == 7, np.nan, X)
WITH_INFINITY = np.where(X == 7, -np.inf, X)


@pytest.mark.parametrize(
    ("data", "inputs", "text"),
    [
        (
            X[:, :2],
            [IMAGE],
            (
                "calibration_data for input 'image' has the shape (5, 2, 3), but a sample has (4, "
                "3).\nPass an array of shape (samples, 4, 3)."
            ),
        ),
        (
            WITH_NAN,
            [IMAGE],
            NOT_FINITE,
        ),
        (
            WITH_INFINITY,
            [IMAGE],
            NOT_FINITE,
        ),
        (
            X[:0],
            [IMAGE],
            "calibration_data has no samples.\nPass at least 100 samples of realistic input.",
        ),
        (
            [],
            [IMAGE],
            "calibration_data has no samples.\nPass at least 100 samples of realistic input.",
        ),
        (
            (),
            [IMAGE],
            "calibration_data has no samples.\nPass at least 100 samples of realistic input.",
        ),
        (
            7,
            [IMAGE],
            (
                "calibration_data is a int.\n"
                "Pass an array of shape (samples, 4, 3), or a generator of such arrays."
            ),
        ),
        (
            "data.npz",
            [IMAGE],
            (
                "calibration_data is a str.\n"
                "Pass an array of shape (samples, 4, 3), or a generator of such arrays."
            ),
        ),
        (
            {"picture": X},
            [IMAGE],
            (
                "calibration_data is a dict.\n"
                "Pass an array of shape (samples, 4, 3), or a generator of such arrays."
            ),
        ),
        (
            X,
            [IMAGE, SPEED],
            (
                "calibration_data yields a ndarray.\n"
                "Pass one array per input, as a list or a dict"
                " {'image': (samples, 4, 3), 'speed': (samples, 2)}."
            ),
        ),
        (
            [X, V[:3]],
            [IMAGE, SPEED],
            (
                "calibration_data has [3, 5] samples for the inputs, which must be equal.\n"
                "Pass one array per input, as a list or a dict"
                " {'image': (samples, 4, 3), 'speed': (samples, 2)}."
            ),
        ),
        (
            X.astype(str),
            [IMAGE],
            (
                "calibration_data for input 'image' is of type <U32.\n"
                "Pass numbers of the model's type, float32."
            ),
        ),
        (
            np.full((2, 4, 3), 1e300),
            [IMAGE],
            (
                "calibration_data for input 'image' has values that are too large for "
                "float32.\nScale the data."
            ),
        ),
        (
            np.full((2, 3), 0.5),
            [InputSpec("ids", (1, 3), "int32")],
            (
                "calibration_data for input 'ids' has values that do not fit into int32.\n"
                "Pass whole numbers in the range of int32."
            ),
        ),
    ],
)
def test_refused(data: Any, inputs: list[InputSpec], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        gather(data, inputs, "calibration_data")
    assert str(caught.value) == text


def test_npz_with_x_and_y(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=np.arange(5))
    data = load_npz(tmp_path / "data.npz")
    np.testing.assert_array_equal(data.x, X)
    np.testing.assert_array_equal(data.y, np.arange(5))


def test_npz_with_names_and_without_labels(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", image=X, speed=V)
    data = load_npz(str(tmp_path / "data.npz"))
    assert isinstance(data.x, dict)
    assert sorted(data.x) == ["image", "speed"]
    assert data.y is None


def test_npz_is_not_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (tmp_path.joinpath("sprung").touch, ())

    np.savez(tmp_path / "data.npz", x=np.array([Trap()], dtype=object))
    with pytest.raises(ConfigError, match=r"is not a readable \.npz"):
        load_npz(tmp_path / "data.npz")
    assert not (tmp_path / "sprung").exists()


def test_npz_problems(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", X)
    np.savez(tmp_path / "labels.npz", y=V)
    (tmp_path / "text.npz").write_text("hello", encoding="utf-8")
    (tmp_path / "empty.npz").touch()
    np.savez(tmp_path / "whole.npz", x=X)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    for name, problem in (
        ("none.npz", "There is no data file"),
        ("", "There is no data file"),
        ("array.npy", "is a single array, not a .npz."),
        ("labels.npz", "has neither a key x nor a key with the name of an input."),
        ("text.npz", "is not a readable .npz"),
        ("empty.npz", "is not a readable .npz"),
        ("cut.npz", "is not a readable .npz"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_npz(tmp_path / name)
        assert problem in caught.value.problem
        assert "numpy.savez" in caught.value.hint
