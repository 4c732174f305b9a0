"""docs/how-to/own-firmware.md: its C compiles with projects of the repository, CMake builds it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.firmware.sample import sample_facts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.builds import build_files
from tflm_ext.runtimes.compiled import compiled_parts

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
            + "set(CONFIG_TFLM_EXT_DIGITS y)\n",
            ["tflm_ext_digits", "src/digits_model.c;src/digits_weights.c", "src"],
        ),
    ):
        script = tmp_path / f"{kind}.cmake"
        script.write_text(f"{functions}include({library / 'CMakeLists.txt'})\n", "utf-8")
        done = subprocess.run(["cmake", "-P", script], check=True, capture_output=True, text=True)
        assert re.findall(r"got (.*)", done.stdout + done.stderr) == wanted
    assert (library / "zephyr/module.yml").is_file() and (library / "idf_component.yml").is_file()


@pytest.mark.tool("cmake", "gcc", "make")
def test_two_libraries_in_a_project_of_cxx(tmp_path: Path) -> None:
    """In folders with blanks, below a project that has not enabled C."""
    lines = ["cmake_minimum_required(VERSION 3.13)", "project(firmware CXX)"]
    for library in LIBRARIES:
        shutil.copytree(library, tmp_path / "the models" / library.name)
        lines.append(f'add_subdirectory("the models/{library.name}")')
    lines += ["add_executable(firmware main.cpp)"]
    lines += ["target_link_libraries(firmware PRIVATE Digits Vibration)", ""]
    (tmp_path / "CMakeLists.txt").write_text("\n".join(lines), "utf-8")
    (tmp_path / "main.cpp").write_text(
        """
        #include <Digits.h>
        #include <Vibration.h>
        static digits_context_t digits;
        static vibration_context_t vibration;
        int main()
        {
            return digits_init(&digits) + digits_invoke(&digits) + vibration_init(&vibration) +
                   vibration_invoke(&vibration);
        }
        """,
        "utf-8",
    )
    for command in (["cmake", "-S", ".", "-B", "build"], ["cmake", "--build", "build"]):
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        assert "warning" not in (done.stdout + done.stderr).lower()
    subprocess.run([tmp_path / "build/firmware"], check=True)


@pytest.mark.parametrize("name", ["kernel", "sensor", "null", "on", "test", "all"])
def test_names_that_other_builds_use(name: str) -> None:
    """Zephyr has targets, options and modules of such names, YAML has such words."""
    facts = replace(sample_facts(), name=name, library=name.capitalize())
    parts = compiled_parts(facts)
    files = {
        file.path.split("/", 2)[2]: file.content.decode("ascii")
        for file in build_files(facts, [RenderedFile.text("a.c", "")], parts)
    }
    own = f"tflm_ext_{name}"
    assert f"\nname: {own}\n" in files["zephyr/module.yml"]
    assert f"\nconfig {own.upper()}\n" in files["zephyr/Kconfig"]
    assert f"zephyr_library_named({own})" in files["CMakeLists.txt"]
    assert f"if(CONFIG_{own.upper()})" in files["CMakeLists.txt"]
    assert f"add_library({name.capitalize()} STATIC" in files["CMakeLists.txt"]
