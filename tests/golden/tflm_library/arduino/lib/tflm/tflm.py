# SPDX-License-Identifier: 0BSD
"""Stops a build without TensorFlow Lite Micro; declares its int8 kernels to the model."""

import glob
import os
import sys

from SCons.Script import DefaultEnvironment

INTERPRETER = "lib/tflm/src/tensorflow/lite/micro/micro_interpreter.h"
MESSAGE = (
    "error: no TensorFlow Lite Micro: lib/tflm/src is a broken link; "
    "clone https://github.com/tensorflow/tflite-micro-arduino-examples "
    "and check out 7948b85e020470a30a83bf00e10fc43b486bfcba"
    ", then link lib/tflm/src to its folder src\n"
)

env = DefaultEnvironment()
project = env.subst("$PROJECT_DIR")
if not os.path.isfile(os.path.join(project, INTERPRETER)):
    sys.stderr.write(MESSAGE)
    env.Exit(1)


def declare_int8_kernels(env, node):
    """The library declares them only if ARDUINO is defined, which other files must not see."""
    return env.Object(node, CPPDEFINES=[*env.get("CPPDEFINES", []), ("ARDUINO", 10819)])


models = os.path.join(glob.escape(project), "lib/*/src/*_model.cpp")
env.AddBuildMiddleware(declare_int8_kernels, models)
