"""Channel pruning of five net shapes: what is removed, and what the .tflite then computes."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import tflm_ext
from benchmarks.compression.experiment import Experiment, Row
from tests.compress.channel_nets import NETS, multiplications, samples, with_random_weights

RATIOS = (0.0, 0.25, 0.5, 0.75)

ABOUT = """\
The networks of tests/compress/channel_nets.py, with random weights: nothing is learnt here, so
there is no accuracy. "left" is the percentage of prunable channels that 1 - ratio asks for, "kept"
the percentage that remained; every layer keeps a multiple of 4 channels, rounded up, so "kept" can
be slightly larger. "MACs of the layers" are counted from the sizes of the Keras layers, "MACs" by
tflm_ext in the .tflite. "inputs equal in C" were run in TensorFlow Lite Micro and in the C code,
and no byte of any tensor differed; export() stops if one does."""


def measure(seed: int) -> list[Row]:
    """Every net, whole and at every ratio."""
    rows = []
    for name, build in NETS.items():
        model = with_random_weights(build(), seed)
        for ratio in RATIOS:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The ratio is not reached")
                pruned, report = tflm_ext.prune_channels(model, ratio=ratio, report=True)
            with tempfile.TemporaryDirectory() as folder:
                result = tflm_ext.export(
                    pruned,
                    Path(folder, name),
                    calibration_data=samples(model, 100),
                    progress=False,
                )
                found = json.loads((result.folder / "report.json").read_text("utf-8"))
                (tflite,) = result.folder.glob("model/*.tflite")
                tflite_bytes = tflite.stat().st_size
            rows.append(
                Row(
                    f"{name}, {ratio:.0%}",
                    seed,
                    None,
                    None,
                    pruned.count_params(),
                    found["model"]["macs"],
                    found["flash"]["weight_bytes"],
                    tflite_bytes,
                    found["memory"]["context_bytes"],
                    {
                        "left, %": 100 * (1 - ratio),
                        "kept, %": 100 * (1 - report.removed_share),
                        "MACs of the layers": multiplications(pruned),
                        "inputs equal in C": found["verification"]["inputs"],
                    },
                )
            )
    return rows


EXPERIMENT = Experiment(
    "net_shapes", "Channel pruning of five net shapes", "accuracy", ABOUT, 1, measure
)
