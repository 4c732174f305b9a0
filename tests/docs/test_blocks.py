"""The Python that README and the how-to pages show runs as it is.

Shortened: on a small net and 160 samples, 3 epochs where there are 10 or more, and a recipe of a
few; export() only checks how it is called, since the tutorials run it.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import tflm_ext
from tests.conftest import ROOT
from tests.encoding.test_encode import dense_net

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md")))
    if BLOCK.search(page.read_text("utf-8"))
]
QUICK = {"round_epochs": 1, "fine_tune_epochs": 1, "quantize_epochs": 0}


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the pages take for granted: data, a trained model, and nets to distil.

    The nets tell which quarter of an image is bright.
    """
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 240)
    bright = np.eye(4).reshape(4, 2, 2)[y].repeat(4, axis=1).repeat(4, axis=2)
    x = (bright[..., np.newaxis] / 2 + rng.uniform(0, 0.5, (240, 8, 8, 1))).astype(np.float32)
    parts = {"train": slice(160), "val": slice(160, 200), "test": slice(200, 240)}
    data = {f"{k}_{part}": v[s] for part, s in parts.items() for k, v in (("x", x), ("y", y))}

    def net(width: int, head: str | None) -> Any:
        layers = keras.layers
        made = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, name="conv"),
                layers.BatchNormalization(momentum=0.8),
                layers.ReLU(),
                layers.Conv2D(width, 3, padding="same", activation="relu", name="features"),
                layers.Flatten(),
                layers.Dense(2 * width, activation="relu", name="hidden"),
                layers.Dense(4, activation=head),
            ]
        )
        logits = keras.losses.SparseCategoricalCrossentropy(from_logits=head is None)
        made.compile(keras.optimizers.Adam(1e-2), logits, metrics=["accuracy"])
        made.fit(data["x_train"], data["y_train"], epochs=10, verbose=0)
        assert made.evaluate(data["x_val"], data["y_val"], verbose=0)[1] > 0.9
        return made

    return {
        "keras": keras,
        "np": np,
        "tflm_ext": tflm_ext,
        "new_model": lambda: net(16, "softmax"),
        "teacher": net(16, None),
        "student": net(8, None),
        **data,
    }


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(
    page: Path, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sparse.tflite").write_bytes(dense_net(64, 64, 48, 4))
    export = mock.create_autospec(tflm_ext.export)
    export.return_value = mock.create_autospec(tflm_ext.ExportResult, instance=True)
    monkeypatch.setattr(tflm_ext, "export", export)
    for preset in ("fast", "balanced", "smallest"):
        quick = tflm_ext.Recipe(ratio=0.5, **QUICK)
        monkeypatch.setattr(tflm_ext.Recipe, preset, staticmethod(lambda quick=quick: quick))
    namespace = {**names, "model": names["new_model"](), "x": names["x_train"]}
    for text in BLOCK.findall(page.read_text("utf-8")):
        short = re.sub(r"\bepochs=\d\d", "epochs=3", text)
        exec(compile(short, str(page), "exec"), namespace)
    assert "compress" not in page.stem or export.called
    for call in export.call_args_list:
        inspect.signature(tflm_ext.export).bind(*call.args, **call.kwargs)
