"""Source trees of TensorFlow Lite Micro, made of empty files, and their use in a project."""

from __future__ import annotations

import configparser
import io
import json
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.firmware.sample import sample_facts, sample_library
from tests.models import image_net
from tflm_ext.convert.int8_model import Int8Model
from tflm_ext.errors import ConfigError, StorageError, ToolError
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project import pio
from tflm_ext.project.arduino import arduino_files
from tflm_ext.project.link import link_sources
from tflm_ext.project.platformio_tree import platformio_files
from tflm_ext.project.readme import readme_files
from tflm_ext.runtimes import Compiled, Runtime, Tflm
from tflm_ext.runtimes.compiled import compiled_parts
from tflm_ext.runtimes.tflm.runtime import tflm_parts
from tflm_ext.runtimes.tflm.tree import (
    ARDUINO_ARCHIVE,
    ARDUINO_COMMIT,
    Flavour,
    TflmTree,
    find_tree,
    linked_tree,
    read_tree,
    tree_files,
)
from tflm_ext.stages import Options, analyse, describe
from tflm_ext.targets import board

BOARD = board("nano33ble_sense")
MACHINE = [*BOARD.machine_flags, *BOARD.common_flags]
HARDWARE = ROOT / "tests/arduino/hardware"
MICRO = "tensorflow/lite/micro"
DOWNLOADS = f"{MICRO}/tools/make/downloads"
COMMON = "tensorflow/lite/kernels/internal/common.h"
CXX17 = 'static_assert(std::is_integral_v<T>, "");\n'
ARDUINO = {"TensorFlowLite.h": "", f"{MICRO}/micro_interpreter.h": "", COMMON: ""}
UPSTREAM = {
    f"{MICRO}/micro_interpreter.h": "",
    COMMON: CXX17,
    f"{MICRO}/kernels/add.cc": "",
    f"{MICRO}/kernels/conv.cc": "",
    f"{MICRO}/kernels/cmsis_nn/conv.cc": "",
}
HEADERS = (
    "flatbuffers/include/flatbuffers/flatbuffers.h",
    "gemmlowp/fixedpoint/fixedpoint.h",
    "ruy/ruy/profiler/instrumentation.h",
)
CMSIS_NN = "cmsis_nn/Include/arm_nnfunctions.h"


def plant(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def arduino(folder: Path) -> Path:
    return plant(folder / "library", {f"src/{path}": text for path, text in ARDUINO.items()})


def upstream(folder: Path, place: str = DOWNLOADS, *others: str) -> Path:
    headers = {f"{place}/{path}": "" for path in (*HEADERS, *others)}
    return plant(folder / "upstream", UPSTREAM | headers)


def write(folder: Path, files: tuple[RenderedFile, ...]) -> Path:
    return plant(folder, {file.path: file.content.decode() for file in files})


# Contents of a folder


@pytest.mark.parametrize("inside", ["", "src"])
def test_the_arduino_library_is_known_by_its_files(tmp_path: Path, inside: str) -> None:
    plant(arduino(tmp_path), {f"src/third_party/{CMSIS_NN}": ""})
    tree = read_tree((tmp_path / "library").rename(tmp_path / "any name") / inside)
    assert (tree.root, tree.flavour) == (tmp_path / "any name/src", Flavour.ARDUINO)
    assert tree.standard == "gnu++14"
    assert tree.include_folders == ("",)
    assert tree.cmsis_nn
    assert tree.program_flags == (), "ARDUINO would make main.cpp ask for Arduino.h"
    assert "-DARDUINO=10819" in tree.library_flags


@pytest.mark.parametrize("place", [DOWNLOADS, "third_party"])
def test_a_current_tree_with_the_headers_of_others(tmp_path: Path, place: str) -> None:
    tree = read_tree(upstream(tmp_path, place))
    assert (tree.root, tree.flavour) == (tmp_path / "upstream", Flavour.UPSTREAM)
    assert tree.standard == "gnu++17"
    assert tree.include_folders == (
        "",
        f"{place}/flatbuffers/include",
        f"{place}/gemmlowp",
        f"{place}/ruy",
    )
    assert not tree.cmsis_nn, "its headers are not there"
    assert tree.program_flags == ("-DTF_LITE_STATIC_MEMORY", "-DTF_LITE_DISABLE_X86_NEON")
    assert not any("cmsis_nn" in entry for entry in tree.source_filter)


@pytest.mark.parametrize("place", [DOWNLOADS, "third_party"])
def test_a_current_tree_with_cmsis_nn(tmp_path: Path, place: str) -> None:
    tree = read_tree(upstream(tmp_path, place, CMSIS_NN))
    assert tree.cmsis_nn
    assert "-DCMSIS_NN" in tree.program_flags, "headers declare the int8 kernels by it"
    assert tree.include_folders[-2:] == (f"{place}/cmsis_nn", f"{place}/cmsis_nn/Include")
    where = tree.source_filter.index
    assert where(f"+<src/{MICRO}/kernels/*.c*>") < where(f"-<src/{MICRO}/kernels/conv.cc>")
    assert f"-<src/{MICRO}/kernels/add.cc>" not in tree.source_filter
    assert f"+<src/{place}/cmsis_nn/Source/**/*.c>" in tree.source_filter


def test_the_standard_follows_the_headers(tmp_path: Path) -> None:
    assert read_tree(plant(upstream(tmp_path), {COMMON: ""})).standard == "gnu++14"
    assert read_tree(plant(arduino(tmp_path), {f"src/{COMMON}": CXX17})).standard == "gnu++17"


def test_a_relative_folder_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arduino(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert read_tree("library").root == tmp_path / "library/src"


def test_a_folder_without_tflm(tmp_path: Path) -> None:
    hint = (
        "Pass a clone of https://github.com/tensorflow/tflite-micro-arduino-examples at commit "
        "7948b85, or of https://github.com/tensorflow/tflite-micro with its downloads."
    )
    (tmp_path / "tflite-micro").mkdir()
    for name, problem in (
        ("tflite-micro", f"{tmp_path}/tflite-micro does not contain TensorFlow Lite Micro."),
        ("none", f"The folder {tmp_path}/none does not exist."),
    ):
        with pytest.raises(ConfigError) as caught:
            read_tree(tmp_path / name)
        assert str(caught.value) == f"{problem}\n{hint}"


def test_a_current_tree_without_its_downloads(tmp_path: Path) -> None:
    root = upstream(tmp_path)
    (root / DOWNLOADS / HEADERS[1]).unlink()
    with pytest.raises(ConfigError) as caught:
        read_tree(root)
    assert str(caught.value) == (
        f"{root} lacks headers of gemmlowp.\n"
        "In that folder, run: make -f tensorflow/lite/micro/tools/make/Makefile "
        "OPTIMIZED_KERNEL_DIR=cmsis_nn third_party_downloads"
    )


def test_a_tree_that_is_not_whole(tmp_path: Path) -> None:
    root = upstream(tmp_path)
    (root / COMMON).unlink()
    with pytest.raises(ConfigError) as caught:
        read_tree(root)
    assert caught.value.problem == f"{root / COMMON} cannot be read."


# The link


def test_the_link_leads_to_the_tree_and_can_be_renewed(tmp_path: Path) -> None:
    project, first, second = tmp_path / "p", arduino(tmp_path), upstream(tmp_path)
    assert linked_tree(project) is None
    link_sources(project, read_tree(first).root)
    link_sources(project, read_tree(first).root)
    assert linked_tree(project) == first / "src"
    link_sources(project, read_tree(second).root)
    assert linked_tree(project) == second
    assert [path.name for path in (project / "lib/tflm").iterdir()] == ["src"]
    second.rename(tmp_path / "elsewhere")
    assert linked_tree(project) is None


def test_without_a_tree_the_link_goes(tmp_path: Path) -> None:
    project, tree = tmp_path / "p", read_tree(arduino(tmp_path))
    link_sources(project, None)
    assert not project.exists()
    link_sources(project, tree.root)
    link_sources(project, None)
    assert not (project / "lib/tflm").exists()
    link_sources(project, tree.root)
    (project / "lib/tflm/mine.txt").write_text("")
    link_sources(project, None)
    assert [path.name for path in (project / "lib/tflm").iterdir()] == ["mine.txt"]
    assert (tree.root / "TensorFlowLite.h").is_file()


def test_a_copy_that_the_user_made_stays(tmp_path: Path) -> None:
    project = tmp_path / "p"
    copy = plant(project / "lib/tflm/src", ARDUINO)
    link_sources(project, read_tree(upstream(tmp_path)).root)
    link_sources(project, None)
    assert not copy.is_symlink()
    assert linked_tree(project) == copy


def test_a_link_that_cannot_be_made(tmp_path: Path) -> None:
    project = plant(tmp_path / "p", {"lib/tflm": "a file"})
    with pytest.raises(StorageError) as caught:
        link_sources(project, read_tree(arduino(tmp_path)).root)
    assert caught.value.problem.startswith(f"{project}/lib/tflm/src cannot be made a link to ")


def test_a_tree_is_named_by_the_caller_the_environment_or_an_earlier_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TFLM_EXT_TFLM_SOURCE", raising=False)
    project, first, second = tmp_path / "p", arduino(tmp_path), upstream(tmp_path)
    assert find_tree() is None
    assert find_tree(project=project) is None
    link_sources(project, read_tree(first).root)
    assert find_tree(project=project) == read_tree(first)
    monkeypatch.setenv("TFLM_EXT_TFLM_SOURCE", str(second))
    assert find_tree(project=project) == find_tree() == read_tree(second)
    assert find_tree(first, project) == read_tree(first)
    monkeypatch.setenv("TFLM_EXT_TFLM_SOURCE", str(tmp_path / "none"))
    with pytest.raises(ConfigError):
        find_tree(project=project)


# Files


@pytest.fixture(params=["none", "arduino", "upstream", "upstream_cmsis_nn"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> TflmTree | None:
    folders: dict[str, Callable[[], Path]] = {
        "arduino": lambda: arduino(tmp_path),
        "upstream": lambda: upstream(tmp_path),
        "upstream_cmsis_nn": lambda: upstream(tmp_path, DOWNLOADS, CMSIS_NN),
    }
    return read_tree(folders[request.param]()) if request.param in folders else None


def test_what_is_written_is_as_committed(
    tree: TflmTree | None,
    facts: ModelFacts,
    golden: Callable[[str, Mapping[str, bytes]], None],
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    files = {file.path: file.content for file in tree_files(tree)}
    files.pop("lib/tflm/debug_log.cpp", None)  # a copy
    ini, *_ = platformio_files(facts, BOARD, tflm_parts(facts, tree))
    files[ini.path] = ini.content
    assert all(str(tmp_path).encode() not in content for content in files.values())
    golden(f"tflm_library/{request.node.callspec.params['tree']}", files)


def test_the_board_never_sees_the_tree(tree: TflmTree | None, facts: ModelFacts) -> None:
    file, ignored, *_ = platformio_files(facts, BOARD, tflm_parts(facts, tree))
    ini = configparser.RawConfigParser()
    ini.read_string(file.content.decode())
    own = dict(ini["env:nano33ble"])
    assert own["lib_ignore"] == "tflm"
    assert own["lib_deps"].endswith(f"tflite-micro-arduino-examples.git#{ARDUINO_COMMIT}")
    assert "extra_scripts" not in own
    assert "build_flags" not in own
    for name in ("env:native", "env:cortex_m4"):
        assert "lib_deps" not in ini[name], "the registry would be asked for its dependencies"
    assert "lib/tflm/src" in ignored.content.decode().splitlines()


def test_flags_that_change_layouts_are_the_whole_programs(
    tree: TflmTree | None, facts: ModelFacts
) -> None:
    files = {f.path: f.content.decode() for f in tree_files(tree)}
    library = files.get("lib/tflm/library.json", "")
    assert "TF_LITE_STATIC_MEMORY" not in library
    assert "CMSIS_NN" not in library


def test_the_runtime_compiled_knows_nothing_of_it(facts: ModelFacts) -> None:
    for file in platformio_files(facts, BOARD, compiled_parts(facts)):
        assert b"tflm/" not in file.content
        assert b"lib_deps" not in file.content


def test_srcdir_is_inside_the_project(tmp_path: Path) -> None:
    files = {f.path: f.content for f in tree_files(read_tree(arduino(tmp_path)))}
    build = json.loads(files["lib/tflm/library.json"])["build"]
    assert (build["srcDir"], build["includeDir"]) == (".", "src")
    assert "+<debug_log.cpp>" in build["srcFilter"]
    assert "lib/tflm/debug_log.cpp" in files


# Builds without a tree


@pytest.fixture
def without(
    make_project: Callable[[Path], Path], facts: ModelFacts, tmp_path: Path, offline: Path
) -> Path:
    """The sample project, with a platformio.ini of runtime tflm, and without sources."""
    project = make_project(tmp_path / "sample")
    ini, *_ = platformio_files(facts, BOARD, tflm_parts(facts, None))
    return write(project, (ini, *tree_files(None)))


GET = (
    "clone https://github.com/tensorflow/tflite-micro-arduino-examples and check out "
    f"{ARDUINO_COMMIT}"
)


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
@pytest.mark.parametrize("environment", ["native", "cortex_m4"])
def test_a_build_without_a_source_says_what_is_missing(environment: str, without: Path) -> None:
    for verb, call in (("run", pio.run), ("test", pio.test)):
        with pytest.raises(ToolError) as caught:
            call(without, environment)
        assert caught.value.problem == (
            f"pio {verb} -e {environment} failed: error: no TensorFlow Lite Micro: this project "
            f"was exported without a source of it; {GET}, then export it again with "
            "TFLM_EXT_TFLM_SOURCE=<its folder>"
        )


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++")
def test_a_build_whose_link_leads_nowhere_says_so(without: Path, tmp_path: Path) -> None:
    tree = read_tree(arduino(tmp_path))
    write(without, tree_files(tree))
    with pytest.raises(ToolError) as caught:
        pio.run(without)
    assert caught.value.problem.endswith(
        f"lib/tflm/src is a broken link; {GET}, then link lib/tflm/src to its folder src"
    )


FAKE = {
    "TensorFlowLite.h": "",
    COMMON: "",
    f"{MICRO}/micro_interpreter.h": "inline int unused(int x) { return 0; }\n#define ANSWER 1\n",
    f"{MICRO}/micro_string.h": "",
    f"{MICRO}/debug_log.h": 'extern "C" void DebugLog(const char *text);\n',
    f"{MICRO}/answer.cpp": """\
#ifndef ARDUINO
#error "not as the Arduino library"
#endif
#ifdef __EXCEPTIONS
#error "placement new needs a private delete"
#endif
#if defined(UNIT_TEST) || defined(PIO_UNIT_TESTING)
#error "compiled again for the tests"
#endif
int answer(int unused) { return 1; }
""",
    f"{MICRO}/all_ops_resolver.cpp": "#error\n",
    f"{MICRO}/system_setup.cpp": "#error\n",
    "peripherals/led.cpp": "#error\n",
}
MODEL = """\
#include "Sample.h"
#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#ifndef ARDUINO
#error "not as the Arduino library"
#endif
int answer(int unused);
int answer_of_model(void)
{
    DebugLog("asked\\n");
    return answer(0) == ANSWER;
}
"""


@pytest.mark.slow
@pytest.mark.tool("gcc", "g++", "arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm")
@pytest.mark.parametrize("environment", ["native", "cortex_m4"])
def test_a_tree_is_built_by_its_filter_and_flags(
    environment: str, without: Path, facts: ModelFacts, tmp_path: Path
) -> None:
    """A tree of a few lines, in place of the Arduino library."""
    tree = read_tree(plant(tmp_path / "a (b)/tflm", FAKE))
    ini, *_ = platformio_files(facts, BOARD, tflm_parts(facts, tree))
    write(without, (ini, *tree_files(tree)))
    link_sources(without, tree.root)
    plant(without / "lib/Sample/src", {"other_model.cpp": MODEL})
    main = (without / "src/main.cpp").read_text()
    main = main.replace("return 3;", "return answer_of_model() == 1 ? 3 : 4;")
    plant(without, {"src/main.cpp": f"int answer_of_model(void);\n{main}"})
    program = pio.run(without, environment).program
    objects = {path: path.stat().st_mtime_ns for path in without.glob(".pio/**/answer*.o")}
    assert len(objects) == 1
    if environment == "native":
        done = subprocess.run([program], input=b"", capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (3, b"asked\n")
    assert pio.test(without, environment).passed == 6
    assert objects == {path: path.stat().st_mtime_ns for path in without.glob(".pio/**/answer*.o")}


# The Arduino library of the model


def test_the_library_of_the_model_names_where_tflm_is() -> None:
    facts = sample_facts()
    files = {
        f.path: f.content
        for f in arduino_files(facts, sample_library(facts), tflm_parts(facts, None))
    }
    with zipfile.ZipFile(io.BytesIO(files["arduino/Digits.zip"])) as archive:
        properties = archive.read("Digits/library.properties").decode()
        readme = archive.read("Digits/README.md").decode()
        sketch = archive.read("Digits/examples/Digits/Digits.ino").decode()
    assert "depends=" not in properties, "the Library Manager does not have it"
    assert all(ARDUINO_ARCHIVE in text for text in (properties, readme, sketch))
    assert ARDUINO_ARCHIVE.endswith(f"{ARDUINO_COMMIT}.zip")
    error, include = sketch.index("#error"), sketch.index("#include <TensorFlowLite.h>")
    assert error < include, "the IDE finds the library by the include, after the #error"
    assert "no other library" not in readme
    assert "plain C99" not in readme


@pytest.mark.tool("g++")
@pytest.mark.parametrize("installed", [False, True])
def test_the_sketch_says_what_is_missing(tmp_path: Path, installed: bool) -> None:
    facts = sample_facts(labels=())
    folder = write(
        tmp_path, arduino_files(facts, sample_library(facts), tflm_parts(facts, None))[:-1]
    )  # without the .zip
    plant(tmp_path / "core", {"Arduino.h": STUB})
    if installed:
        plant(tmp_path / "core", ARDUINO)
    sketch = folder / "lib/Digits/examples/Digits/Digits.ino"
    command = ["g++", "-std=gnu++14", "-fsyntax-only", "-x", "c++", "-include", "Arduino.h"]
    done = subprocess.run(
        [*command, "-I", tmp_path / "core", "-I", folder / "lib/Digits/src", sketch],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == installed, done.stderr
    assert (f'#error "Add the .ZIP library {ARDUINO_ARCHIVE}"' in done.stderr) != installed


STUB = """\
unsigned long micros(void);
void delay(unsigned long);
struct Port {
    void begin(unsigned long);
    void print(const char *);
    void print(unsigned long);
    void print(double, int);
    void println(const char *);
};
extern Port Serial;
"""


@pytest.mark.slow
@pytest.mark.tool("arduino-builder", "arduino-ctags", "arm-none-eabi-gcc")
@pytest.mark.parametrize("installed", [False, True])
def test_arduinos_builder_finds_the_library(tmp_path: Path, installed: bool) -> None:
    """The sketch's include finds it, in spite of the #error above it."""
    facts = sample_facts(labels=())
    model = RenderedFile.text("digits_other.cpp", MODEL.replace("Sample.h", "Digits.h"))
    sources = (*sample_library(facts), model)
    *_, zipped = arduino_files(facts, sources, tflm_parts(facts, None))
    libraries = tmp_path / "libraries"
    with zipfile.ZipFile(io.BytesIO(zipped.content)) as archive:
        archive.extractall(libraries)
    if installed:
        tflm = {path: text for path, text in FAKE.items() if "#error\n" not in text}
        tflm["log.cpp"] = 'extern "C" void DebugLog(const char *) {}\n'
        plant(libraries / "tflm", {f"src/{path}": text for path, text in tflm.items()})
        plant(libraries / "tflm", {"library.properties": PROPERTIES})
    (tmp_path / "build").mkdir()
    done = subprocess.run(
        [
            "arduino-builder",
            "-compile",
            *("-hardware", "/usr/share/arduino-builder", "-hardware", str(HARDWARE)),
            *("-tools", "/usr/bin", "-libraries", str(libraries)),
            *("-fqbn", "tflm_ext:emulated:m4", "-build-path", str(tmp_path / "build")),
            *("-prefs", f"compiler.c.flags={' '.join(MACHINE + list(BOARD.c_flags))}"),
            *("-prefs", f"compiler.cpp.flags={' '.join(MACHINE + list(BOARD.cxx_flags))}"),
            str(libraries / "Digits/examples/Digits/Digits.ino"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if installed:
        assert done.returncode == 0, done.stderr
        assert list((tmp_path / "build").rglob("answer.cpp.o"))
    else:
        assert done.returncode != 0
        assert f'#error "Add the .ZIP library {ARDUINO_ARCHIVE}"' in done.stderr


PROPERTIES = """\
name=Arduino_TensorFlowLite
version=2.4.0-ALPHA
author=a
maintainer=a
sentence=s
paragraph=p
category=Data Processing
url=https://example.org
architectures=*
includes=TensorFlowLite.h
precompiled=full
"""


# The README of the project


@pytest.mark.parametrize("runtime", [Compiled(), Tflm()])
def test_the_readme_says_who_runs_the_model(runtime: Runtime) -> None:
    int8 = Int8Model(image_net(), "0" * 64)
    options = Options(name="net", board=BOARD, runtime=runtime)
    analysis = analyse(int8, options)
    parts = analysis.on_device.parts(analysis.facts)
    (file,) = readme_files(describe(analysis, options), BOARD, parts)
    text = file.content.decode()
    interpreter = runtime.name == "tflm"
    for words in (ARDUINO_ARCHIVE, ARDUINO_COMMIT, "`lib/tflm/src`", "TFLM_EXT_TFLM_SOURCE"):
        assert (words in text) == interpreter, words
    for words in ("plain C code returns the same bytes", "(estimated,"):
        assert (words in text) != interpreter, words
