"""Pictures as recordings of an image source."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from tflm_ext.errors import ConfigError, ToolError
from tflm_ext.signals import Image
from tflm_ext.signals.recordings import read_recording

RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (4, 5, 3), np.uint8)
GREY = RANDOM.integers(0, 256, (4, 5), np.uint8)


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_pixels_are_those_of_the_file(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"own.{ending}"
    PIL.Image.fromarray(COLOURS).save(path)
    np.testing.assert_array_equal(read_recording(path, Image(4, 5, 3)), COLOURS[np.newaxis])
    PIL.Image.fromarray(GREY).save(path)
    expected = GREY[np.newaxis, ..., np.newaxis]
    np.testing.assert_array_equal(read_recording(path, Image(4, 5, 1)), expected)
    np.testing.assert_array_equal(read_recording(path, Image(4, 5, 3)), expected.repeat(3, -1))


def test_palettes_alpha_bits_and_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "own.png"
    grey = PIL.Image.fromarray(GREY)
    for kind in ("P", "RGBA"):
        grey.convert(kind).save(path)
        found = read_recording(path, Image(4, 5, 1))
        np.testing.assert_array_equal(found[0, ..., 0], GREY)
    grey.convert("1").save(path)
    assert set(np.unique(read_recording(path, Image(4, 5, 1)))) <= {0, 255}
    grey.save(tmp_path / "own.jpg")
    assert read_recording(tmp_path / "own.jpg", Image(4, 5, 1)).shape == (1, 4, 5, 1)


@pytest.mark.parametrize(
    ("source", "message", "remedy"),
    [
        (Image(5, 4, 3), "has 5 x 4 pixels, but the source gives images of 4 x 5", "Image(4, 5,"),
        (Image(4, 5, 1), "has colours", "Grey()"),
    ],
)
def test_pictures_that_do_not_fit(source: Image, message: str, remedy: str, tmp_path: Path) -> None:
    PIL.Image.fromarray(COLOURS).save(tmp_path / "own.png")
    with pytest.raises(ConfigError) as error:
        read_recording(tmp_path / "own.png", source)
    assert message in error.value.problem
    assert remedy in error.value.hint


def test_sixteen_bits_are_refused(tmp_path: Path) -> None:
    PIL.Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "own.png")
    with pytest.raises(ConfigError, match="not of 8 bits"):
        read_recording(tmp_path / "own.png", Image(4, 5, 1))


def test_damaged_pictures(tmp_path: Path) -> None:
    """Cut off anywhere, or with any byte changed: an error, or an image of the right size."""
    for ending in ("png", "bmp", "jpg"):
        path = tmp_path / f"own.{ending}"
        PIL.Image.fromarray(COLOURS).save(path)
        whole = path.read_bytes()
        damaged = [whole[:size] for size in range(len(whole))]
        for _ in range(400):
            changed = bytearray(whole)
            changed[RANDOM.integers(2, len(whole))] = RANDOM.integers(256)
            damaged.append(bytes(changed))
        refused = 0
        for content in damaged:
            path.write_bytes(content)
            try:
                assert read_recording(path, Image(4, 5, 3)).shape == (1, 4, 5, 3)
            except ConfigError as error:
                refused += 1
                assert path.name in error.problem
        assert refused > len(whole) // 2


def test_a_picture_with_a_size_that_is_a_lie(tmp_path: Path) -> None:
    """No memory is taken for it."""
    path = tmp_path / "own.bmp"
    PIL.Image.fromarray(COLOURS).save(path)
    content = bytearray(path.read_bytes())
    content[18:26] = (60_000).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"own\.bmp"):
        read_recording(path, Image(4, 5, 3))


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PIL.Image.fromarray(COLOURS).save(tmp_path / "own.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ToolError, match="needs Pillow"):
        read_recording(tmp_path / "own.png", Image(4, 5, 3))
