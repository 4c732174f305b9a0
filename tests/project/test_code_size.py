"""Measured code, on a model that is small enough to count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tflm_ext.errors import ToolError
from tflm_ext.project.code_size import measure_code

HEADER = """
#include <stddef.h>
#include <stdint.h>
typedef struct { int8_t bytes[8]; } tiny_context_t;
int tiny_init(tiny_context_t *ctx);
int tiny_reset(tiny_context_t *ctx);
int tiny_invoke(tiny_context_t *ctx);
int8_t *tiny_input(tiny_context_t *ctx, size_t index);
const int8_t *tiny_output(const tiny_context_t *ctx, size_t index);
int32_t tiny_unused(int32_t x);
"""
SOURCE = """
#include "tiny_model.h"
extern const int8_t tiny_weights[];
int tiny_init(tiny_context_t *ctx) { ctx->bytes[0] = 0; return 0; }
int tiny_reset(tiny_context_t *ctx) { ctx->bytes[0] = 0; return 0; }
int8_t *tiny_input(tiny_context_t *ctx, size_t index) { return &ctx->bytes[index]; }
const int8_t *tiny_output(const tiny_context_t *ctx, size_t index) { return &ctx->bytes[index]; }
int32_t tiny_unused(int32_t x) { return x * x / 3 + x / 7; }
int tiny_invoke(tiny_context_t *ctx) { ctx->bytes[1] = tiny_weights[ctx->bytes[0]]; %s return 0; }
"""


def project(folder: Path, weight_bytes: int, more: str = "") -> Path:
    sources = folder / "lib" / "Tiny" / "src"
    sources.mkdir(parents=True)
    (sources / "tiny_model.h").write_text(HEADER)
    (sources / "tiny_model.c").write_text(SOURCE % more)
    (sources / "tiny_weights.c").write_text(
        f"#include <stdint.h>\nextern const int8_t tiny_weights[{weight_bytes}];\n"
        f"const int8_t tiny_weights[{weight_bytes}] = {{ 1 }};\n"
    )
    report = {
        "flash": {"weight_bytes": weight_bytes},
        "model": {"name": "tiny"},
        "options": {"board": "nano33ble_sense"},
    }
    (folder / "report.json").write_text(json.dumps(report))
    return folder


@pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-size")
def test_code_is_what_is_linked_without_the_weights(tmp_path: Path) -> None:
    small = measure_code(project(tmp_path / "a", 64))
    large = measure_code(project(tmp_path / "b", 64_000))
    more = measure_code(project(tmp_path / "c", 64, "ctx->bytes[2] = (int8_t)(ctx->bytes[3] / 3);"))
    assert 40 < small < 120
    assert large == small
    assert small < more < small + 40


@pytest.mark.tool("arm-none-eabi-gcc")
def test_a_source_that_does_not_compile_is_a_tool_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="arm-none-eabi-gcc failed on the code") as error:
        measure_code(project(tmp_path / "a", 64, "#error broken"))
    assert error.value.command[0] == "arm-none-eabi-gcc"
    assert "tiny_model.c" in error.value.output


def test_a_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError) as error:
        measure_code(tmp_path)
    assert str(error.value) == (
        "arm-none-eabi-gcc was not found.\nInstall it: make system-packages"
    )
