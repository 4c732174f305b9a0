# SPDX-License-Identifier: 0BSD
"""Stops a build without TensorFlow Lite Micro and says how to get it."""

import os
import sys

from SCons.Script import DefaultEnvironment

INTERPRETER = "lib/tflm/src/tensorflow/lite/micro/micro_interpreter.h"
MESSAGE = (
    "error: no TensorFlow Lite Micro: lib/tflm/src is a broken link; "
    "clone https://github.com/tensorflow/tflite-micro with its downloads"
    ", then link lib/tflm/src to it\n"
)

env = DefaultEnvironment()
project = env.subst("$PROJECT_DIR")
if not os.path.isfile(os.path.join(project, INTERPRETER)):
    sys.stderr.write(MESSAGE)
    env.Exit(1)
