"""prune_channels(): what is left computes what the whole model would without the channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tflm_ext

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:The ratio is not reached")]

RATIOS = (0.25, 0.5, 0.75)
NAMES = ("plain_cnn", "resnet", "mobilenet", "unet", "tcn")
# Channels of all layers but the last, and of how many layers' channels the largest tie is.
PRUNABLE = {
    "plain_cnn": (16 + 24 + 32, 1),
    "resnet": (3 * 16 + 5 * 24, 3),
    "mobilenet": (2 * 8 + 2 * 12 + 2 * (32 + 32 + 48) + 3 * 8, 2),
    "unet": (8 + 16 + 24 + 16 + 16 + 8, 1),
    "tcn": (7 * 16, 4),
}


@pytest.fixture(scope="module")
def nets() -> Any:
    from tests.compress import channel_nets

    return channel_nets


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("name", NAMES)
def test_pruned_is_masked(nets: Any, name: str, ratio: float) -> None:
    from tflm_ext.compression.channels.graph import read_channels
    from tflm_ext.compression.channels.usage import MACS, Usage

    model = nets.with_random_weights(nets.NETS[name]())
    before = model.get_weights()
    x = nets.samples(model)
    pruned, report = tflm_ext.prune_channels(model, ratio=ratio, data=x, report=True)

    expected = nets.masked_outputs(model, pruned, x)
    np.testing.assert_allclose(np.asarray(pruned(x)), expected, rtol=1e-4, atol=1e-5)

    prunable, tied = PRUNABLE[name]
    assert report.prunable_channels == prunable
    assert sum(row.before - row.after for row in report.layers) == report.removed_channels
    if report.ended == "the ratio is reached":
        assert 0 <= ratio * prunable - report.removed_channels < 4 * tied
    else:
        assert all(row.after == 4 for row in report.layers)
    for row in report.layers:
        assert 4 <= row.after <= row.before and row.after % 4 == 0
        assert row.after == pruned.get_layer(row.layer).output.shape[-1]

    graph, after = read_channels(model), read_channels(pruned)
    kept = np.array([[len(group.roots) for group in after.groups]])
    assert Usage.of(graph)(kept)[0, MACS] == nets.multiplications(pruned)
    assert [str(row) for row in report.untouched] == ["head: they are outputs of the model"]
    assert not pruned.compiled
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", NAMES)
def test_ratio_0_is_the_model(nets: Any, name: str, tmp_path: Any) -> None:
    import keras

    model = nets.with_random_weights(nets.NETS[name]())
    x = nets.samples(model)
    same, report = tflm_ext.prune_channels(model, ratio=0, report=True)
    assert type(same) is type(model) and same.name == model.name
    assert [layer.name for layer in same.layers] == [layer.name for layer in model.layers]
    assert report.removed_channels == 0
    expected = np.asarray(model(x))
    np.testing.assert_array_equal(np.asarray(same(x)), expected)
    assert not {id(w) for w in same.weights} & {id(w) for w in model.weights}
    same.save(tmp_path / "same.keras")
    loaded = keras.models.load_model(tmp_path / "same.keras")
    np.testing.assert_array_equal(np.asarray(loaded(x)), expected)


def test_dropout_falls_with_its_channels(nets: Any) -> None:
    import keras

    model = nets.with_random_weights(nets.plain_cnn())
    pruned = tflm_ext.prune_channels(model, ratio=0.5)

    def drop(net: Any) -> Any:
        return next(layer for layer in net.layers if isinstance(layer, keras.layers.Dropout))

    kept = pruned.get_layer("conv_b").filters / 24
    assert kept < 1
    assert (drop(model).rate, drop(pruned).rate) == (0.3, pytest.approx(0.3 * kept))


@pytest.mark.tool("cc")
@pytest.mark.parametrize(
    ("name", "ratio"), list(zip(NAMES, (0.75, 0.5, 0.5, 0.5, 0.25), strict=True))
)
def test_pruned_is_exact_in_c(nets: Any, name: str, ratio: float) -> None:
    from tests.harness import assert_exact
    from tflm_ext.convert import convert

    model = nets.with_random_weights(nets.NETS[name]())
    pruned = tflm_ext.prune_channels(model, ratio=ratio)
    data = nets.samples(model, 100)
    int8 = convert(pruned, data, progress=lambda text: None).int8
    assert assert_exact(int8.bytes, name=name).macs == nets.multiplications(pruned)
    assert nets.multiplications(pruned) < nets.multiplications(model)
