"""A small project around a hand-written library: the model adds 1 to every byte of its input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.facts import int8_port
from tflm_ext.ir.facts import GoldenVector, ModelFacts
from tflm_ext.project import pio, registry
from tflm_ext.project.platformio_tree import platformio_files
from tflm_ext.runtimes.compiled import compiled_parts
from tflm_ext.targets import board

SIZE = 6

HEADER = """\
#ifndef SAMPLE_H
#define SAMPLE_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct sample_context {
    uint32_t initialized;
    int8_t input[6];
    int8_t output[6];
} sample_context_t;
typedef enum {
    SAMPLE_OK = 0,
    SAMPLE_ERROR_NULL = -1,
    SAMPLE_ERROR_NOT_INITIALIZED = -2
} sample_status_t;
sample_status_t sample_init(sample_context_t *ctx);
sample_status_t sample_reset(sample_context_t *ctx);
int8_t *sample_input(sample_context_t *ctx, size_t index);
const int8_t *sample_output(const sample_context_t *ctx, size_t index);
sample_status_t sample_invoke(sample_context_t *ctx);
#ifdef __cplusplus
}
#endif
#endif
"""

SOURCE = """\
#include "Sample.h"

sample_status_t sample_init(sample_context_t *ctx)
{
    if (ctx == NULL) {
        return SAMPLE_ERROR_NULL;
    }
    ctx->initialized = 0x600DF00Du;
    return SAMPLE_OK;
}

sample_status_t sample_reset(sample_context_t *ctx)
{
    return ctx == NULL ? SAMPLE_ERROR_NULL : SAMPLE_OK;
}

int8_t *sample_input(sample_context_t *ctx, size_t index)
{
    return ctx == NULL || index != 0u ? NULL : ctx->input;
}

const int8_t *sample_output(const sample_context_t *ctx, size_t index)
{
    return ctx == NULL || index != 0u ? NULL : ctx->output;
}

sample_status_t sample_invoke(sample_context_t *ctx)
{
    if (ctx == NULL) {
        return SAMPLE_ERROR_NULL;
    }
    if (ctx->initialized != 0x600DF00Du) {
        return SAMPLE_ERROR_NOT_INITIALIZED;
    }
    for (size_t i = 0; i < sizeof ctx->input; ++i) {
        ctx->output[i] = (int8_t)(uint8_t)((uint8_t)ctx->input[i] + 1u);
    }
    return SAMPLE_OK;
}
"""

# Echoes its standard input in upper case, and returns 3: shows that input, end of input, output and
# the exit status reach the host, and that constructors were run.
MAIN = """\
#include <cstdio>
#include <Sample.h>

struct Greeting {
    const char *text;
    Greeting() : text("ready") {}
};

static Greeting greeting;
static sample_context_t context;

int main(void)
{
    int letter;
    std::printf("%s %d\\n", greeting.text, (int)sample_init(&context));
    while ((letter = std::getchar()) != EOF) {
        (void)std::putchar(letter >= 'a' && letter <= 'z' ? letter - 32 : letter);
    }
    return 3;
}
"""


@pytest.fixture
def facts() -> ModelFacts:
    port = int8_port("x", (1, SIZE), 0.5, 0)
    inputs = (bytes(range(SIZE)), bytes([127, 128, 255, 0, 1, 2]))
    return ModelFacts(
        name="sample",
        library="Sample",
        sha256="0" * 64,
        inputs=(port,),
        outputs=(port,),
        weight_bytes=0,
        arena_bytes=2 * SIZE,
        macs=0,
        version="0.1.0",
        command="tflm-ext export sample.tflite -o sample",
        golden=tuple(
            GoldenVector((data,), (bytes((byte + 1) % 256 for byte in data),)) for data in inputs
        ),
    )


@pytest.fixture
def make_project(facts: ModelFacts) -> Callable[[Path], Path]:
    """Writes the sample project into a folder."""

    def make(folder: Path) -> Path:
        files = {
            "lib/Sample/library.json": b'{"name": "Sample", "version": "0.1.0"}\n',
            "lib/Sample/src/Sample.h": HEADER.encode(),
            "lib/Sample/src/sample_model.c": SOURCE.encode(),
            "src/main.cpp": MAIN.encode(),
        }
        files |= {
            f.path: f.content
            for f in platformio_files(facts, board("nano33ble_sense"), compiled_parts(facts))
        }
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return folder

    return make


@pytest.fixture
def project(make_project: Callable[[Path], Path], tmp_path: Path) -> Path:
    return make_project(tmp_path / "sample")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home, and a registry that cannot be reached; returns the home."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CACHE_HOME", "PLATFORMIO_CORE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(registry, "registry_reachable", lambda: False)
    monkeypatch.setattr(pio, "registry_reachable", lambda: False)
    registry.core_dir.cache_clear()
    yield home
    registry.core_dir.cache_clear()
