"""The firmware's host program, for the client to talk to."""

from tests.firmware.conftest import facts, program

__all__ = ["facts", "program"]
