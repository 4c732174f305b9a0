"""Byte streams for the serial protocol: a port, or the standard streams of a program."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from tflm_ext.errors import ToolError

BAUD_RATE = 115200

_WRITE_SECONDS = 2.0
_POLL_SECONDS = 0.5


class ByteStream(Protocol):
    """A connection to a device; `name` is its name in messages."""

    name: str

    def write(self, data: bytes) -> None:
        """Send all bytes. Raises ToolError if the connection is lost."""

    def read(self, seconds: float) -> bytes:
        """Return received bytes, after waiting at most this long. Raises ToolError like write()."""

    def close(self) -> None:
        """Close the connection. Idempotent."""


class PortStream:
    """A serial port.

    Raises:
        ToolError: it does not exist, is in use or not permitted, or is unplugged later.
    """

    def __init__(self, port: str) -> None:
        import serial

        self.name = port
        try:
            self._port: Any = serial.Serial(
                port, BAUD_RATE, timeout=_POLL_SECONDS, write_timeout=_WRITE_SECONDS, exclusive=True
            )
        except (serial.SerialException, ValueError) as error:
            raise _port_error(port, error) from error

    def write(self, data: bytes) -> None:
        import serial

        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            # The device does not read. The missing reply is reported after the usual attempts.
            return
        except (serial.SerialException, OSError) as error:
            raise _connection_lost(self.name) from error

    def read(self, seconds: float) -> bytes:
        import serial

        try:
            self._port.timeout = seconds
            data: bytes = self._port.read(1)
            return data + self._port.read(self._port.in_waiting) if data else data
        except (serial.SerialException, OSError) as error:
            raise _connection_lost(self.name) from error

    def close(self) -> None:
        self._port.close()


class ProgramStream:
    """The standard input and output of a program.

    Raises:
        ToolError: it cannot be started, or exits too early.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.name = Path(command[0]).name
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise ToolError(
                f"{command[0]} cannot be started: {error.strerror}.",
                "Build the project first: tflm-ext build DIR",
                command=tuple(command),
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)

    def write(self, data: bytes) -> None:
        try:
            self._stdin.write(data)
            self._stdin.flush()
        except BrokenPipeError as error:
            raise _connection_lost(self.name) from error

    def read(self, seconds: float) -> bytes:
        if not self._selector.select(seconds):
            return b""
        data = os.read(self._stdout.fileno(), 65536)
        if not data:
            raise _connection_lost(self.name)
        return data

    def close(self) -> None:
        self._selector.close()
        with contextlib.suppress(BrokenPipeError):  # it has already exited
            self._stdin.close()
        try:
            self._process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stdout.close()


def _connection_lost(name: str) -> ToolError:
    return ToolError(
        f"The connection to {name} was lost.", "Reconnect the device, then run the command again."
    )


def _port_error(port: str, error: Exception) -> ToolError:
    from serial.tools import list_ports

    number = getattr(error, "errno", None)
    if number == errno.EACCES:
        return ToolError(
            f"This user has no permission to use the port {port}.",
            "Join the port's group, usually dialout or uucp, and log in again: "
            "sudo usermod -aG dialout $USER",
        )
    if number in {errno.EBUSY, errno.EAGAIN}:
        return ToolError(
            f"The port {port} is in use by another program.",
            "Close the serial monitor, or any other program that has it open.",
        )
    found = ", ".join(sorted(p.device for p in list_ports.comports())) or "none"
    if number == errno.ENOENT:
        return ToolError(
            f"There is no port {port}.", f"Connect the board. Ports on this computer: {found}."
        )
    return ToolError(
        f"{port} cannot be used as a serial port.", f"Ports on this computer: {found}."
    )
