# SPDX-License-Identifier: 0BSD
"""PlatformIO's Unity runner, which falls back to test/unity if the registry cannot be reached."""

import os
import threading
from pathlib import Path

import requests
from platformio.test.runners.unity import UnityTestRunner

UNITY = "https://api.registry.platformio.org/v3/packages/throwtheswitch/library/Unity"
LOCAL_COPY = Path(__file__).parent / "unity"
# Set to "1" or "0" after the first attempt, also for child processes.
REACHABLE = "TFLM_EXT_REGISTRY"


def _try_to_reach() -> None:
    try:
        if requests.get(UNITY, timeout=2).ok:
            os.environ[REACHABLE] = "1"
    except requests.RequestException:
        pass  # it cannot be reached


def registry_reachable() -> bool:
    """Whether the registry answers within two seconds, name resolution included."""
    if REACHABLE not in os.environ:
        thread = threading.Thread(target=_try_to_reach, daemon=True)
        thread.start()
        thread.join(2)
        os.environ.setdefault(REACHABLE, "0")
    return os.environ[REACHABLE] == "1"


class CustomTestRunner(UnityTestRunner):
    def __init__(self, test_suite, project_config, options=None):
        super().__init__(test_suite, project_config, options)
        # The code under test has no heap, and the leak detector fails in some containers.
        os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        libraries = Path(project_config.get("platformio", "libdeps_dir"))
        installed = libraries / test_suite.env_name / "Unity"
        if LOCAL_COPY.is_dir() and not installed.is_dir() and not registry_reachable():
            self.EXTRA_LIB_DEPS = None

    def configure_build_env(self, env):
        super().configure_build_env(env)
        if self.EXTRA_LIB_DEPS is None:
            env.Prepend(CPPPATH=[str(LOCAL_COPY)])
            env.BuildSources("$BUILD_DIR/unity", str(LOCAL_COPY))
        return env
