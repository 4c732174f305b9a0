# SPDX-License-Identifier: Apache-2.0
"""Builds for this computer with gcc; `pio run -t exec` runs the program."""

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
env.Replace(CC="gcc", CXX="g++")

program = env.BuildProgram()
run = env.VerboseAction("$SOURCE $PROGRAM_ARGS", "Running $SOURCE")
AlwaysBuild(env.Alias("exec", program, run))
AlwaysBuild(env.Alias("upload", program, run))
Default([program])
