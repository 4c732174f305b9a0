# SPDX-License-Identifier: Apache-2.0
"""Starts the SCons of the Python that runs PlatformIO."""

import sys

try:
    from SCons.Script import main
except ImportError:
    sys.exit(f"SCons is missing. Install it: {sys.executable} -m pip install scons")

main()
