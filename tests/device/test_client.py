"""The client against the real host program: over pipes, over a pseudo-terminal, over bad lines."""

from __future__ import annotations

import contextlib
import os
import pty
import random
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.sample import SHA256, host_program, sample_facts, sample_outputs
from tflm_ext.device import Device, SelfTest, client
from tflm_ext.device.protocol import crc16, request
from tflm_ext.device.transports import PortStream, ProgramStream
from tflm_ext.errors import ConfigError, TflmExtError, ToolError, VerificationError
from tflm_ext.ir.facts import ModelFacts

needs_compiler = pytest.mark.tool("gcc", "g++")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are sent again soon; how long a busy computer may take is not limited."""
    monkeypatch.setattr(client, "_STARTUP_SECONDS", 60.0)
    monkeypatch.setattr(client, "_REPLY_SECONDS", 0.1)
    monkeypatch.setattr(client, "_POLL_SECONDS", 0.05)


def values(facts: ModelFacts, seed: int) -> tuple[bytes, ...]:
    rng = np.random.default_rng(seed)
    return tuple(rng.integers(0, 256, port.size, np.uint8).tobytes() for port in facts.inputs)


def check_inferences(device: Device, facts: ModelFacts, count: int = 3) -> None:
    """Outputs are right, and every inference ran exactly once."""
    device.expect("digits", SHA256)
    assert device.selftest() == SelfTest(3, 3)
    device.reset()
    for run in range(count):
        inputs = values(facts, run)
        outputs, microseconds = device.run(inputs)
        assert outputs == sample_outputs(facts, inputs, run)
        assert microseconds >= 0
    device.reset()
    assert device.run(values(facts, 9))[0] == sample_outputs(facts, values(facts, 9))


@needs_compiler
def test_program(program: Path, facts: ModelFacts) -> None:
    with Device.in_program([str(program)]) as device:
        info = device.info()
        assert (info.model, info.sha256, info.chunk_bytes) == ("digits", SHA256, 240)
        assert (info.input_bytes, info.output_bytes) == ((600, 5), (8, 700))
        assert info.context_bytes >= 600 + 5 + 8 + 700
        check_inferences(device, facts)


@contextlib.contextmanager
def terminal(talk: Callable[[int], None]) -> Iterator[str]:
    """A pseudo-terminal; `talk` has its other end in a thread. Yields the port's name."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    thread = threading.Thread(target=talk, args=(ours,), daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(theirs)
        thread.join(5)
        assert not thread.is_alive()
        os.close(ours)


def silent(line: int) -> None:
    """Takes everything, says nothing, until the terminal is closed."""
    with contextlib.suppress(OSError):
        while os.read(line, 4096):
            pass


def echo(line: int) -> None:
    with contextlib.suppress(OSError):
        while data := os.read(line, 4096):
            os.write(line, data)


def run_program(program: Path) -> Callable[[int], None]:
    """The firmware at the other end of a terminal, after the noise of a board that just started."""

    def talk(line: int) -> None:
        os.write(line, b"\x00\xffboot v1.0\r\n<half a reply")
        process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=line)
        assert process.stdin is not None
        with process, contextlib.suppress(OSError):
            while data := os.read(line, 4096):
                process.stdin.write(data)
                process.stdin.flush()

    return talk


@needs_compiler
def test_port(program: Path, facts: ModelFacts) -> None:
    with terminal(run_program(program)) as port, Device.on_port(port) as device:
        check_inferences(device, facts)


class BadLine(ProgramStream):
    """Loses, changes and adds bytes in both directions."""

    def __init__(self, program: Path, seed: int, rate: float) -> None:
        super().__init__([str(program)])
        self._random = random.Random(seed)
        self._rate = rate
        self.faults = 0

    def write(self, data: bytes) -> None:
        super().write(self._damage(data))

    def read(self, seconds: float) -> bytes:
        return self._damage(super().read(seconds))

    def _damage(self, data: bytes) -> bytes:
        if not data or self._random.random() > self._rate:
            return data
        self.faults += 1
        at = self._random.randrange(len(data))
        byte = bytes([self._random.randrange(256)])
        kind = self._random.randrange(4)
        return [data[:at], data[:at] + byte + data[at:], data[:at] + byte + data[at + 1 :], b""][
            kind
        ]


@needs_compiler
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", range(4))
def test_bad_line(program: Path, facts: ModelFacts, seed: int) -> None:
    line = BadLine(program, seed, rate=0.1)
    with Device(line, attempts=20) as device:
        check_inferences(device, facts)
    assert line.faults >= 3


@needs_compiler
@pytest.mark.usefixtures("quick")
def test_an_inference_may_take_longer_than_a_reply(tmp_path: Path) -> None:
    facts = sample_facts(inputs=((4,),), outputs=((4,),))
    wait = "for (clock_t start = clock(); clock() - start < CLOCKS_PER_SEC / 6;) {}"
    edits = {"ctx->runs +=": f"{wait}\n    ctx->runs +=", "#define": "#include <time.h>\n#define"}
    program = host_program(facts, tmp_path, edits=edits)
    with Device.in_program([str(program)]) as device:
        _, microseconds = device.run(values(facts, 0))
        assert microseconds > 150_000
        assert device.run(values(facts, 1))[0] == sample_outputs(facts, values(facts, 1), 1)


def reply(text: str) -> bytes:
    """The line of a reply, tag included."""
    return b"<%b*%04X\r\n" % (text.encode(), crc16(text.encode()))


class Script:
    """A device that answers every command with a given text."""

    name = "script"

    def __init__(self, answers: dict[str, str]) -> None:
        self._answers = {"INFO": INFO} | answers
        self._waiting = b""
        self.asked: list[str] = []

    def write(self, data: bytes) -> None:
        command, _, tag = data.strip()[1:-5].decode().partition("#")
        self.asked.append(command)
        self._waiting += reply(f"{self._answers[command.split(' ')[0]]}#{tag}")

    def read(self, seconds: float) -> bytes:
        data, self._waiting = self._waiting, b""
        return data

    def close(self) -> None:
        pass


INFO = "OK protocol=2 model=m sha256=12345678abc context=99 chunk=2 new=1 inputs=4 outputs=2"


def text(error: pytest.ExceptionInfo[TflmExtError]) -> str:
    return str(error.value)


def test_chunks_are_as_long_as_the_device_says() -> None:
    script = Script({"IN": "OK", "RUN": "OK 7", "OUT": "OK 01FF"})
    assert Device(script).run([b"\x01\x02\x03\x04"]) == ((b"\x01\xff",), 7)
    assert script.asked == ["INFO", "IN 0 0 0102", "IN 0 2 0304", "RUN", "OUT 0 0 2"]


def test_another_version() -> None:
    with pytest.raises(ConfigError) as error:
        Device(Script({"INFO": INFO.replace("protocol=2", "protocol=3")})).info()
    assert text(error) == (
        "script uses version 3 of the serial protocol; this version of tflm_ext supports 1 and 2.\n"
        "Export the project again with this version, and upload its firmware."
    )


class Late:
    """A line to a program on which replies come late, twice, mixed, or in two pieces.

    Args:
        program: of the host.
        lateness: what happens to a reply, by its number: "late" by n requests, "twice" (now and
            after n requests), "half" now and the rest after n requests; None for nothing.
    """

    name = "late"

    def __init__(self, program: Path, lateness: Callable[[int], tuple[str, int] | None]) -> None:
        self._stream = ProgramStream([str(program)])
        self._lateness = lateness
        self._requests = self._replies = 0
        self._held: list[tuple[int, bytes]] = []
        self._buffer = b""
        self.disturbed = 0

    def write(self, data: bytes) -> None:
        self._requests += 1
        self._stream.write(data)

    def read(self, seconds: float) -> bytes:
        due = b"".join(data for at, data in self._held if at <= self._requests)
        self._held = [(at, data) for at, data in self._held if at > self._requests]
        self._buffer += self._stream.read(seconds)
        *lines, self._buffer = self._buffer.split(b"\n")
        return due + b"".join(self._disturb(line + b"\n") for line in lines)

    def _disturb(self, line: bytes) -> bytes:
        if not line.startswith(b"<"):
            return line
        self._replies += 1
        found = self._lateness(self._replies)
        if found is None:
            return line
        self.disturbed += 1
        how, requests = found
        now, later = {
            "late": (b"", line),
            "twice": (line, line),
            "half": (line[: len(line) // 2], line[len(line) // 2 :]),
        }[how]
        self._held.append((self._requests + requests, later))
        return now

    def close(self) -> None:
        self._stream.close()


def mixed(number: int) -> tuple[str, int] | None:
    chance = random.Random(number)
    if chance.random() > 0.25:
        return None
    return chance.choice(["late", "twice", "half"]), chance.randint(1, 4)


@needs_compiler
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "lateness",
    [
        pytest.param(lambda n: ("late", 1) if n % 5 == 3 else None, id="late by one"),
        pytest.param(lambda n: ("late", 2) if n % 5 == 3 else None, id="late by two"),
        pytest.param(lambda n: ("late", 7) if n % 4 == 2 else None, id="late by seven"),
        pytest.param(lambda n: ("twice", 0), id="all twice at once"),
        pytest.param(lambda n: ("twice", 1), id="all again after the next request"),
        pytest.param(lambda n: ("twice", 3), id="all again after three requests"),
        pytest.param(lambda n: ("half", 1) if n % 5 == 3 else None, id="half, then the rest"),
        pytest.param(mixed, id="mixed"),
    ],
)
def test_replies_that_come_late(
    program: Path, facts: ModelFacts, lateness: Callable[[int], tuple[str, int] | None]
) -> None:
    line = Late(program, lateness)
    with Device(line, attempts=20) as device:
        check_inferences(device, facts)
    assert line.disturbed >= 5


class OldFirmware:
    """A line to firmware of version 1 of the protocol, which takes a tag for a part of the word.

    Its replies come in order; every so often all of them are late.

    Args:
        program: of the host.
        late: gives, for the number of a reply, by how many seconds.
    """

    name = "old"

    def __init__(self, program: Path, late: Callable[[int], float]) -> None:
        self._stream = ProgramStream([str(program)])
        self._late = late
        self._replies = 0
        self._held: list[tuple[float, bytes]] = []
        self._buffer = b""

    def write(self, data: bytes) -> None:
        if b"#" in data:
            self._hold(reply("ERR 3 unknown command"))
        else:
            self._stream.write(data)

    def read(self, seconds: float) -> bytes:
        self._buffer += self._stream.read(seconds)
        *lines, self._buffer = self._buffer.split(b"\n")
        for line in lines:
            text = line[1:].rpartition(b"*")[0].decode().replace("protocol=2", "protocol=1")
            self._hold(reply(text) if line.startswith(b"<") else line + b"\n")
        due = b""
        while self._held and self._held[0][0] <= time.monotonic():
            due += self._held.pop(0)[1]
        return due

    def _hold(self, line: bytes) -> None:
        self._replies += 1
        self._held.append((time.monotonic() + self._late(self._replies), line))

    def close(self) -> None:
        self._stream.close()


@needs_compiler
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "late",
    [
        pytest.param(lambda n: 0.0, id="in time"),
        pytest.param(lambda n: 0.15 * (n % 5 == 3), id="a little"),
        pytest.param(lambda n: 0.25 * (n % 7 == 2), id="longer than two attempts"),
        pytest.param(lambda n: random.Random(n).choice([0, 0, 0, 0.12, 0.18]), id="mixed"),
    ],
)
def test_firmware_of_version_1(
    program: Path, facts: ModelFacts, late: Callable[[int], float]
) -> None:
    """A board that was programmed by an older tflm_ext is still verified."""
    with Device(OldFirmware(program, late), attempts=20) as device:
        check_inferences(device, facts)


@needs_compiler
def test_replies_to_an_earlier_session(program: Path, facts: ModelFacts) -> None:
    """What another client asked before us is answered when we begin, greeting included."""
    line = ProgramStream([str(program)])
    for command in ("INFO", "SELFTEST", "INFO", "RESET"):
        line.write(request(command))
        line.write(request(command, 123))
    line.write(request("OUT 0 0 8", 123) + b">IN 0 0 00")
    with Device(line) as device:
        check_inferences(device, facts)


def slow(program: Path, seconds: float) -> Callable[[int], None]:
    """The firmware at a terminal that delivers every third reply too late."""

    def talk(line: int) -> None:
        process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None

        def deliver() -> None:
            for number, text in enumerate(process.stdout or ()):
                if number % 3 == 1:
                    time.sleep(seconds)
                with contextlib.suppress(OSError):
                    os.write(line, text)

        thread = threading.Thread(target=deliver)
        thread.start()
        with process:
            with contextlib.suppress(OSError):
                while data := os.read(line, 4096):
                    process.stdin.write(data)
                    process.stdin.flush()
            process.stdin.close()
            thread.join()

    return talk


@needs_compiler
@pytest.mark.usefixtures("quick")
def test_a_slow_port(tmp_path: Path) -> None:
    facts = sample_facts(inputs=((4,),), outputs=((4,),))
    program = host_program(facts, tmp_path)
    with terminal(slow(program, 0.15)) as port, Device(PortStream(port), attempts=20) as device:
        device.reset()
        for run in range(2):
            inputs = values(facts, run)
            assert device.run(inputs)[0] == sample_outputs(facts, inputs, run)


def test_a_model_that_fails() -> None:
    with pytest.raises(VerificationError) as error:
        Device(Script({"IN": "OK", "RUN": "ERR 5 the model failed"})).run([bytes(4)])
    assert text(error) == (
        "script rejected RUN: the model failed.\n"
        "Reset the device. If that does not help, export the project again and upload its "
        "firmware."
    )


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("INFO", "OK protocol=2 chunk=x"),
        ("INFO", "OK protocol=2"),
        ("INFO", INFO.replace("chunk=2", "chunk=0")),
        ("INFO", INFO.replace("outputs=2", "outputs=-2")),
        ("SELFTEST", "OK 3 x"),
        ("SELFTEST", "OK 3"),
        ("SELFTEST", "OK 3 -3"),
        ("SELFTEST", "ERR 3 unknown command"),
        ("SELFTEST", "ERR 6 something new"),
        ("SELFTEST", "HELLO"),
    ],
)
def test_strange_answers(command: str, answer: str) -> None:
    with pytest.raises(ToolError) as error:
        Device(Script({command: answer})).selftest()
    shown = answer.removeprefix("OK ")[:60]
    assert text(error) == (
        f"script sent a reply that the protocol does not allow: {shown!r}.\n"
        "Export the project again with this version of tflm_ext, and upload its firmware."
    )


@pytest.mark.parametrize("answer", ["OK 01", "OK 0102FF", "OK 0G01", "OK"])
def test_strange_outputs(answer: str) -> None:
    with pytest.raises(ToolError, match="that the protocol does not allow"):
        Device(Script({"IN": "OK", "RUN": "OK 7", "OUT": answer})).run([bytes(4)])


UPLOADS = [
    (None, "pload the project's firmware."),
    ("pio run -e uno -t upload", "pload the project's firmware: pio run -e uno -t upload"),
]


@pytest.mark.parametrize(("upload", "hint"), UPLOADS)
def test_another_model(upload: str | None, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        Device(Script({}), upload=upload).expect("digits", SHA256)
    assert text(error) == (
        "script runs the model 'm' (12345678), but the project's model is 'digits' (01234567).\n"
        f"U{hint}"
    )


@pytest.mark.parametrize("inputs", [[], [b"1"], [bytes(4), b""], [bytes(5)]])
def test_inputs_that_do_not_fit(inputs: list[bytes]) -> None:
    with pytest.raises(
        ConfigError, match=r"takes inputs of \(4,\) bytes, but the inputs passed have "
    ):
        Device(Script({})).run(inputs)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("talk", "upload", "hint"), [(silent, *UPLOADS[0]), (echo, *UPLOADS[1])])
def test_something_else_at_the_port(
    talk: Callable[[int], None], upload: str | None, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_STARTUP_SECONDS", 0.5)
    with (
        terminal(talk) as port,
        Device.on_port(port, upload=upload) as device,
        pytest.raises(ToolError) as error,
    ):
        device.info()
    assert text(error) == (
        f"{port} does not respond like the firmware of a tflm_ext project.\n"
        f"Check that this is the port of the board, and u{hint}"
    )


@pytest.mark.usefixtures("quick")
def test_a_command_that_is_never_answered() -> None:
    with pytest.raises(ToolError) as error:
        Device(Script({"SELFTEST": "ERR 1 wrong CRC"})).selftest()
    assert text(error).startswith("script did not answer SELFTEST in 5 attempts.\n")
