"""Version and page of the package; setup.cfg reads the version from here."""

VERSION = "0.1.0"
PAGE = "https://github.com/tflm-ext/tflm_ext"
"""The same as `url` in setup.cfg."""
