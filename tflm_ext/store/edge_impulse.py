"""Edge Impulse's data acquisition format: JSON or CBOR, unsigned or signed by HMAC-SHA256.

The signature is that of the whole file, in which the signature itself is 64 zeros. Values are real
ones in the units of the sensor; sound of one channel has counts, and the unit "wav". The format has
no place for gaps: each part between gaps is a file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np

from tflm_ext.errors import ConfigError
from tflm_ext.signals.checks import rate
from tflm_ext.signals.described import Description, Sensor
from tflm_ext.signals.sources import FULL_SCALE, Source
from tflm_ext.signals.stage import Array
from tflm_ext.store import cbor
from tflm_ext.store.cbor import damaged
from tflm_ext.store.incoming import Incoming, from_values, named_axes, rate_of

Json: TypeAlias = dict[str, Any]

ZEROS = "0" * 64
_MOST_CHANNELS = 16
_WAV = "wav"
_FULL_SCALE = "full scale"
_TO_UNIT = {"degrees per second": "deg/s"}
_FROM_UNIT = {
    "deg/s": "degrees per second",
    "dps": "degrees per second",
    "°/s": "degrees per second",
}


def encode(
    samples: Array, description: Description, *, binary: bool, key: str | None = None
) -> bytes:
    """Return samples as a file of the format.

    Args:
        samples: (samples, channels), int16, without a gap.
        binary: CBOR instead of JSON.
        key: HMAC key of the project; None leaves the file unsigned.

    Raises:
        ToolError: CBOR, and cbor2 is not installed.
    """
    sensor = description.sensor
    units = [_TO_UNIT.get(unit, unit) for unit in sensor.units]
    if sensor.units == (_FULL_SCALE,):
        units, values = [_WAV], samples.tolist()
    else:
        values = ((samples - np.array(sensor.zero)) * np.array(sensor.scale)).tolist()
    interval = 1000 / sensor.rate
    content: Json = {
        "protected": {"ver": "v1", "alg": "none" if key is None else "HS256"},
        "signature": ZEROS,
        "payload": {
            "device_type": sensor.name or "tflm_ext",
            "interval_ms": interval.numerator if interval.denominator == 1 else float(interval),
            "sensors": [
                {"name": axis, "units": unit} for axis, unit in zip(sensor.axes, units, strict=True)
            ],
            "values": values,
        },
    }
    created = _seconds(description.when)
    if created is not None:
        content["protected"]["iat"] = created
    encoded = _encoded(content, binary)
    if key is None:
        return encoded
    content["signature"] = _signature(encoded, key)
    return _encoded(content, binary)


def _encoded(content: Json, binary: bool) -> bytes:
    if binary:
        return cbor.dumps(content)
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _signature(encoded: bytes, key: str) -> str:
    return hmac.new(key.encode("utf-8"), encoded, hashlib.sha256).hexdigest()


def _seconds(when: str) -> int | None:
    """Return a time as seconds since 1970; None if it is not known."""
    try:
        return int(datetime.fromisoformat(when).timestamp())
    except (ValueError, OverflowError, OSError):
        return None


# ---------------------------------------------------------------- reading


def decode(
    data: bytes,
    where: str,
    source: Source | None = None,
    *,
    binary: bool,
    key: str | None = None,
) -> Incoming:
    """Return the recording in a file of the format.

    Args:
        where: name of the file, for messages.
        source: of which the samples become counts; None chooses a scale.
        binary: CBOR instead of JSON.
        key: HMAC key, to check the signature; None does not check it.

    Raises:
        ConfigError: it is damaged, has another signature, or does not fit the source.
        ToolError: CBOR, and cbor2 is not installed.
    """
    content = cbor.loads(data, where) if binary else _parsed(data, where)
    protected = _object(content, "protected", where)
    payload = _object(content, "payload", where)
    if key is not None:
        _require_signature(data, content.get("signature"), protected, key, where)
    sensor, units = _sensor(payload, where)
    values = _values(payload.get("values"), sensor.channels, where)
    samples, sensor = from_values(values, sensor, source, where, counts=units == [_WAV])
    return Incoming(samples, Description(sensor, when=_when(protected.get("iat"))))


def _parsed(data: bytes, where: str) -> Any:
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise damaged(where, "it is not JSON") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _object(content: Any, name: str, where: str) -> Mapping[str, Any]:
    found = content.get(name) if isinstance(content, Mapping) else None
    if not isinstance(found, Mapping):
        raise damaged(where, f"it has no {name!r}")
    return found


def _require_signature(
    data: bytes, signature: Any, protected: Mapping[str, Any], key: str, where: str
) -> None:
    wrong = ConfigError(
        f"{where} is not signed with this key, or was changed afterwards.",
        "Pass the HMAC key of the project, or none to import it unchecked.",
    )
    if protected.get("alg") != "HS256" or not isinstance(signature, str) or len(signature) != 64:
        raise wrong
    given = signature.encode("utf-8")
    found = _signature(data.replace(given, ZEROS.encode(), 1), key)
    if not hmac.compare_digest(found.encode(), given):
        raise wrong


def _sensor(payload: Mapping[str, Any], where: str) -> tuple[Sensor, list[str]]:
    """Return the sensor, with a scale of counts, and the units as they are written."""
    interval = payload.get("interval_ms")
    whole = isinstance(interval, int | float) and not isinstance(interval, bool)
    if not whole or not 1e-4 <= float(interval) <= 1e9:  # type: ignore[arg-type]
        raise damaged(where, f"its interval_ms is {interval!r:.40}")
    sensors = payload.get("sensors")
    if not isinstance(sensors, list) or not 1 <= len(sensors) <= _MOST_CHANNELS:
        raise damaged(where, f"it does not have 1 to {_MOST_CHANNELS} sensors")
    names, units = [], []
    for own in sensors:
        if not isinstance(own, Mapping):
            raise damaged(where, "a sensor is not an object")
        name, unit = own.get("name"), own.get("units", "")
        if not isinstance(name, str) or not isinstance(unit, str) or not unit.isprintable():
            raise damaged(where, "a sensor has no name, or its unit is not a text")
        names.append(name)
        units.append(unit[:40])
    kind = payload.get("device_type")
    known = kind[:40] if isinstance(kind, str) and kind.isprintable() else ""
    sound = units == [_WAV]
    found = Sensor(
        known,
        rate("interval_ms", rate_of(1000 / float(interval))),  # type: ignore[arg-type]
        named_axes(names),
        (_FULL_SCALE,) if sound else tuple(_FROM_UNIT.get(unit, unit) for unit in units),
        (1.0 / FULL_SCALE if sound else 1.0,) * len(units),
        (0.0,) * len(units),
    )
    return found, units


def _values(given: Any, channels: int, where: str) -> Array:
    """Return (samples, channels), float64."""
    if not isinstance(given, list):
        raise damaged(where, "its values are not a list")
    rows = [[value] for value in given] if channels == 1 and not _nested(given) else given
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != channels:
            raise damaged(where, f"sample {number:,} does not have {channels} values")
        if not all(type(value) in (int, float) for value in row):
            raise damaged(where, f"sample {number:,} has values that are not numbers")
    try:
        return np.array(rows, np.float64).reshape(-1, channels)
    except OverflowError as error:
        raise damaged(where, "a value is too large") from error


def _nested(given: list[Any]) -> bool:
    return bool(given) and isinstance(given[0], list)


def _when(seconds: Any) -> str:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return ""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
