"""One compiled host program for all tests of the protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware.sample import host_program, sample_facts
from tflm_ext.ir.facts import ModelFacts


@pytest.fixture(scope="session")
def facts() -> ModelFacts:
    """Two inputs, one of them longer than a line of the protocol, and two outputs."""
    return sample_facts(inputs=((1, 20, 30), (5,)), outputs=((1, 8), (700,)))


@pytest.fixture(scope="session")
def program(facts: ModelFacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return host_program(facts, tmp_path_factory.mktemp("firmware"))
