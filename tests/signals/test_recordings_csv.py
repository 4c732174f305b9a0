"""CSV files: columns, units, times, and what is wrong with a line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tflm_ext.errors import ConfigError
from tflm_ext.signals import Analog, Microphone, Motion, Recording
from tflm_ext.signals import recordings_csv as module
from tflm_ext.signals.recordings import read_recording

RATE: Any = 100
MOTION = Motion(RATE)
COUNTS = [[1, 2, 3], [4, 5, 6]]


def _read(path: Path, content: str | bytes, source: Any = MOTION) -> Any:
    file = path / "own.csv"
    file.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return read_recording(file, source)


def _refused(path: Path, content: str | bytes, source: Any = MOTION) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        _read(path, content, source)
    assert "own.csv" in caught.value.problem
    assert caught.value.problem.endswith(".")
    assert caught.value.hint.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        "1,2,3\n4,5,6\n",
        "1,2,3\n4,5,6",
        "1,2,3\r\n4,5,6\r\n",
        "\n\n1,2,3\n\n4,5,6\n\n",
        "x,y,z\n1,2,3\n4,5,6\n",
        "\ufeffx,y,z\n1,2,3\n4,5,6\n",
        "z,y,x\n3,2,1\n6,5,4\n",
        "x;y;z\n1;2;3\n4;5;6\n",
        "x\ty\tz\n1\t2\t3\n4\t5\t6\n",
        '"x","y","z"\n"1","2","3"\n"4","5","6"\n',
        "# x, y, z\n 1, 2, 3\n4 ,5 ,+6\n",
        "Acc X,Acc Y,Acc Z\n1,2,3\n4,5,6\n",
        "ax [counts],ay (raw),az [LSB]\n1.0,2.0,3.0\n4e0,5,6\n",
        "label,gx,ax,ay,az\nwalk,9,1,2,3\n,9,4,5,6\n",
        ",x,y,z\n0,1,2,3\n1,4,5,6\n",
        "time,x,y,z\n0,1,2,3\n0.01,4,5,6\n",
    ],
)
def test_counts(tmp_path: Path, content: str) -> None:
    found = _read(tmp_path, content)
    assert found.dtype == np.int16
    assert found.tolist() == COUNTS


@pytest.mark.parametrize(
    "content",
    [
        "0.5,-1,2\n",
        "5e-1,-1,2\n",
        "x [g],y [G],z(g)\n0.5,-1,2\n",
        "x,y,z\n.5,-1.,2\n",
    ],
)
def test_real_values(tmp_path: Path, content: str) -> None:
    assert _read(tmp_path, content).tolist() == [[4096, -8192, 16384]]


def test_whole_numbers_with_a_unit_are_real_values(tmp_path: Path) -> None:
    assert _read(tmp_path, "x [g],y [g],z [g]\n1,2,-4\n").tolist() == [[8192, 16384, -32768]]
    both = "ax,ay,az,gx [dps],gy [deg/s],gz [°/s]\n0,0,1,0,1000,-2000\n"
    assert _read(tmp_path, both, Motion(RATE, "both")).tolist() == [[0, 0, 8192, 0, 16384, -32768]]


def test_columns_by_the_names_of_the_user(tmp_path: Path) -> None:
    source = Recording(RATE, 2, "bar", 0.01, ("inlet", "Out-let"))
    found = _read(tmp_path, "outlet,room,INLET [bar]\n1,7,0.5\n2,7,0.25\n", source)
    assert found.tolist() == [[50, 100], [25, 200]]


def test_one_column_by_its_place(tmp_path: Path) -> None:
    assert _read(tmp_path, "loudness\n-3\n4\n", Microphone()).tolist() == [[-3], [4]]
    assert _read(tmp_path, "1.65\n", Analog(RATE)).tolist() == [[2048]]


def test_an_empty_table_is_an_empty_recording(tmp_path: Path) -> None:
    assert _read(tmp_path, "time,x,y,z\n").shape == (0, 3)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("1,2,3\n4,five,6\n", 2, "'five' in column 2 is not a number"),
        ("x,y,z\n1,2,3\n4,five,6\n", 3, "'five' in column 'y' is not a number"),
        ("1,2,3\n\n4,,6\n", 3, "a number is missing in column 2"),
        ("1,2,3\n,,\n", 2, "a number is missing in column 1"),
        ("1,2,3\n4,5,nan\n", 2, "'nan' in column 3"),
        ("1,2,nan\n4,5,6\n", 1, "'nan' in column 3"),
        ("1,2,3\n4,-inf,6\n", 2, "'-inf' in column 2"),
        ("1,2,3\n4,1e999,6\n", 2, "'1e999' in column 2"),
        ("1,2,3\n4,1_0,6\n", 2, "'1_0' in column 2"),
        ("1,2,3\n4,\u0661,6\n", 2, "'\u0661' in column 2"),
        ("1,2,3\n4,0x10,6\n", 2, "'0x10' in column 2"),
        ("1,2,3\n4,5\n", 2, "it has 2 columns, and the first line 3"),
        ("1,2,3\n4,5,6,7\n", 2, "it has 4 columns, and the first line 3"),
        ("1,2,3\n4,5,6\nend of file\n", 3, "it has 1 columns"),
        ('1,2,3\n4,"5\n6\n7",6\n', 4, "is not a number"),
        ("1;2;3\n4;0,5;6\n", 2, "'0,5' in column 2"),
        ("1,2,3\rx\n4,5,6\n", 1, "it is not CSV"),
        ("time,x,y,z\n12:00:00,1,2,3\n", 2, "'12:00:00' in column 'time'"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path: Path, content: str, line: int, words: str) -> None:
    problem = _refused(tmp_path, content).problem
    assert f"own.csv, line {line}: " in problem
    assert words in problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n \n\n", "is empty"),
        ("1,2\n", "2 columns without names"),
        ("0.00,1,2,3\n", "4 columns without names"),
        ("a,b,c\n1,2,3\n", "'a', 'b', 'c'"),
        ("gx,gy,gz\n1,2,3\n", "'gx', 'gy', 'gz'"),
        ("x,y\n1,2\n", "no column 'z'"),
        ("x,y,z,ax\n1,2,3,4\n", "2 columns 'x'"),
        ("x [m/s^2],y,z\n1,2,3\n", "'x [m/s^2]'; the source's unit is g"),
        ("x [mg],y [mg],z [mg]\n1,2,3\n", "'x [mg]'"),
        ("x [g],y [counts],z\n1,2,3\n", "with counts, and others with real values"),
        ("x [raw],y,z\n1,2.5,3\n", "not whole"),
        ("x,y,z\n1,2,40000\n", "has 40000 at sample 0, channel 2"),
        ("x,y,z\n0.1,0.2,9.81\n", "range is -4 to"),
        ("time,t,x,y,z\n0,0,1,2,3\n", "2 columns with times"),
        ("time [h],x,y,z\n0,1,2,3\n", "times in 'h'"),
        ("time_h,x,y,z\n0,1,2,3\n", "times in 'h'"),
        ("," * 2000 + "\n", "2,001 columns"),
        ("1,2,3\n" + "4" * 70_000 + ",5,6\n", "line 2 is longer"),
        ("1,2,3\n\0,5,6\n", "line 2 has a null character"),
        ("x,y,z\n1,2,3\n".encode("utf-16"), "line 1 has a null character"),
        (b"1,2,3\n\xff\xfe,5,6\n", "line 2 is not UTF-8"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str | bytes, words: str) -> None:
    assert words in _refused(tmp_path, content).problem


def test_counts_of_a_converter(tmp_path: Path) -> None:
    assert "has 4096 at" in _refused(tmp_path, "12\n4096\n", Analog(RATE)).problem


def test_a_file_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES", 10)
    assert _read(tmp_path, "1,2,3\n" * 3).shape == (3, 3)
    assert "more than 10 numbers" in _refused(tmp_path, "1,2,3\n" * 4).problem


# ---------------------------------------------------------------- times


def _timed(times: Any, form: str = "{:.6f}", name: str = "time") -> str:
    rows = (f"{form.format(t)},{i},0,0" for i, t in enumerate(times))
    return f"{name},x,y,z\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("time", 1),
        ("T", 1),
        ("timestamp", 1),
        ("Time (s)", 1),
        ("time_s", 1),
        ("time_ms", 1e3),
        ("t [ms]", 1e3),
        ("timestamp us", 1e6),
        ("time [µs]", 1e6),
        ("micros", 1e6),
        ("millis", 1e3),
        ("time_ns", 1e9),
    ],
)
def test_units_of_times(tmp_path: Path, name: str, factor: float) -> None:
    times = (5 + np.arange(20) / 100) * factor
    assert len(_read(tmp_path, _timed(times, name=name))) == 20


@pytest.mark.parametrize("seed", range(4))
def test_a_clock_that_wavers(tmp_path: Path, seed: int) -> None:
    """Times may waver by a fifth of a sample, and run two percent fast or slow."""
    random = np.random.default_rng(seed)
    for factor in (0.985, 1.0, 1.015):
        times = 1.7e9 + factor * np.arange(300) / 100 + random.uniform(-0.002, 0.002, 300)
        assert len(_read(tmp_path, _timed(times))) == 300


@pytest.mark.parametrize("rate", [Fraction(119), Fraction(119, 2), Fraction(400), Fraction(1600)])
def test_times_that_are_rounded(tmp_path: Path, rate: Fraction) -> None:
    """Milliseconds are coarse for many sensors: samples then seem early, late or equal."""
    times = np.floor(np.arange(500) / float(rate) * 1000)
    content = _timed(times, "{:.0f}", "time_ms")
    assert len(_read(tmp_path, content, Motion(rate))) == 500


REGULAR = np.arange(50) / 100


def _changed(change: Any) -> Any:
    times = REGULAR.copy()
    change(times)
    return times


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (np.arange(50) / 119, "has 119 samples per second"),
        (np.arange(50) / 104, "has 104 samples per second"),
        (np.arange(50) / 97, "has 97"),
        (np.arange(50) * 10, "time_ms"),
        (np.arange(50) * 1e4, "time_us"),
        (np.arange(50) / 1e5, "time_s"),
        (np.delete(REGULAR, 20), "line 22: there are 0.02 s since the sample before"),
        (np.delete(REGULAR, range(20, 40)), "20 or more are missing"),
        (_changed(lambda t: t.__setitem__(slice(20, None), t[20:] + 3600)), "line 22: "),
        (_changed(lambda t: t.__setitem__(slice(20, None), t[20:] - 1)), "line 22: the clock runs"),
        (_changed(lambda t: t.__setitem__(20, t[19])), "line 22: two samples have the same time"),
        (_changed(lambda t: t.__setitem__(20, t[19] + 0.001)), "line 22: the clock jumps"),
        (np.concatenate([REGULAR, REGULAR]), "line 52: the clock runs backwards"),
        (REGULAR[::-1], "line 3: the clock runs backwards"),
        (np.zeros(50), "line 3: two samples have the same time"),
        (np.repeat(np.arange(10) / 10, 10), "the same time"),
        ([0, 5], "0.2 samples per second"),
        ([5, 0], "backwards"),
    ],
)
def test_times_that_do_not_fit(tmp_path: Path, times: Any, words: str) -> None:
    error = _refused(tmp_path, _timed(times))
    assert words in f"{error.problem} {error.hint}"


def test_times_of_ignored_columns_are_checked_too(tmp_path: Path) -> None:
    content = "note,z,t,y,x\n" + "".join(f"a,3,{i},2,1\n" for i in range(5))
    assert "1 samples per second" in _refused(tmp_path, content).problem


def test_one_sample_has_no_rate(tmp_path: Path) -> None:
    assert len(_read(tmp_path, _timed([7]))) == 1


def test_rounded_times_of_another_rate(tmp_path: Path) -> None:
    """119 samples in a second are found although milliseconds hide it from sample to sample."""
    times = np.floor(np.arange(500) / 119 * 1000)
    content = _timed(times, "{:.0f}", "time_ms")
    assert "samples per second" in _refused(tmp_path, content, Motion(RATE)).problem
