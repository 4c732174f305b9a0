# SPDX-License-Identifier: 0BSD
"""Builds for the emulated Cortex-M4; `pio run -e cortex_m4 -t exec` runs the program in QEMU."""

import os

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

MACHINE = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=softfp", "-mfpu=fpv4-sp-d16"]
COMMON = ["-Os", "-ffunction-sections", "-fdata-sections", "-funsigned-char", "-fno-exceptions"]
QEMU = ["-machine", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native"]

env = DefaultEnvironment()
here = env.PioPlatform().get_dir()
env.Replace(
    AR="arm-none-eabi-gcc-ar",
    AS="arm-none-eabi-gcc",
    CC="arm-none-eabi-gcc",
    CXX="arm-none-eabi-g++",
    RANLIB="arm-none-eabi-gcc-ranlib",
    SIZETOOL="arm-none-eabi-size",
    ARFLAGS=["rc"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    # Relative: a shell reads it, and the project's path may contain any characters.
    LDSCRIPT_PATH=os.path.join(os.path.relpath(here), "linker.ld"),
)
env.Append(
    ASFLAGS=[*MACHINE, "-x", "assembler-with-cpp"],
    CCFLAGS=[*MACHINE, *COMMON],
    CFLAGS=["-std=gnu11"],
    CXXFLAGS=["-std=gnu++14", "-fno-rtti", "-fno-threadsafe-statics", "-fno-use-cxa-atexit"],
    LINKFLAGS=[
        *MACHINE,
        "-Os",
        "-nostartfiles",
        "--specs=nano.specs",
        "-Wl,--gc-sections,--fatal-warnings",
    ],
)
env.BuildSources("$BUILD_DIR/startup", here, "+<startup.c>")

program = env.BuildProgram()
command = " ".join(["qemu-system-arm", *QEMU, "-kernel", "$SOURCE"])
run = env.VerboseAction(command, "Running $SOURCE in QEMU")
AlwaysBuild(env.Alias("exec", program, run))
Default([program])
