"""Statistics: exact sums, and float32 in a fixed order."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.signals.blocks import assert_block
from tflm_ext.arithmetic.features import MEASURES, in_batches, moment_bits
from tflm_ext.emit.included import with_included
from tflm_ext.emit.render import verbatim
from tflm_ext.errors import ConfigError
from tflm_ext.scratch import scratch_folder
from tflm_ext.signals import Frames, LogMel, Microphone, Motion, Pipeline, Statistics, Zscore
from tflm_ext.signals.spec import Spec
from tflm_ext.verify.host import SANITIZE, WARNINGS, compile_c, find_compiler, run_c


def frame(length: int, channels: int, zero_point: int = 0) -> Spec:
    spec = Frames(length).bind(Motion(50).spec).out
    return replace(spec, shape=(length, channels), zero_point=zero_point)


def items(length: int, channels: int, seed: int) -> np.ndarray:
    """Frames that are loud, quiet, constant, of extremes only, or have one impulse."""
    random = np.random.default_rng(seed)
    shape = (length, channels)
    loud = random.normal(0, 10 ** random.uniform(-1, 4.6, (30, 1, 1)), (30, *shape))
    offset = random.normal(0, 3, (10, *shape)) + random.uniform(-32768, 32767, (10, 1, channels))
    extremes = random.choice([-32768, -1, 0, 1, 32767], (10, *shape))
    constant = np.array([-32768, -1, 0, 1, 32767])[:, np.newaxis, np.newaxis] * np.ones(shape)
    impulse = np.zeros((3, *shape))
    impulse[:, length // 2] = np.array([1, -32768, 32767])[:, np.newaxis]
    found = np.concatenate([loud, offset, extremes, constant, impulse])
    return np.clip(np.rint(found), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize(
    ("length", "channels", "zero_point"),
    [(1, 16, 7), (2, 1, 0), (257, 1, -32768), (150, 3, 32767)],
)
def test_c_equals_numpy(length: int, channels: int, zero_point: int) -> None:
    block = Statistics(*MEASURES).bind(frame(length, channels, zero_point))
    found = assert_block(block, items(length, channels, length))
    assert np.isfinite(found).all()


def test_the_longest_frame() -> None:
    """Sums are largest."""
    block = Statistics(*MEASURES).bind(frame(1 << 16, 1))
    values = np.full((4, 1 << 16, 1), -32768)
    values[1] = 32767
    values[2, ::2] = 32767
    values[3, 5:] = 32767
    found = assert_block(block, values)
    named = dict(zip(MEASURES, found.T, strict=True))
    assert named["kurtosis"].tolist()[:2] == [0, 0]
    assert named["kurtosis"][2] == pytest.approx(1, rel=1e-3)
    assert named["kurtosis"][3] == pytest.approx((1 << 16) / 5, rel=0.01)


@pytest.mark.parametrize("measure", ["mean", "zero_crossings", "kurtosis"])
def test_each_alone(measure: str) -> None:
    """Passes that a measure does not need are left out."""
    assert_block(Statistics(measure).bind(frame(20, 2)), items(20, 2, 1))


@pytest.mark.parametrize("zero_point", [0, 1000])
def test_they_are_what_their_names_say(zero_point: int) -> None:
    source = frame(200, 3, zero_point)
    given = items(200, 3, 5)
    block = Statistics(*MEASURES).bind(source)
    found, _ = block.run(given, ())
    by_channel = found.reshape(len(given), 3, len(MEASURES))
    x = (given.astype(np.float64) - zero_point) * source.scale
    mean, deviation = x.mean(1), x.std(1)
    rms = np.sqrt((x * x).mean(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (x - mean[:, np.newaxis]) / deviation[:, np.newaxis]
        wanted = {
            "mean": mean,
            "rms": rms,
            "variance": deviation**2,
            "deviation": deviation,
            "peak": np.abs(x).max(1),
            "peak_to_peak": np.ptp(x, axis=1),
            "zero_crossings": (np.diff(x < 0, axis=1) != 0).sum(1),
            "energy": (x * x).sum(1),
            "skew": np.where(np.ptp(x, axis=1) > 0, (z**3).mean(1), 0),
            "kurtosis": np.where(np.ptp(x, axis=1) > 0, (z**4).mean(1), 0),
            "crest": np.where(rms > 0, np.abs(x).max(1) / rms, 0),
        }
    for number, name in enumerate(MEASURES):
        # Skew and kurtosis see deviations with 14 bits.
        exact = name not in ("skew", "kurtosis")
        np.testing.assert_allclose(
            by_channel[:, :, number],
            wanted[name],
            rtol=1e-6 if exact else 2e-4,
            atol=0 if exact else 2e-4,
            err_msg=name,
        )


def test_names_of_features() -> None:
    assert Statistics("rms", "crest").bind(frame(9, 1)).out.names == ("rms", "crest")
    named = replace(frame(9, 2), names=("x", "y"))
    assert Statistics("rms").bind(named).out.names == ("x rms", "y rms")
    assert Statistics("rms").bind(frame(9, 2)).out.names == ("0 rms", "1 rms")


def test_in_a_pipeline() -> None:
    random = np.random.default_rng(0)
    motion = random.normal(0, 3000, (400, 3)).astype(np.int16)
    fitted = Zscore(mean=(0.3,) * 6, deviation=(0.2,) * 6)
    pipeline = Pipeline(Motion(50), Frames(50), Statistics("rms", "peak"), fitted)
    assert pipeline.features(motion).shape == (8, 6)
    assert Pipeline.from_json(pipeline.to_json()) == pipeline
    assert Statistics(names=["rms", "peak"]) == Statistics("rms", "peak")
    with pytest.raises(ConfigError, match="range of the features is not known"):
        Pipeline(Motion(50), Frames(50), Statistics("rms"))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "measures nothing"),
        (("rns",), "rms"),
        (("rms", "rms"), "rms twice"),
        ((3,), "not a name"),
        ((None,), "not a name"),
        ((["rms"],), "not a name"),
    ],
)
def test_names_are_checked(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Statistics(*names)


@pytest.mark.parametrize("names", ["rms", 3, None, [], ["rms", 3], {"rms": 1}])
def test_hostile_json(names: object) -> None:
    fitted = Zscore(mean=(0.3,), deviation=(0.2,))
    content = json.loads(Pipeline(Microphone(), Frames(9), Statistics("rms"), fitted).to_json())
    content["stages"][1]["names"] = names
    with pytest.raises(ConfigError):
        Pipeline.from_json(json.dumps(content))


def test_it_takes_frames() -> None:
    with pytest.raises(ConfigError, match="Statistics works on a frame"):
        Pipeline(Microphone(), Frames(480), LogMel(40), Statistics("rms"))


def test_sums_of_fourth_powers_fit() -> None:
    for length in (1, 2, 3, 150, 512, 1024, 65535, 65536):
        assert length * 2 ** (4 * moment_bits(length)) <= 2**64


def test_batches_give_what_the_whole_gives() -> None:
    given = np.arange(7 * 300_000).reshape(7, 300_000)
    sizes = []

    def compute(part: np.ndarray) -> np.ndarray:
        sizes.append(len(part))
        return part.sum(1)

    assert in_batches(compute, given).tolist() == given.sum(1).tolist()
    assert sizes == [3, 3, 1]
    assert in_batches(compute, given[:0]).shape == (0,)


_ROOTS = """
#include <stdio.h>
#include "tflm_ext/float_root.h"
int main(void)
{
    float x[2];
    while (fread(x, sizeof x[0], 1U, stdin) == 1U) {
        x[1] = tflm_ext_float_root_of_bits(x[0]);
        x[0] = tflm_ext_float_root(x[0]);
        (void)fwrite(x, sizeof x[0], 2U, stdout);
    }
    return 0;
}
"""


def test_roots_of_float32_are_rounded_to_nearest() -> None:
    """By the instruction, and by integers for cores without it."""
    random = np.random.default_rng(0)
    bits = random.integers(0, 0x7F800001, 20_000, dtype=np.uint32)
    squares = (np.arange(1, 2000, dtype=np.float32) ** 2).view(np.uint32)
    near = np.concatenate([squares - 1, squares, squares + 1])
    edges = [0, 1, 2, 3, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x7F800000, 0x3F800000, 0x3F7FFFFF]
    small = np.concatenate([random.integers(0, 1 << 23, 2000), 1 << np.arange(23)])
    values = np.concatenate([bits, near, np.array(edges), small]).astype(np.uint32).view(np.float32)
    with scratch_folder() as root:
        (root / "tflm_ext").mkdir()
        for name, path in with_included(["float_root.h"], ("signals", "kernels")):
            (root / "tflm_ext" / name).write_bytes(verbatim(path))
        (root / "roots.c").write_text(_ROOTS, "utf-8")
        options = ("-std=c99", "-O2", *SANITIZE, *WARNINGS, "-I", ".")
        compile_c((find_compiler(), *options, "roots.c", "-o", "roots"), root)
        got = np.frombuffer(run_c((str(root / "roots"),), values.tobytes(), 60.0), np.float32)
    wanted = np.sqrt(values)
    np.testing.assert_array_equal(
        got.reshape(-1, 2).view(np.uint32), np.stack([wanted, wanted], 1).view(np.uint32)
    )
