"""docs/how-to/own-firmware.md: its C compiles with projects of the repository, CMake builds it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs/how-to/own-firmware.md").read_text("utf-8")
PROJECTS = ROOT / "platformio_projects"
BLOCKS = re.findall(r"^```c\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wundef", "-Werror", "-O2"]
LIBRARIES = [PROJECTS / "digits/lib/Digits", PROJECTS / "vibration/lib/Vibration"]


def test_there_is_c_on_the_page() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.tool("gcc")
@pytest.mark.parametrize("number", range(4))
def test_a_block_compiles(number: int, tmp_path: Path) -> None:
    code = BLOCKS[number]
    if "static digits_context_t context __attribute__" in code:
        code += (
            "digits_context_t *place(void);\ndigits_context_t *place(void) { return &context; }\n"
        )
    # A program of one file may leave out prototypes.
    (tmp_path / "block.c").write_text(code, "utf-8")
    includes = [f"-I{library / 'src'}" for library in LIBRARIES]
    command = ["gcc", "-std=c99", *FLAGS, *includes, "-c", "block.c"]
    subprocess.run(command, cwd=tmp_path, check=True)


MAIN = """
#include "digits_model.h"
#include <stdio.h>
static digits_context_t context;
static int fed;
void feed_the_watchdog(void) { ++fed; }
int main(void)
{
    (void)digits_init(&context);
    (void)digits_invoke(&context);
    printf("%d %d %s", (int)digits_classify(&context, 0.0f) >= 0, fed, DIGITS_MODEL_VERSION);
    return 0;
}
"""


def built(folder: Path, *options: str, main: str = MAIN) -> str:
    """What the program of the page's CMakeLists.txt prints."""
    (lists,) = re.findall(r"^```cmake\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (folder / "CMakeLists.txt").write_text(lists, "utf-8")
    (folder / "main.c").write_text(main, "utf-8")
    shutil.copytree(LIBRARIES[0], folder / "lib/Digits")
    command = ["cmake", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=Release", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    done = subprocess.run(
        ["cmake", "--build", "build"], cwd=folder, check=True, capture_output=True, text=True
    )
    assert "warning" not in done.stdout + done.stderr
    return subprocess.run(
        [folder / "build/firmware"], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.tool("cmake", "gcc", "make")
def test_cmake_builds_a_program(tmp_path: Path) -> None:
    strict = "-DCMAKE_C_FLAGS=-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror"
    assert built(tmp_path, strict) == "1 0 0.0.0"


@pytest.mark.tool("cmake", "gcc", "make")
def test_weights_in_a_section_and_a_watchdog(tmp_path: Path) -> None:
    """Both are set with flags of the compiler, as the page says."""
    (flag,) = re.findall(r"^(-DDIGITS_WEIGHTS_ATTRIBUTE=.*)$", PAGE, re.MULTILINE)
    watchdog = next(block for block in BLOCKS if "digits_trace" in block)
    watchdog = watchdog.replace("void feed_the_watchdog(void);", "")
    main = MAIN.replace("int main", watchdog.partition("\n")[2] + "int main")
    said = built(tmp_path, f"-DCMAKE_C_FLAGS=-DDIGITS_TRACE {flag}", main=main)
    count = int(said.split()[1])
    assert count > 3, "once for each tensor that an operator wrote"
    sections = subprocess.run(
        ["objdump", "-h", tmp_path / "build/firmware"], check=True, capture_output=True, text=True
    ).stdout
    size = re.search(r"\.external_flash +([0-9a-f]+)", sections)
    assert size is not None and int(size[1], 16) > 10_000


@pytest.mark.tool("cmake")
def test_esp_idf_and_zephyr_get_what_they_ask_for(tmp_path: Path) -> None:
    """Their functions, as stand-ins, are called with all sources; nothing else is defined."""
    library = LIBRARIES[0]
    for kind, functions, wanted in (
        (
            "idf",
            'function(idf_component_register)\n  message(STATUS "got ${ARGN}")\nendfunction()\n',
            ["SRCS src/digits_model.c src/digits_weights.c INCLUDE_DIRS src".replace(" ", ";")],
        ),
        (
            "zephyr",
            "".join(
                f'function({name})\n  message(STATUS "got ${{ARGN}}")\nendfunction()\n'
                for name in (
                    "zephyr_library_named",
                    "zephyr_library_sources",
                    "zephyr_include_directories",
                )
            )
            + "set(CONFIG_DIGITS y)\n",
            ["digits", "src/digits_model.c;src/digits_weights.c", "src"],
        ),
    ):
        script = tmp_path / f"{kind}.cmake"
        script.write_text(f"{functions}include({library / 'CMakeLists.txt'})\n", "utf-8")
        done = subprocess.run(["cmake", "-P", script], check=True, capture_output=True, text=True)
        assert re.findall(r"got (.*)", done.stdout + done.stderr) == wanted
    assert (library / "zephyr/module.yml").is_file() and (library / "idf_component.yml").is_file()
