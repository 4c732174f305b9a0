"""Ports and programs that are missing, in use, not permitted, or end; what their errors say."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import subprocess
import sys
import tty
from pathlib import Path

import pytest
import serial as pyserial

from tests.device.test_client import silent, terminal, text
from tflm_ext.device import Device
from tflm_ext.device.transports import PortStream, ProgramStream
from tflm_ext.errors import ToolError


def test_missing_port() -> None:
    with pytest.raises(ToolError) as error:
        Device.on_port("/dev/ttyNOTHING0")
    assert text(error).startswith(
        "There is no port /dev/ttyNOTHING0.\nConnect the board. Ports on this computer: "
    )


def test_port_in_use() -> None:
    with terminal(silent) as port, contextlib.closing(PortStream(port)):
        with pytest.raises(ToolError) as error:
            Device.on_port(port)
        assert text(error) == (
            f"The port {port} is in use by another program.\n"
            "Close the serial monitor, or any other program that has it open."
        )


def test_port_of_another_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise pyserial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(pyserial, "Serial", refuse)
    with pytest.raises(ToolError) as error:
        Device.on_port("/dev/ttyACM0")
    assert text(error) == (
        "This user has no permission to use the port /dev/ttyACM0.\n"
        "Join the port's group, usually dialout or uucp, and log in again: "
        "sudo usermod -aG dialout $USER"
    )


def test_no_serial_port() -> None:
    with pytest.raises(ToolError, match="/dev/null cannot be used as a serial port"):
        Device.on_port("/dev/null")


def test_unplugged() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    with contextlib.closing(PortStream(os.ttyname(theirs))) as stream:
        stream.write(b"x")
        os.close(theirs)
        os.close(ours)
        with pytest.raises(ToolError) as error:
            stream.read(1.0)
    assert "was lost.\nReconnect the device, then run the command again." in text(error)


def test_missing_program() -> None:
    with pytest.raises(ToolError, match="cannot be started: No such file") as error:
        Device.in_program(["/nowhere/program"])
    assert error.value.command == ("/nowhere/program",)


def test_program_that_ends() -> None:
    with (
        Device.in_program([sys.executable, "-c", "pass"]) as device,
        pytest.raises(ToolError, match=r"The connection to python\S* was lost\."),
    ):
        device.info()


def test_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    stream = ProgramStream([sys.executable, "-c", "import time; time.sleep(600)"])
    stream.close()
    assert stream._process.returncode == -9


def test_pyserial_is_imported_late() -> None:
    code = "import sys, tflm_ext.device; assert 'serial' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
