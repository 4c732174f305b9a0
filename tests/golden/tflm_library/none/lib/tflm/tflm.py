# SPDX-License-Identifier: 0BSD
"""Stops a build without TensorFlow Lite Micro and says how to get it."""

import os
import sys

from SCons.Script import DefaultEnvironment

INTERPRETER = "lib/tflm/src/tensorflow/lite/micro/micro_interpreter.h"
MESSAGE = (
    "error: no TensorFlow Lite Micro: this project was exported without a source of it; "
    "clone https://github.com/tensorflow/tflite-micro-arduino-examples "
    "and check out 7948b85e020470a30a83bf00e10fc43b486bfcba"
    ", then export it again with TFLM_EXT_TFLM_SOURCE=<its folder>\n"
)

env = DefaultEnvironment()
project = env.subst("$PROJECT_DIR")
if not os.path.isfile(os.path.join(project, INTERPRETER)):
    sys.stderr.write(MESSAGE)
    env.Exit(1)
