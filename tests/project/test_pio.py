"""Real runs of pio on the sample project, on this computer and on the emulated core."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tflm_ext.errors import BudgetError, ConfigError, ToolError, VerificationError
from tflm_ext.project import pio, registry
from tflm_ext.project.platformio_tree import qemu_arguments
from tflm_ext.targets import Board, board, boards, default_board

pytestmark = [pytest.mark.usefixtures("offline")]

native = [pytest.mark.slow, pytest.mark.tool("gcc", "g++")]
emulated = [
    pytest.mark.slow,
    pytest.mark.tool("arm-none-eabi-gcc", "arm-none-eabi-g++", "qemu-system-arm"),
]
both = pytest.mark.parametrize(
    "environment",
    [pytest.param("native", marks=native), pytest.param("cortex_m4", marks=emulated)],
)
on_native = pytest.mark.parametrize("environment", [pytest.param("native", marks=native)])
on_cortex_m4 = pytest.mark.parametrize("environment", [pytest.param("cortex_m4", marks=emulated)])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def model(project: Path) -> Path:
    return project / "lib/Sample/src/sample_model.c"


@both
def test_build_and_test(environment: str, project: Path, offline: Path) -> None:
    built = pio.run(project, environment)
    assert built.program.is_file()
    assert (built.flash_bytes is None) == (environment == "native")
    tested = pio.test(project, environment)
    assert (tested.passed, tested.failed) == (6, 0)
    assert [case.name for case in tested.cases] == [
        "test_null_context",
        "test_not_initialized",
        "test_bad_index",
        "test_golden_vectors",
        "test_repeated_invoke",
        "test_init_again",
    ]
    assert not (offline / ".platformio").exists()


@both
def test_a_flipped_bit_of_a_golden_vector_fails(environment: str, project: Path) -> None:
    table = project / "test/test_model/golden_vectors.c"
    edit(table, "    -128, -127, 0, 1, 2, 3,\n", "    -128, -127, 1, 1, 2, 3,\n")
    with pytest.raises(VerificationError) as caught:
        pio.test(project, environment)
    error = caught.value
    assert (error.index, error.expected, error.got) == (2, 1, 0)
    assert error.problem == (
        f"2 of 6 tests failed in {environment}; test_golden_vectors: "
        "Element 2 Expected 1 Was 0. golden vector 1, output 0"
    )
    assert "verify" in error.hint


@on_native
@pytest.mark.parametrize(
    ("statement", "report"),
    [
        ("volatile int top = 2147483647; top = top + 1;", "runtime error: signed integer overflow"),
        ("((volatile int8_t *)ctx)[sizeof *ctx] = 1;", "AddressSanitizer: global-buffer-overflow"),
    ],
)
def test_a_sanitizer_report_is_a_failed_verification(
    statement: str, report: str, environment: str, project: Path
) -> None:
    edit(model(project), "    ctx->initialized = ", f"    {statement}\n    ctx->initialized = ")
    with pytest.raises(VerificationError) as caught:
        pio.test(project, environment)
    assert caught.value.problem.startswith("The tests of native were stopped: ")
    assert report in caught.value.problem


@on_cortex_m4
@pytest.mark.parametrize(
    "statement",
    [
        "*(volatile int *)NULL = 1;",
        "volatile char large[20000]; large[0] = 1;",
        '__asm__ volatile("udf #0");',
    ],
    ids=["null", "stack overflow", "bad instruction"],
)
def test_a_fault_of_the_core_is_a_failed_verification(
    statement: str, environment: str, project: Path
) -> None:
    edit(model(project), "    ctx->initialized = ", f"    {statement}\n    ctx->initialized = ")
    with pytest.raises(VerificationError) as caught:
        pio.test(project, environment)
    assert caught.value.problem == (
        "The tests of cortex_m4 were stopped: core fault: "
        "the program left its memory or met a bad instruction"
    )


@both
def test_a_compiler_error_is_a_tool_error(environment: str, project: Path) -> None:
    edit(model(project), "return SAMPLE_OK;", "return SAMPLE_FINE;")
    for command in (pio.run, pio.test):
        with pytest.raises(ToolError) as caught:
            command(project, environment)
        assert "SAMPLE_FINE" in caught.value.problem
        assert caught.value.command[0] == "pio"
        assert 0 < len(caught.value.output.splitlines()) <= 20


@on_cortex_m4
@pytest.mark.parametrize(
    ("region", "declaration", "size"),
    [
        ("RAM", "volatile char large[262144];", 262_144 - 196_608),
        ("FLASH", "extern const char large[];\nconst char large[983040] = {1};", 983_040 - 884_736),
    ],
)
def test_what_does_not_fit_says_by_how_much(
    region: str, declaration: str, size: int, environment: str, project: Path
) -> None:
    main = project / "src/main.cpp"
    edit(main, "int main(void)\n{", f"{declaration}\n\nint main(void)\n{{\n    (void)large[1];")
    if region == "FLASH":
        edit(main, "return 3;", "return large[context.initialized % 983040u];")
    with pytest.raises(BudgetError) as caught:
        pio.run(project, environment)
    start = f"The program of cortex_m4 does not fit: it exceeds {region} by "
    assert caught.value.problem.startswith(start)
    # The rest of the firmware needs some memory, too.
    too_many = caught.value.problem.removeprefix(start).split()[0].replace(",", "")
    assert size < int(too_many) < size + 20_000


@on_cortex_m4
def test_the_emulated_core_speaks_with_the_host(environment: str, project: Path) -> None:
    program = pio.run(project, environment).program
    done = subprocess.run(
        ["qemu-system-arm", *qemu_arguments(default_board().core), "-kernel", program],
        input=b"hello\nworld",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == b"ready 0\nHELLO\nWORLD"
    assert done.returncode == 3


@on_native
def test_tests_that_do_not_end_are_stopped(environment: str, project: Path) -> None:
    pio.test(project, environment)
    edit(
        model(project),
        "    ctx->initialized = ",
        "    while (ctx != NULL) {\n    }\n    ctx->initialized = ",
    )
    started = time.monotonic()
    with pytest.raises(ToolError, match="did not finish within 6 s"):
        pio.test(project, environment, timeout_seconds=6)
    assert time.monotonic() - started < 10


@on_cortex_m4
def test_a_deleted_or_emptied_neighbour_does_not_disturb(
    environment: str, make_project: Callable[[Path], Path], tmp_path: Path
) -> None:
    first, second = make_project(tmp_path / "a" / "same"), make_project(tmp_path / "b" / "same")
    pio.run(first, environment)
    pio.run(second, environment)
    shutil.rmtree(first)
    pio.test(second, environment)
    third = make_project(tmp_path / "c" / "same")
    pio.run(third, environment)
    for path in third.glob("platforms/*/*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert pio.test(second, environment).passed == 6


@on_cortex_m4
def test_a_neighbours_edited_platform_is_not_used(
    environment: str, make_project: Callable[[Path], Path], tmp_path: Path
) -> None:
    first, second = make_project(tmp_path / "a"), make_project(tmp_path / "b")
    pio.run(first, environment)
    next(first.glob("platforms/*/linker.ld")).write_text("broken")
    pio.run(second, environment)


@both
def test_a_folder_with_a_difficult_name(
    environment: str, make_project: Callable[[Path], Path], tmp_path: Path
) -> None:
    project = make_project(tmp_path / "a (b)'s; %d #1 grün")
    pio.run(project, environment)
    assert pio.test(project, environment).passed == 6


@on_native
def test_the_real_unity_is_used_where_it_is_installed(environment: str, project: Path) -> None:
    """Replaces the registry's Unity: a different harness in the place where pio installs it."""
    unity = project / ".pio/libdeps/native/Unity"
    shutil.copytree(project / "test/unity", unity / "src")
    edit(unity / "src/unity.c", 'print_head(line, "PASS");', 'print_head(line, "PASS: real");')
    (unity / "library.json").write_text('{"name": "Unity", "version": "2.6.1"}')
    spec = {"owner": "throwtheswitch", "name": "Unity", "id": 1, "requirements": None, "uri": None}
    note = {"type": "library", "name": "Unity", "version": "2.6.1", "spec": spec}
    (unity / ".piopm").write_text(json.dumps(note))
    tested = pio.test(project, environment)
    assert [case.message for case in tested.cases] == ["real"] * 6


@on_native
def test_two_pios_in_an_empty_core_folder_at_once(
    environment: str, make_project: Callable[[Path], Path], tmp_path: Path
) -> None:
    projects = [make_project(tmp_path / name) for name in "ab"]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(pio.run, projects))
    assert [result.environment for result in results] == [environment] * 2


@both
def test_pio_typed_by_hand_with_the_line_that_doctor_prints(
    environment: str, project: Path, offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = os.environ["PATH"].split(os.pathsep)
    others = [f for f in folders if not Path(f, "pio").exists()]  # no environment is active
    monkeypatch.setenv("PATH", os.pathsep.join(others))
    line = pio.shell_line()
    command = f"{line} && pio test -e {environment}"
    clean = {name: os.environ[name] for name in ("PATH", "HOME")}
    started = time.monotonic()
    done = subprocess.run(
        ["sh", "-c", command], cwd=project, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 succeeded" in done.stdout
    assert time.monotonic() - started < 30
    assert not (offline / ".platformio").exists()


@pytest.mark.slow
def test_pio_understands_every_environment(project: Path) -> None:
    done = subprocess.run(
        [*pio.pio_command(), "project", "config", "--json-output"],
        cwd=project,
        env=pio.pio_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    sections = dict(json.loads(done.stdout))
    assert dict(sections["platformio"])["default_envs"] == ["native"]
    board = dict(sections["env:nano33ble"])
    assert (board["platform"], board["board"]) == ("nordicnrf52", "nano33ble")
    assert dict(sections["env:cortex_m4"])["test_testing_command"][0] == "qemu-system-arm"


def test_an_unknown_environment(project: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        pio.run(project, "uno")
    assert str(caught.value) == (
        "platformio.ini has no environment 'uno'.\nChoose one of: native, cortex_m4, nano33ble."
    )


@pytest.mark.parametrize("known", boards(), ids=lambda known: known.name)
def test_the_command_that_programs_a_board(known: Board, tmp_path: Path) -> None:
    project = tmp_path / "my project"
    project.mkdir()
    assert pio.upload_command(project, known) is None
    ini = project / "platformio.ini"
    ini.write_text("not PlatformIO's", "utf-8")
    assert pio.upload_command(project, known) is None
    ini.write_text("[env:native]\nplatform = native\n[env:x]\nboard = another\n", "utf-8")
    assert pio.upload_command(project, known) is None
    ini.write_text(f"[env:native]\n[env:my own]\nboard = {known.platformio_board}\n", "utf-8")
    own = f"pio run -d '{project}' -e 'my own' -t upload"
    assert pio.upload_command(project, known) == own


def test_the_command_that_programs_the_board_of_a_project(project: Path) -> None:
    nano = board("nano33ble_sense")
    assert pio.upload_command(project, nano) == (
        f"pio run -d {project} -e {nano.environment} -t upload"
    )


def test_a_dollar_in_the_path(make_project: Callable[[Path], Path], tmp_path: Path) -> None:
    project = make_project(tmp_path / "cash$")
    with pytest.raises(ConfigError) as caught:
        pio.run(project)
    assert str(caught.value) == (
        f"PlatformIO cannot build in {project}: it treats $ as the start of a variable.\n"
        "Move the project to a folder without $ in its path."
    )


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        pio.test(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} has no platformio.ini.\nPass the folder that tflm-ext export wrote."
    )


def test_a_platformio_ini_that_is_none(project: Path) -> None:
    (project / "platformio.ini").write_text("no section = 1\n")
    with pytest.raises(ConfigError, match="cannot be read: File contains no section headers"):
        pio.run(project)


def test_missing_tools_are_named_with_their_packages(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ToolError) as caught:
        pio.test(project, "cortex_m4")
    assert str(caught.value) == (
        "arm-none-eabi-gcc and arm-none-eabi-g++ and qemu-system-arm could not be "
        "found on the PATH.\n"
        "Run: sudo apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi "
        "libstdc++-arm-none-eabi-newlib qemu-system-arm"
    )
    with pytest.raises(ToolError, match="sudo apt-get install build-essential"):
        pio.run(project, "native")


def test_the_board_without_its_platform_fails_at_once(project: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ToolError) as caught:
        pio.run(project, "nano33ble")
    assert caught.value.problem == (
        "PlatformIO's platform nordicnrf52 is not installed, and its registry cannot be reached."
    )
    assert time.monotonic() - started < 2


def test_variables_that_would_move_the_projects_folders_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLATFORMIO_BUILD_DIR", "/elsewhere")
    monkeypatch.setenv("PLATFORMIO_PLATFORMS_DIR", "/elsewhere")
    environment = pio.pio_environment()
    assert "/elsewhere" not in environment.values()
    assert environment["PLATFORMIO_CORE_DIR"] == str(registry.own_core_dir())


def test_an_export_that_was_killed_is_finished_first(tmp_path: Path) -> None:
    (tmp_path / ".tflm_ext").mkdir()
    (tmp_path / ".tflm_ext" / "journal.json").write_text("no journal", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        pio.run(tmp_path)
    assert "journal" in caught.value.problem


def link_to(core: Path, target: Path, stem: str = "tflm_ext_m4_11111111") -> Path:
    """A link of pio to a platform; "spec" is a part of what pio writes."""
    link = core / "platforms" / f"{stem}.pio-link"
    link.parent.mkdir(exist_ok=True)
    content = {"cwd": str(target.parent), "spec": {"uri": f"symlink://{target}"}}
    link.write_text(json.dumps(content))
    return link


def platform_in(project: Path) -> Path:
    folder = project / "platforms/tflm_ext_m4_11111111"
    folder.mkdir(parents=True)
    (folder / "platform.json").write_text("{}")
    return folder


def test_links_to_platforms_of_this_project_stay(tmp_path: Path) -> None:
    own = platform_in(tmp_path / "mine")
    link = link_to(tmp_path, own)
    pio._renew_links(tmp_path / "mine", tmp_path)
    assert link.exists()


def test_links_to_another_project_go_where_this_one_has_the_platform(tmp_path: Path) -> None:
    link = link_to(tmp_path, platform_in(tmp_path / "other"))
    pio._renew_links(tmp_path / "mine", tmp_path)
    assert link.exists()
    platform_in(tmp_path / "mine")
    pio._renew_links(tmp_path / "mine", tmp_path)
    assert not link.exists()


def test_links_that_lead_nowhere_or_are_damaged_go(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    dead = [
        link_to(tmp_path, tmp_path / "empty"),
        link_to(tmp_path, tmp_path / "gone", "tflm_ext_9"),
    ]
    for number, text in enumerate(("", "[]", "{}", '{"cwd": 1, "spec": {"uri": 2}}')):
        dead.append(link_to(tmp_path, tmp_path, f"tflm_ext_{number}"))
        dead[-1].write_text(text)
    foreign = link_to(tmp_path, tmp_path / "gone", "another_platform")
    pio._renew_links(tmp_path / "mine", tmp_path)
    assert [link for link in dead if link.exists()] == []
    assert foreign.exists()
