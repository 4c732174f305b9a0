"""The command line as a module: python -m tflm_ext.cli."""

import sys

from tflm_ext.cli import main

if __name__ == "__main__":
    sys.exit(main())
