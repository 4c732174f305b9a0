"""Files of other programs: what is written, what is read, and what is refused."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.signals.wavs import int24, wav
from tests.store.motions import SENSOR, SOURCE, contents, drawn, record
from tests.store.test_recordings import PIPELINE, torn
from tflm_ext.convert import load_npz
from tflm_ext.errors import ConfigError, StorageError, ToolError
from tflm_ext.signals import Analog, Microphone, Motion, Recording
from tflm_ext.signals.recordings import read_recording
from tflm_ext.store import Segment, Sensor, Store
from tflm_ext.store.exports import export_file, export_folder, export_npz
from tflm_ext.store.imports import import_file
from tflm_ext.store.incoming import rate_of

RATES: list[Any] = [50, "104/3", 62.5, "119", 16_000, "125000/3"]
SOURCES: list[Any] = [
    Motion(RATES[1], range_g=3),
    Motion(RATES[0], axes="both"),
    Microphone(RATES[4]),
    Microphone(RATES[5], channels=2),
    Analog(RATES[2], bits=16, signed=True, low=-1.3, high=2.9, channels=2),
    Recording(RATES[3], channels=16, unit="Pa", scale=0.37),
]


def _all_but_files(segment: Segment) -> Any:
    return segment.description, segment.label, segment.session


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)
@pytest.mark.parametrize("form", ["csv", "json", "cbor"])
def test_samples_return_exactly_with_the_source(tmp_path: Path, source: Any, form: str) -> None:
    if form == "cbor":
        pytest.importorskip("cbor2")
    store = Store(tmp_path / "a")
    sensor = Sensor.of(source)
    samples = drawn(3, 40, sensor.channels)
    segment = record(store, "wave", samples, "s", sensor=sensor)
    path = export_file(tmp_path / f"one.{form}", [segment])
    (found,) = import_file(Store(tmp_path / "b"), path, "wave", source=source)
    assert np.array_equal(found.read(), samples)
    assert found.description.sensor.rate == source.spec.rate
    assert (found.label, found.session) == ("wave", "one")
    assert found.description.sensor.scale == sensor.scale


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_csv_returns_exactly_without_a_source(tmp_path: Path, rate: Any) -> None:
    samples = drawn(4, 200)
    segment = record(Store(tmp_path / "a"), "wave", samples, sensor=Sensor.of(Motion(rate)))
    path = export_file(tmp_path / "one.csv", [segment])
    (found,) = import_file(Store(tmp_path / "b"), path, "rest")
    assert np.array_equal(found.read(), samples)
    assert found.description.sensor.rate == segment.description.sensor.rate
    assert np.array_equal(PIPELINE.recording(path) if rate == 50 else samples, samples)


def test_real_values_return_exactly_if_their_scale_is_a_power_of_two(tmp_path: Path) -> None:
    samples = drawn(5, 60)
    samples[samples == -(2**15)] = 0
    segment = record(Store(tmp_path / "a"), "wave", samples)
    path = export_file(tmp_path / "one.json", [segment])
    (found,) = import_file(Store(tmp_path / "b"), path, "wave")
    real = found.read() * np.array(found.description.sensor.scale)
    assert np.array_equal(real, samples * np.array(SENSOR.scale))
    assert found.description.sensor.units == ("g", "g", "g")


def test_a_npz_keeps_everything(tmp_path: Path) -> None:
    store = Store(tmp_path / "a")
    torn(store)
    with store.writer("größe", SENSOR, session="b", who="ada", event={"score": 7}) as writer:
        for i in range(9):
            writer.write(drawn(i, 10), time_us=5_000 + i * 200_000)
    path = export_npz(tmp_path / "all.npz", store.segments())
    before = path.read_bytes()
    with np.load(path, allow_pickle=False) as file:
        assert np.array_equal(file["wave/torn-1"], store.segment("torn-1").read())
    copied = Store(tmp_path / "b")
    import_file(copied, path)
    assert list(map(_all_but_files, copied.segments())) == list(
        map(_all_but_files, store.segments())
    )
    for own, other in zip(copied.segments(), store.segments(), strict=True):
        assert np.array_equal(own.read(), other.read())
    export_npz(path, copied.segments())
    assert path.read_bytes() == before
    relabelled = import_file(Store(tmp_path / "c"), path, "rest", session="s")
    assert [own.name for own in relabelled] == ["rest/s-1", "rest/s-2"]


def test_a_npz_of_windows_is_data_of_a_model(tmp_path: Path) -> None:
    store = Store(tmp_path / "a")
    torn(store)
    record(store, "rest", drawn(9, 30), "b")
    path = export_npz(tmp_path / "x.npz", store.segments(), PIPELINE)
    found = load_npz(path)
    features = [PIPELINE.quantized(part) for part in store.recordings()]
    assert np.array_equal(found.x, PIPELINE.real(np.concatenate(features)))
    assert found.y is not None
    assert found.y.tolist() == [0] * 5 + [1] * (4 + 5)
    export_npz(path, store.segments(), PIPELINE, ["wave", "rest"])
    assert load_npz(path).y.tolist() == [1] * 5 + [0] * 9  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="'wave' is not one of the classes rest"):
        export_npz(path, store.segments(), PIPELINE, ["rest"])


def test_a_folder_has_a_file_for_each_part(tmp_path: Path) -> None:
    store = Store(tmp_path / "a")
    torn(store)
    record(store, "a.b", drawn(9, 30), "b")
    done = export_folder(tmp_path / "out", store.segments())
    names = ["a_b.b-1.csv", *(f"wave.torn-1.{i}.csv" for i in (1, 2, 3))]
    assert [path.name for path in done] == names == sorted(contents(tmp_path / "out"))
    with pytest.raises(ConfigError, match="Choose one with --segment"):
        export_file(tmp_path / "one.csv", store.segments())
    with pytest.raises(ConfigError, match="Did you mean csv"):
        export_folder(tmp_path / "out", store.segments(), "cvs")
    with pytest.raises(ConfigError, match="no recording to export"):
        export_folder(tmp_path / "out", [])
    with pytest.raises(ConfigError, match="endings"):
        export_npz(tmp_path / "a.zip", store.segments())


def test_a_failed_export_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "a")
    segment = record(store, "wave", drawn(0, 9))
    path = export_file(tmp_path / "one.csv", [segment])
    before = contents(tmp_path)

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tflm_ext.store.exports.os.replace", fail)
    with pytest.raises(StorageError, match="Free some space"):
        export_file(path, [record(store, "wave", drawn(1, 9))])
    assert contents(tmp_path).items() >= before.items()
    assert not list(tmp_path.glob(".*"))


# ---------------------------------------------------------------- Edge Impulse


def test_the_json_of_edge_impulse(tmp_path: Path) -> None:
    store = Store(tmp_path / "a")
    with store.writer("wave", SENSOR, when="2026-04-12T09:30:00+02:00") as writer:
        writer.write([[8192, 0, -8192], [4096, 1, 0]])
    segment = Segment.open(writer.paths[0])
    path = export_file(tmp_path / "one.json", [segment])
    assert json.loads(path.read_bytes()) == {
        "protected": {"ver": "v1", "alg": "none", "iat": 1775979000},
        "signature": "0" * 64,
        "payload": {
            "device_type": "LSM9DS1",
            "interval_ms": 20,
            "sensors": [{"name": axis, "units": "g"} for axis in "xyz"],
            "values": [[1.0, 0.0, -1.0], [0.5, 2.0**-13, 0.0]],
        },
    }


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_signatures(tmp_path: Path, form: str) -> None:
    """Computed here as the format's documentation says, and checked on reading."""
    if form == "cbor":
        pytest.importorskip("cbor2")
    segment = record(Store(tmp_path / "a"), "wave", drawn(0, 9))
    path = export_file(tmp_path / f"one.{form}", [segment], key="a key")
    data = path.read_bytes()
    loads: Any = json.loads if form == "json" else __import__("cbor2").loads
    content = loads(data)
    assert content["protected"]["alg"] == "HS256"
    signature = content["signature"].encode()
    wanted = hmac.new(b"a key", data.replace(signature, b"0" * 64), hashlib.sha256).hexdigest()
    assert signature == wanted.encode()
    store = Store(tmp_path / "b")
    import_file(store, path, "wave", key="a key")
    import_file(store, path, "wave")
    with pytest.raises(ConfigError, match="not signed with this key"):
        import_file(store, path, "wave", key="another key")
    path.write_bytes(data.replace(b"LSM9DS1", b"LSM9DS2"))
    with pytest.raises(ConfigError, match="not signed with this key, or was changed"):
        import_file(store, path, "wave", key="a key")
    unsigned = export_file(tmp_path / f"two.{form}", [segment])
    with pytest.raises(ConfigError, match="not signed"):
        import_file(store, unsigned, "wave", key="a key")


def test_sound_is_counts(tmp_path: Path) -> None:
    content: Any = {
        "protected": {"ver": "v1", "alg": "none"},
        "signature": "0",
        "payload": {
            "device_type": "phone",
            "interval_ms": 0.0625,
            "sensors": [{"name": "audio", "units": "wav"}],
            "values": [-10, 2, 32767, -32768],
        },
    }
    path = tmp_path / "word.01.json"
    path.write_text(json.dumps(content))
    (found,) = import_file(Store(tmp_path / "a"), path, "word")
    assert found.read().tolist() == [[-10], [2], [32767], [-32768]]
    assert found.session == "word.01"
    wanted = Sensor.of(Microphone(), "phone")
    assert found.description.sensor.rate == 16_000
    assert found.description.sensor.scale == wanted.scale
    assert len(read_recording(found.path, Microphone())) == 4


def test_cbor_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = record(Store(tmp_path / "a"), "wave", drawn(0, 9))
    monkeypatch.setitem(sys.modules, "cbor2", None)
    with pytest.raises(ToolError, match=r"tflm_ext\[cbor\]"):
        export_file(tmp_path / "one.cbor", [segment])
    assert not (tmp_path / "one.cbor").exists()


def test_cbor_as_devices_write_it(tmp_path: Path) -> None:
    """Firmware does not know how many values will follow: open lists, float16 and float32."""
    pytest.importorskip("cbor2")
    text = lambda word: bytes([0x60 + len(word)]) + word.encode()  # noqa: E731
    data = (
        b"\xbf" + text("protected") + b"\xa0" + text("payload") + b"\xa3"
        + text("interval_ms") + b"\x14"
        + text("sensors") + b"\x81\xa2" + text("name") + text("x") + text("units") + text("g")
        + text("values") + b"\x9f\x81\xf9\x3c\x00\x81\xfa\xbf\x00\x00\x00\x81\x20\xff\xff"
    )  # fmt: skip
    path = tmp_path / "a.cbor"
    path.write_bytes(data)
    (found,) = import_file(
        Store(tmp_path / "a"), path, "wave", source=Recording(RATES[0], 1, "g", 2.0**-10)
    )
    assert found.read().tolist() == [[1024], [-512], [-1024]]


@pytest.mark.parametrize("rate", [100 * 3.14159265, 0.0123456789, 99.99999, 1 / 3])
def test_rates_that_are_not_simple(rate: float) -> None:
    assert abs(float(rate_of(rate)) / rate - 1) < 1e-4
    assert rate < 1 or abs(float(rate_of(rate)) / rate - 1) < 1e-7


# ---------------------------------------------------------------- WAV


def test_wav_files_of_others(tmp_path: Path) -> None:
    store = Store(tmp_path / "a")
    noise = drawn(0, 30)
    path = tmp_path / "hello world.wav"
    path.write_bytes(wav(noise.astype("<i2").tobytes(), rate=50, channels=3))
    (found,) = import_file(store, path, "wave")
    assert np.array_equal(found.read(), noise)
    assert found.name == "wave/hello world-1"
    assert found.description.when == ""
    (found,) = import_file(store, path, "wave", source=SOURCE)
    assert found.description.sensor.units == ("g", "g", "g")
    assert np.array_equal(PIPELINE.recording(found.path), noise)
    path.write_bytes(wav(int24(noise), rate=50, channels=3, bits=24))
    (found,) = import_file(store, path, "wave")
    assert found.samples == 30
    own = record(store, "rest", noise, "b", who="ada")
    (copied,) = import_file(Store(tmp_path / "c"), own.path, "rest")
    assert copied.description == own.description


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.xyz", "", "an ending that is not known"),
        ("a.csv", "x,y,z\n1,2,3\n", "does not say its rate"),
        ("a.csv", "time_ns,x [counts]\n0,1\n", "does not say its rate"),
        ("a.csv", "time_ns,x [counts]\n0,1\n20000000,2.5\n", "not whole numbers"),
        ("a.csv", "time_ns,x [counts]\n0,1\nNaN,2\n", "does not say its rate"),
        ("a.csv", "time_ns,x [counts]\n0,1\n20000000,99999\n", "counts of the source"),
        ("a.json", "", "not JSON"), ("a.json", "[" * 100_000, "not JSON"),
        ("a.json", "7", "no 'protected'"), ("a.json", '{"protected": {}}', "no 'payload'"),
        ("a.json", '{"protected": NaN}', "not JSON"),
        ("a.npz", "", "not a file of recordings"), ("a.npz", "PK\x03\x04", "not a file of rec"),
        ("a.wav", "RIFF", "WAV file"),
    ],
)  # fmt: skip
def test_other_files(tmp_path: Path, name: str, text: str, why: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError, match=why):
        import_file(Store(tmp_path / "a"), path, "wave")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("interval_ms", 0, "interval_ms is 0"), ("interval_ms", "20", "interval_ms"),
        ("interval_ms", True, "interval_ms"), ("interval_ms", 1e-9, "interval_ms"),
        ("sensors", [], "1 to 16 sensors"), ("sensors", [{"name": "x"}] * 17, "1 to 16 sensors"),
        ("sensors", [7], "not an object"), ("sensors", [{"name": 7}], "no name"),
        ("sensors", [{"name": "x", "units": "\x1b[2J"}], "no name, or its unit"),
        ("values", 7, "not a list"), ("values", [[1, 2]], "does not have 1 values"),
        ("values", ["1"], "not numbers"), ("values", [True], "not numbers"),
        ("values", [None], "not numbers"), ("values", [[[1]]], "not numbers"),
        ("values", [10**400], "too large"), ("values", [1e300], "too large"),
        ("values", [], "no samples"),
    ],
)  # fmt: skip
def test_other_content(tmp_path: Path, key: str, value: Any, why: str) -> None:
    content: Any = {"interval_ms": 20, "sensors": [{"name": "x", "units": "g"}], "values": [1, 2.5]}
    path = tmp_path / "a.json"
    store = Store(tmp_path / "a")
    for payload, fits in ((content, True), (content | {key: value}, False)):
        path.write_text(json.dumps({"protected": {}, "payload": payload}))
        if fits:
            import_file(store, path, "wave")
            continue
        before = contents(tmp_path)
        with pytest.raises(ConfigError, match=why):
            import_file(store, path, "wave")
        assert contents(tmp_path) == before


def test_another_rate_or_unit_than_that_of_the_source(tmp_path: Path) -> None:
    segment = record(Store(tmp_path / "a"), "wave", drawn(0, 9))
    store = Store(tmp_path / "b")
    path = export_file(tmp_path / "one.json", [segment])
    with pytest.raises(ConfigError, match=r"one\.json has 50 samples per second"):
        import_file(store, path, "wave", source=Motion(RATES[2]))
    with pytest.raises(ConfigError, match=r"one\.json has 'x' in g; the source's unit"):
        import_file(store, path, "wave", source=Motion(RATES[0], axes="rotation"))
    with pytest.raises(ConfigError, match=r"one\.json has the axes x, y, z"):
        import_file(store, path, "wave", source=Microphone(RATES[0]))
    with pytest.raises(ConfigError, match="does not say its label"):
        import_file(store, path)
    with pytest.raises(ConfigError, match="cannot be the name"):
        import_file(store, path, "../x")
