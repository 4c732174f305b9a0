"""Which sensors measure the channels of an Analog source: its columns are named after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from tflm_ext.arithmetic.fixed import rounded
from tflm_ext.emit.render import render, verbatim
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.signals import Analog
from tflm_ext.signals.sources import Channel

FASTEST = 25
"""Samples per second that all sensors have."""

_FRACTION_BITS = 32
_MOST_PER_COUNT = 1 << 6
_MOST_ZERO = 1 << 28


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A quantity and its sensor.

    Attributes:
        chip, header, type: its name, and the driver.
        units: real value of a count of the sensor, in units that the source may have.
    """

    chip: str
    header: str
    type: str
    units: Mapping[str, Fraction]


_QUANTITIES = {
    "pressure": _Quantity(
        "LPS22HB",
        "lps22hb.h",
        "Lps22hbPressure",
        {"hPa": Fraction(1, 4096), "kPa": Fraction(1, 40960), "Pa": Fraction(100, 4096)},
    ),
    "temperature": _Quantity(
        "LPS22HB",
        "lps22hb.h",
        "Lps22hbTemperature",
        {unit: Fraction(1, 100) for unit in ("\N{DEGREE SIGN}C", "C", "degrees Celsius")},
    ),
    "proximity": _Quantity(
        "APDS9960", "apds9960.h", "Apds9960Proximity", {"": Fraction(1), "counts": Fraction(1)}
    ),
}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A channel of sensors/gauge_sensor.h.j2.

    Attributes:
        factor, offset: a count of the pipeline is (count of the sensor * factor + offset) / 2^32,
            rounded down.
        low, high: the smallest and the largest one.
    """

    quantity: str
    chip: str
    type: str
    header: str
    factor: int
    offset: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class _GaugeView:
    """Variables of sensors/gauge_sensor.h.j2; the period is in nanoseconds."""

    name: str
    upper: str
    version: str
    rate: str
    headers: tuple[str, ...]
    gauges: tuple[Gauge, ...]
    period: int


def gauges_for(source: Analog) -> tuple[Gauge, ...]:
    """Return a sensor for each channel; nothing if one has none, or the rate is too high."""
    if source.rate > FASTEST:
        return ()
    found = [
        _gauge(name, source.unit, channel)
        for name, channel in zip(source.columns, source.layout, strict=False)
    ]
    known = tuple(gauge for gauge in found if gauge is not None)
    return known if len(known) == len(found) else ()


def gauge_files(
    facts: ModelFacts, source: Analog, gauges: tuple[Gauge, ...]
) -> tuple[RenderedFile, ...]:
    """Return <name>_sensor.h and the drivers."""
    headers = tuple(sorted({gauge.header for gauge in gauges}))
    view = _GaugeView(
        name=facts.name,
        upper=facts.upper,
        version=facts.version,
        rate=f"{float(source.rate):g}",
        headers=headers,
        gauges=gauges,
        period=rounded(10**9 / source.rate, 0),
    )
    return (
        RenderedFile.text(f"{facts.name}_sensor.h", render("sensors/gauge_sensor.h.j2", view)),
        *(
            RenderedFile(f"sensors/{name}", verbatim(f"sensors/{name}"))
            for name in ("bus.h", "gauge.h", "nano33ble.h", *headers)
        ),
    )


def _gauge(name: str, unit: str, channel: Channel) -> Gauge | None:
    quantity = _QUANTITIES.get(name)
    if quantity is None or unit not in quantity.units:
        return None
    per_count = quantity.units[unit] / Fraction(channel.step)
    zero = Fraction(channel.zero)
    if per_count > _MOST_PER_COUNT or abs(zero) > _MOST_ZERO:
        return None
    return Gauge(
        quantity=name,
        chip=quantity.chip,
        type=quantity.type,
        header=quantity.header,
        factor=rounded(per_count, _FRACTION_BITS),
        offset=rounded(zero + Fraction(1, 2), _FRACTION_BITS),
        low=channel.low,
        high=channel.high,
    )
