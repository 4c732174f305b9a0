"""The protocol's engine in C, byte by byte: replies, errors, noise. Sanitizers are on."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.firmware.sample import SHA256, host_program, sample_facts, sample_outputs
from tflm_ext.device.protocol import crc16, request
from tflm_ext.ir.facts import ModelFacts

pytestmark = pytest.mark.tool("gcc", "g++")
LINE_LIMIT = 512
CHUNK = 240


def replies(program: Path, sent: bytes) -> list[str]:
    """What the program answers, with every CRC checked and taken off."""
    result = subprocess.run([program], check=True, input=sent, capture_output=True)
    assert result.stderr == b""
    greeting, *lines = result.stdout.split(b"\n")
    assert greeting.startswith(b"# ")
    assert lines.pop() == b""
    texts = []
    for line in lines:
        match = re.fullmatch(rb"<(OK(?: .+)?(?:#\d+)?|ERR [1-5] .+)\*([0-9A-F]{4})", line)
        assert match, line
        assert int(match[2], 16) == crc16(match[1])
        texts.append(match[1].decode("ascii"))
    return texts


def answers(program: Path, *commands: str) -> list[str]:
    return replies(program, b"".join(map(request, commands)))


def test_info(program: Path) -> None:
    (info,) = answers(program, "INFO")
    start, _, rest = info.partition(" context=")
    assert start == f"OK protocol=2 model=digits sha256={SHA256}"
    assert re.fullmatch(r"\d+ chunk=240 inputs=600,5 outputs=8,700", rest)


def test_one_inference(program: Path, facts: ModelFacts) -> None:
    data = bytes(range(250)) + bytes(350)
    got = answers(
        program,
        "SELFTEST",
        *(f"IN 0 {at} {data[at : at + CHUNK].hex()}" for at in range(0, 600, CHUNK)),
        "IN 1 0 80FF007F01",
        "RUN",
        "OUT 0 0 8",
        *(f"OUT 1 {at} {min(CHUNK, 700 - at)}" for at in range(0, 700, CHUNK)),
    )
    assert got[:5] == ["OK 3 3", "OK", "OK", "OK", "OK"]
    assert re.fullmatch(r"OK \d+", got[5])
    first, second = sample_outputs(facts, (data,))
    assert got[6] == f"OK {first.hex().upper()}"
    assert "".join(text[3:] for text in got[7:]) == second.hex().upper()


def test_run_without_new_input_repeats_its_answer(program: Path) -> None:
    first, again, out, third, fourth, after = answers(
        program, "IN 0 0 05", "RUN", "RUN", "OUT 0 0 1", "IN 0 0 05", "RUN", "OUT 0 0 1"
    )[1:]
    assert first == again
    assert out == "OK 06"
    assert third == "OK"
    assert fourth.startswith("OK ")
    assert after == "OK 07", "the sample model counts its inferences: this is the second one"


def test_reset_forgets(program: Path) -> None:
    steps = ["IN 0 0 05", "RUN", "RESET", "OUT 0 0 1", "RUN", "IN 0 0 05", "RUN", "OUT 0 0 1"]
    got = answers(program, *steps)
    assert got[2:5] == ["OK", "ERR 5 the model has not run", "ERR 5 no input was written"]
    assert got[7] == "OK 06"


def test_output_needs_a_run_after_the_last_input(program: Path) -> None:
    assert answers(program, "RUN") == ["ERR 5 no input was written"]
    got = answers(program, "IN 0 0 05", "RUN", "IN 0 1 05", "OUT 0 0 1")
    assert got[-1] == "ERR 5 the model has not run"


@pytest.mark.parametrize(
    "command",
    [
        "IN",
        "IN ",
        "IN 0",
        "IN 0 0",
        "IN 0 0 ",
        "IN 0 0 0",
        "IN 0 0 0G",
        "IN 0 0 g0",
        "IN 2 0 00",
        "IN 0 600 00",
        "IN 0 599 0000",
        "IN 0 601 00",
        "IN -1 0 00",
        "IN 0 -1 00",
        "IN  0 0 00",
        "IN 0 0 00 ",
        "IN 0 0 00 00",
        "IN 0 4294967295 00",
        "IN 0 4294967296 00",
        "IN 0x0 0 00",
        "IN 1 4 0000",
        "IN 1000000000 0 00",
        f"IN 0 0 {'00' * (CHUNK + 1)}",
        "IN 0 0 0 0",
        "OUT",
        "OUT 0",
        "OUT 0 0",
        "OUT 0 0 0",
        "OUT 0 8 1",
        "OUT 0 7 2",
        "OUT 2 0 1",
        "OUT 0 0 9",
        "OUT 1 0 241",
        "OUT 0 0 1 ",
        "OUT 0 0 1 1",
        "OUT 0 9 0",
        "OUT 0 4294967295 2",
        "RUN 1",
        "RUN ",
        "INFO 1",
        "SELFTEST x",
        "RESET 0",
    ],
)
def test_bad_arguments(program: Path, command: str) -> None:
    assert answers(program, "IN 0 0 05", "RUN", command)[2:] == ["ERR 4 bad argument"]


@pytest.mark.parametrize(
    "command", ["", " ", "run", "RUNS", "IN1 0 00", "INFOS", " RUN", "*", "RU"]
)
def test_unknown_commands(program: Path, command: str) -> None:
    assert answers(program, command) == ["ERR 3 unknown command"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b">INFO*01C7\n", "ERR 1 wrong CRC"),
        (b">INFO*01cg\n", "ERR 1 wrong CRC"),
        (b">INFP*01C6\n", "ERR 1 wrong CRC"),
        (b">INFO\n", "ERR 1 no CRC"),
        (b">\n", "ERR 1 no CRC"),
        (b">*\n", "ERR 1 no CRC"),
        (b">INFO*01C\n", "ERR 1 no CRC"),
        (b">INFO*01C6 \n", "ERR 1 no CRC"),
        (b">" + b"A" * (LINE_LIMIT + 1) + b"\n", "ERR 2 line too long"),
        (b">" + b"A" * 100_000 + b"\n", "ERR 2 line too long"),
        (request("X" * (LINE_LIMIT - 5)), "ERR 3 unknown command"),
        (request("X" * (LINE_LIMIT - 4)), "ERR 2 line too long"),
        (request("INFO\0"), "ERR 3 unknown command"),
    ],
)
def test_damaged_lines(program: Path, line: bytes, answer: str) -> None:
    assert replies(program, line + request("SELFTEST")) == [answer, "OK 3 3"]


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\n",
        b"\r\n\r\n",
        b"INFO*01C6\n",
        b"<OK*0000\n",
        bytes(range(62)),
        b"\xff" * 2000,
        b">>>>",
        b">INFO*01",
        b">" + b"A" * 9999,
    ],
)
def test_a_new_line_starts_at_its_first_character(program: Path, noise: bytes) -> None:
    assert replies(program, noise + request("SELFTEST")) == ["OK 3 3"]


@pytest.mark.parametrize("tag", ["0", "7", "000007", "999999"])
def test_a_reply_repeats_the_tag_of_its_request(program: Path, tag: str) -> None:
    commands = ("SELFTEST", "IN 0 0 05", "RUN 1", "NONSENSE", "OUT 0 0 8", "RUN")
    got = answers(program, *(f"{command}#{tag}" for command in commands))
    assert got[:5] == [
        f"OK 3 3#{tag}",
        f"OK#{tag}",
        f"ERR 4 bad argument#{tag}",
        f"ERR 3 unknown command#{tag}",
        f"ERR 5 the model has not run#{tag}",
    ]
    assert re.fullmatch(rf"OK \d+#{tag}", got[5])


@pytest.mark.parametrize("tag", ["#", "#x", "#1234567", "#-1", "# 1", "#1 "])
def test_what_is_no_tag_is_a_bad_argument_or_no_command(program: Path, tag: str) -> None:
    got = answers(program, f"SELFTEST{tag}", f"SELFTEST {tag}", "SELFTEST")
    assert got[2] == "OK 3 3"
    assert all(re.fullmatch(r"ERR (3 unknown command|4 bad argument)", text) for text in got[:2])


def test_a_tag_belongs_to_one_request(program: Path) -> None:
    assert answers(program, "SELFTEST#5", "SELFTEST", "SELFTEST#6#7") == [
        "OK 3 3#5",
        "OK 3 3",
        "ERR 3 unknown command#7",
    ]


def test_the_longest_request_has_room_for_a_tag(program: Path) -> None:
    assert answers(program, f"IN 00 00000000 {'00' * CHUNK}#999999") == ["OK#999999"]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\n\r\n"])
def test_any_end_of_line(program: Path, end: bytes) -> None:
    line = request("SELFTEST").replace(b"\n", end)
    assert replies(program, line * 3) == ["OK 3 3"] * 3


def test_lower_case_hex_is_taken(program: Path) -> None:
    line = b">OUT 0 0 8*%04x\n" % crc16(b"OUT 0 0 8")
    assert replies(program, request("IN 0 0 fF") + request("RUN") + line)[2].startswith("OK 00")


def test_a_failing_model_is_reported(tmp_path: Path) -> None:
    """The model of this program refuses to start."""
    facts = sample_facts()
    program = host_program(facts, tmp_path, edits={"ctx->magic = MAGIC;": ""})
    lines = b"".join(map(request, ("SELFTEST", "IN 0 0 00", "RUN", "RESET")))
    result = subprocess.run([program], check=False, input=lines, capture_output=True)
    assert result.returncode == 1
    texts = [line.rpartition(b"*")[0] for line in result.stdout.split(b"\n")[1:-1]]
    assert texts[0] == b"<OK 0 3"
    assert texts[2:] == [b"<ERR 5 the model failed", b"<ERR 5 the model is not usable"]


_numbers = st.integers(0, 800).map(str) | st.from_regex(r"[0-9 -]{0,12}", fullmatch=True)
_hex = st.binary(max_size=CHUNK + 10).map(lambda data: data.hex())
_sound = st.one_of(
    st.sampled_from(["INFO", "SELFTEST", "RUN", "RESET", "OUT 0 0 8", "OUT 1 460 240"]),
    st.builds("IN {} {} {}".format, _numbers, _numbers, _hex),
    st.builds("OUT {} {} {}".format, _numbers, _numbers, _numbers),
    st.from_regex(r"(IN|OUT|RUN|INFO)[ -~]{0,30}", fullmatch=True).filter(lambda t: ">" not in t),
).map(request)
_damaged = st.builds(
    lambda line, at, byte: line[: at % len(line)] + byte + line[at % len(line) :],
    _sound,
    st.integers(0, 1000),
    st.binary(min_size=1, max_size=3),
)
_traffic = st.lists(st.one_of(_sound, _damaged, st.binary(max_size=700)), max_size=30)


def _survives(program: Path, traffic: list[bytes]) -> None:
    """Whatever was sent: replies are well formed, and the next command is understood."""
    got = replies(program, b"".join(traffic) + request("SELFTEST"))
    assert got[-1] == "OK 3 3"
    assert len(got) <= 1 + sum(part.count(b"\n") + part.count(b"\r") for part in traffic)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(traffic=_traffic)
def test_any_bytes(program: Path, traffic: list[bytes]) -> None:
    _survives(program, traffic)


@pytest.mark.slow
@pytest.mark.fuzz
def test_any_bytes_for_longer(program: Path) -> None:
    end = time.monotonic() + float(os.environ.get("TFLM_EXT_FUZZ_SECONDS", "5"))

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(traffic=_traffic)
    def survives(traffic: list[bytes]) -> None:
        _survives(program, traffic)

    while time.monotonic() < end:
        survives()


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    """Every line of the example is right, and a real program gives these very answers."""
    page = (ROOT / "docs/reference/protocol.md").read_text()
    example = page[page.index("```text\n>") :].partition("```text\n")[2].partition("```")[0]
    lines = example.splitlines()
    for line in lines:
        text, _, crc = line[1:].partition("*")
        assert int(crc, 16) == crc16(text.encode()), line
    sent = [line for line in lines if line[0] == ">"]
    expected = [line for line in lines if line[0] == "<"]
    assert [line[0] for line in lines] == [">", "<"] * len(sent)
    program = host_program(sample_facts(inputs=((1, 4),), outputs=((1, 4),)), tmp_path)
    got = subprocess.run(
        [program], check=True, input="\n".join([*sent, ""]), capture_output=True, text=True
    ).stdout.splitlines()[1:]
    for asked, received, shown in zip(sent, got, expected, strict=True):
        assert received == shown or asked.startswith(">RUN")
