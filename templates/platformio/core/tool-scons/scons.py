# SPDX-License-Identifier: Apache-2.0
"""Starts SCons in the Python environment of PlatformIO."""

import sys

try:
    from SCons.Script import main
except ImportError:
    sys.exit(f"SCons is missing. Install it: {sys.executable} -m pip install scons")

main()
