"""What is installed is what is in the checkout, wherever it is run from."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import tflm_ext
from tests.models import image_net
from tflm_ext.project.pio import DEBIAN_PACKAGES

ROOT = Path(__file__).resolve().parents[1]
CONTAINERFILE = ROOT / "Containerfile"
LOOK = (
    "import tflm_ext, tflm_ext.emit.render as r, tflm_ext.targets as b;"
    "print(tflm_ext.__file__, r.templates_folder(), len(r.verbatim('kernels/conv_2d.h')),"
    "b.board('nano33ble_sense').name, sep='\\n')"
)
FIRST_PROJECT = """
import tflm_ext
print(tflm_ext.__file__)
result = tflm_ext.export("net.tflite", "net")
print(result.build("native").program)
tested = result.test("native")
print(tested.passed, tested.failed)
"""


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def versions(path: str) -> dict[str, str]:
    lines = (ROOT / path).read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def canonical(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=]", requirement)[0]).lower()


def look(python: Path, folder: Path) -> list[str]:
    """Where an interpreter that starts in a folder finds the package and its files."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    result = subprocess.run(
        [python, "-c", LOOK], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def checkout(folder: Path) -> Path:
    """A copy of what git would commit, so that building writes nothing into the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for path in filter(None, listed.stdout.split("\0")):
        if path.startswith(("tflm_ext/", "templates/")) or "/" not in path:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / path).exists():
                (folder / path).write_bytes((ROOT / path).read_bytes())
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = checkout(tmp_path_factory.mktemp("source"))
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = out.glob("*.whl")
    return path


def test_every_package_is_listed() -> None:
    listed = setup_cfg()["options"]["packages"].split()
    found = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in ROOT.glob("tflm_ext/**/*.py")
    }
    assert sorted(listed) == sorted({*found, "tflm_ext._templates"})


def test_every_dependency_has_a_known_good_version() -> None:
    options = setup_cfg()["options"]
    extras = setup_cfg()["options.extras_require"]
    wanted = f"{options['install_requires']}\n{extras['demo']}\n{extras['dev']}".split()
    known = {canonical(name) for name in versions("constraints.txt")}
    assert {canonical(requirement) for requirement in wanted} <= known


def test_the_version_is_the_changelogs() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert f"## {tflm_ext.__version__}" in changelog


def test_every_make_target_is_named_by_help() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    help_ = set(re.findall(r"^#   make ([a-z-]+)", text, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", text, re.MULTILINE))
    parts = {"help", "lint", "format-check", "ruff", "types", "contracts", "unit", "venv"}
    assert help_ == targets - parts - {"test-packages"}
    phony = re.search(r"^\.PHONY: help ((?:.|\\\n)*?)\n\n", text, re.MULTILINE)
    assert phony is not None
    assert {"help", *phony[1].replace("\\\n", " ").split()} == targets


@pytest.mark.slow
@pytest.mark.tool("git")
def test_the_wheel_holds_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        assert b"Requires-Python: <3.14,>=3.11" in archive.read(metadata)
        assert any(name.endswith("/licenses/LICENSE") for name in archive.namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tflm_ext").rglob("*")
        if path.is_file() and path.suffix in (".csv", ".py", ".toml", ".typed")
    } | {
        f"tflm_ext/_templates/{path.relative_to(ROOT / 'templates').as_posix()}"
        for path in (ROOT / "templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == wanted


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment outside the checkout, in which pip installed the wheel."""
    environment = tmp_path_factory.mktemp("elsewhere") / "environment"
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", str(wheel)], check=True)
    # The dependencies are those of the running interpreter. Python ignores .pth files in folders
    # that a .pth file names: an editable install of tflm_ext there does not count.
    theirs = [path for path in sys.path if path.endswith("site-packages")]
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text("\n".join(theirs) + "\n")
    return environment


@pytest.mark.slow
@pytest.mark.tool("git")
def test_an_installed_wheel_finds_its_templates(installed: Path, tmp_path: Path) -> None:
    (site,) = installed.glob("lib/python3*/site-packages")
    package, templates, size, board = look(installed / "bin" / "python", tmp_path)
    assert package == str(site / "tflm_ext" / "__init__.py")
    assert templates == str(site / "tflm_ext" / "_templates")
    assert (int(size) > 0, board) == (True, "nano33ble_sense")


@pytest.mark.slow
@pytest.mark.tool("git", "gcc", "g++")
def test_an_installed_wheel_exports_builds_and_tests(installed: Path, tmp_path: Path) -> None:
    """A first project, from Python and on the command line; nothing is downloaded."""
    (tmp_path / "net.tflite").write_bytes(image_net())
    (tmp_path / "home").mkdir()
    environment = {
        "PATH": f"{installed / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "https_proxy": "http://127.0.0.1:9",  # the discard port: no registry can be reached
    }

    def run(*command: str) -> str:
        result = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    package, program, passed = run("python", "-c", FIRST_PROJECT).splitlines()
    assert Path(package).is_relative_to(installed)
    assert program == str(tmp_path / "net" / ".pio/build/native/program")
    assert passed == "6 0"
    assert run("tflm-ext", "--version") == f"tflm-ext {tflm_ext.__version__}\n"
    assert "CONV_2D" in run("tflm-ext", "inspect", "net.tflite")


def test_a_plain_checkout_finds_its_templates(tmp_path: Path) -> None:
    """Without site-packages' own tflm_ext: the package and templates/ next to it."""
    code = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'ditable' not in repr(f)];"
        f"sys.path.insert(0, {str(ROOT)!r}); {LOOK}"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[1] == str(ROOT / "templates")


def test_this_environment_finds_its_templates(tmp_path: Path) -> None:
    """The editable install that `make` makes, from a folder that is not the checkout."""
    if "tflm_ext" not in subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format=freeze"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    ).stdout.replace("-", "_"):
        pytest.skip("tflm_ext is not installed here")
    package, templates, *_ = look(Path(sys.executable), tmp_path)
    assert package == str(ROOT / "tflm_ext" / "__init__.py")
    assert templates == str(ROOT / "templates")


def instructions(path: Path) -> list[tuple[str, str]]:
    """The instructions of a Containerfile with their arguments, each on one line."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(words[0], words[1]) for line in joined.splitlines() if (words := line.split(None, 1))]


def test_the_container_has_what_the_commands_need() -> None:
    """The Debian packages of all programs that pio calls; make installs the same ones."""
    runs = [arguments for name, arguments in instructions(CONTAINERFILE) if name == "RUN"]
    (installing,) = (arguments for arguments in runs if "apt-get install" in arguments)
    command = installing.split("apt-get install", 1)[1].split("&&")[0]
    packages = {word for word in command.split() if not word.startswith("-")}
    assert packages == {name for names in DEBIAN_PACKAGES.values() for name in names.split()}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    made = re.search(r"^DEBIAN_PACKAGES := ((?:.|\\\n)*?)\n\n", makefile, re.MULTILINE)
    assert made is not None
    # Users of make have a compiler, and gcc-arm-none-eabi depends on its binutils.
    more = {"build-essential", "binutils-arm-none-eabi"}
    assert packages - more <= set(made[1].replace("\\\n", " ").split())


def test_the_container_copies_what_the_wheel_is_built_from() -> None:
    """All of it exists, is part of the build context, and is what checkout() copies at least."""
    copied = {
        source
        for name, arguments in instructions(CONTAINERFILE)
        if name == "COPY"
        for source in arguments.split()[:-1]
    }
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
    options = setup_cfg()
    assert {"tflm_ext", "templates", "setup.cfg", "pyproject.toml", "constraints.txt"} <= copied
    assert options["metadata"]["long_description"].removeprefix("file: ") in copied
    assert options["metadata"]["license_files"] in copied


def test_the_container_runs_the_command_line_of_a_supported_python() -> None:
    found = dict(instructions(CONTAINERFILE))
    image = re.fullmatch(r"--platform=linux/amd64 \S+/python:(3\.\d+)-slim-bookworm", found["FROM"])
    assert image is not None
    assert f"Programming Language :: Python :: {image[1]}" in setup_cfg()["metadata"]["classifiers"]
    assert found["ENTRYPOINT"] == '["tflm-ext"]'
    assert "tflm-ext" in setup_cfg()["options.entry_points"]["console_scripts"]
    assert (found["USER"], found["WORKDIR"]) == ("1000", "/models")
