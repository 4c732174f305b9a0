# SPDX-License-Identifier: 0BSD
"""Builds the tests for this computer with the address and undefined-behaviour sanitizers."""

from SCons.Script import COMMAND_LINE_TARGETS, DefaultEnvironment

if "__test" in COMMAND_LINE_TARGETS:
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]
    DefaultEnvironment().Append(CCFLAGS=flags, LINKFLAGS=flags)
