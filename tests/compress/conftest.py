"""What reads Keras in with its module has slow tests only: `make check` does not collect it."""

from __future__ import annotations

from pathlib import Path

import pytest

NEED_KERAS = {"test_qat.py", "test_qat_tf_keras.py", "test_qat_training.py", "test_stored.py"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    quick = config.option.markexpr == "not slow"
    return True if quick and collection_path.name in NEED_KERAS else None
