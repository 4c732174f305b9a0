"""Every operator and every kernel has all its parts: docs/how-to/add-an-operator.md names them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType

import pytest

import tflm_ext.kernels
import tflm_ext.ops
from tests.conftest import ROOT
from tflm_ext.kernels import KERNELS, LIMIT, Kernel
from tflm_ext.ops import OPERATORS, Operator
from tflm_ext.plan import costs, sizes
from tflm_ext.targets import Core, cores


def files_of(package: ModuleType) -> list[str]:
    """The modules of a package, listed in its __init__.py or not."""
    return sorted(info.name for info in pkgutil.iter_modules(package.__path__))


def operator_in(name: str) -> Operator:
    """The operator that a module of ops/ defines."""
    operator = importlib.import_module(f"tflm_ext.ops.{name}").OPERATOR
    assert isinstance(operator, Operator)
    return operator


def kernels_in(name: str) -> list[Kernel]:
    """The kernels that a module of kernels/ defines itself."""
    values = vars(importlib.import_module(f"tflm_ext.kernels.{name}")).values()
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    return [kernel for row in rows for kernel in row if isinstance(kernel, Kernel)]


FILES = files_of(tflm_ext.ops)
USED = {kernel for own in KERNELS.values() for kernel in own}
NAMES = sorted({kernel.name for kernel in USED})

every_operator = pytest.mark.parametrize("name", FILES)
every_core = pytest.mark.parametrize("core", cores(), ids=lambda core: core.name)


@every_operator
def test_an_operator_is_listed(name: str) -> None:
    assert operator_in(name) in OPERATORS, f"add {name}.OPERATOR to OPERATORS"


def test_every_listed_operator_has_a_file() -> None:
    assert sorted(map(id, OPERATORS)) == sorted(id(operator_in(name)) for name in FILES)


@every_operator
def test_an_operator_has_kernels(name: str) -> None:
    assert KERNELS.get(operator_in(name).name), "add a line to KERNELS in tflm_ext/kernels"


@pytest.mark.parametrize("name", files_of(tflm_ext.kernels))
def test_a_kernel_is_listed(name: str) -> None:
    assert USED.issuperset(kernels_in(name)), "add a line to KERNELS in tflm_ext/kernels"


@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_has_its_c(name: str) -> None:
    (header,) = {kernel.header for kernel in USED if kernel.name == name}
    text = (ROOT / "templates" / "kernels" / header).read_text("utf-8")
    assert re.search(rf"\btflm_ext_{name}_t;", text)
    assert re.search(rf"static (?:inline )?void\s+tflm_ext_{name}\(", text)


@every_core
@pytest.mark.parametrize("kernel", NAMES)
def test_a_kernel_has_a_size(kernel: str, core: Core) -> None:
    """`make kernel-sizes`, after a kernel was added."""
    assert sizes.kernel_bytes(core, kernel) > 0


@every_core
@pytest.mark.parametrize("kernel", NAMES)
def test_a_kernel_has_costs(kernel: str, core: Core) -> None:
    """`make kernel-costs`, after a kernel was added."""
    for alone in (False, True):
        instructions, spent = costs.of_pieces(core, kernel, alone)
        assert list(instructions) == list(spent)
        assert sum(instructions.values()) > 0
        assert min(*instructions.values(), *spent.values()) >= 0


@every_core
def test_what_is_measured_is_a_kernel(core: Core) -> None:
    """Rows of kernels that no longer exist are removed."""
    assert core.sizes["bytes"].keys() == {*NAMES}
    for table in ("several", "alone"):
        for unit in core.costs[table].values():
            assert unit.keys() == {*NAMES}
    assert LIMIT in NAMES


@every_operator
def test_an_operator_has_a_test(name: str) -> None:
    assert (ROOT / "tests" / "ops" / f"test_{name}.py").is_file()


@every_operator
def test_an_operator_has_a_row(name: str) -> None:
    """`make docs`."""
    page = (ROOT / "docs/reference/operators.md").read_text("utf-8")
    assert re.search(rf"^\| {operator_in(name).name} \|", page, re.MULTILINE)


def test_operators_that_only_tflm_has_are_not_supported() -> None:
    """Those that the page on runtimes gives as examples."""
    page = (ROOT / "docs/explanation/runtimes.md").read_text("utf-8")
    (examples,) = re.findall(r"operators outside \[the table\]\S* such as ([A-Z0-9_, ]+),", page)
    assert not set(examples.split(", ")) & {operator.name for operator in OPERATORS}
