"""The sensor of a board that gives what a pipeline needs: drivers in its library and firmware.

Drivers are C++ headers in templates/sensors/, which lib/<Name>/src/sensors/ has. src/app.cpp and an
example of the Arduino library start the sensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tflm_ext.emit.escape import c_numbers
from tflm_ext.emit.included import with_included
from tflm_ext.emit.render import render, verbatim
from tflm_ext.emit.sense import ring_samples
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile
from tflm_ext.project.gauges import gauge_files, gauges_for
from tflm_ext.project.motion import Measured, measured
from tflm_ext.signals import Alarm, Analog, Microphone, Motion, Pipeline
from tflm_ext.targets import Board

BMI270_LIBRARY = "Arduino_BMI270_BMM150"
BMI270_VERSION = "1.2.3"
"""The version whose sources the driver was compiled with."""

_MICROPHONE_RATES = {
    Fraction(16_000): 16_000,
    Fraction(125_000, 3): 41_667,
    Fraction(41_667): 41_667,
}
"""What the library PDM can set, as it is called there; of the second rate, 125000/3 is exact."""
_MOST_BLOCK = 256
_MOTION_HEADERS = (
    "bus.h",
    "imu.h",
    "lsm9ds1.h",
    "bmi270.h",
    "motion.h",
    "nano33ble.h",
    "nano33ble_bmi270.h",
)


@dataclass(frozen=True, slots=True)
class Sensor:
    """The sensor that the firmware starts.

    Attributes:
        title: what it is called in texts.
        include: header of the library that declares it.
        declaration: C++ of the object `sensor`, with the functions that take samples.
        sketch: an example of the Arduino library, which reads it.
        files: of lib/<Name>/src/, in addition to those of the pipeline.
        lib_deps: for platformio.ini; "" if the framework has all libraries.
        depends: for library.properties, likewise.
    """

    title: str
    include: str
    declaration: str
    sketch: str
    files: tuple[RenderedFile, ...]
    lib_deps: str = ""
    depends: str = ""


def sensor_for(facts: ModelFacts, pipeline: Pipeline | None, board: Board) -> Sensor | None:
    """Return the sensor of a board for the source of a pipeline; None if there is none."""
    if pipeline is None:
        return None
    source = pipeline.source
    if isinstance(source, Motion) and "motion" in board.sensors:
        imus = measured(source)
        return _motion(facts, pipeline, source, imus) if imus else None
    if isinstance(source, Microphone) and "microphone" in board.sensors:
        rate = _MICROPHONE_RATES.get(source.rate)
        if rate is not None and source.channels == 1:
            return _microphone(facts, pipeline, rate)
    if isinstance(source, Analog) and "environment" in board.sensors:
        gauges = gauges_for(source)
        return _gauges(facts, pipeline, gauge_files(facts, source, gauges)) if gauges else None
    return None


@dataclass(frozen=True, slots=True)
class _SketchView:
    """Variables of arduino/sensor.ino.j2.

    Attributes:
        classes: whether there is no decision, and the model's output is probabilities.
        labels: whether there is a name for each label.
        score: whether the pipeline computes one.
    """

    name: str
    upper: str
    library: str
    title: str
    include: str
    declaration: str
    with_model: bool
    decides: bool
    classes: bool
    labels: bool
    score: bool


def _sensor(
    facts: ModelFacts,
    pipeline: Pipeline,
    title: str,
    include: str,
    declaration: str,
    files: tuple[RenderedFile, ...],
    libraries: tuple[str, str] = ("", ""),
) -> Sensor:
    (output,) = facts.outputs if len(facts.outputs) == 1 else (None,)
    classes = output is not None and bool(output.classes)
    alarm = isinstance(pipeline.decide, Alarm)
    view = _SketchView(
        name=facts.name,
        upper=facts.upper,
        library=facts.library,
        title=title,
        include=include,
        declaration=declaration,
        with_model=bool(facts.outputs),
        decides=pipeline.decide is not None,
        classes=classes,
        labels=output is not None and classes and bool(output.labels) and not alarm,
        score=pipeline.score is not None,
    )
    sketch = render("arduino/sensor.ino.j2", view)
    return Sensor(title, include, declaration, sketch, files, *libraries)


def _microphone(facts: ModelFacts, pipeline: Pipeline, rate: int) -> Sensor:
    """Return the microphone, whose blocks fill at most a quarter of the pipeline's ring."""
    block = min(_MOST_BLOCK, ring_samples(facts, pipeline) // 4)
    return _sensor(
        facts,
        pipeline,
        "microphone",
        "sensors/microphone.h",
        f"sensors::Microphone sensor({rate}, {block}, push_samples, lose_samples)",
        (_driver("microphone.h"),),
    )


def _driver(name: str) -> RenderedFile:
    return RenderedFile(f"sensors/{name}", verbatim(f"sensors/{name}"))


@dataclass(frozen=True, slots=True)
class _ImuView:
    """A sensor in sensors/motion_sensor.h.j2.

    Attributes:
        lines: what it measures, in words.
        symbol: its name in C.
        setup: the values of ImuSetup.
        coefficients: of the resampler; "" if the rates are equal.
    """

    lines: tuple[str, str]
    symbol: str
    rate: str
    setup: str
    acceleration_factor: int
    rotation_factor: int
    coefficients: str
    up: int
    down: int
    taps: int
    bits: int


@dataclass(frozen=True, slots=True)
class _MotionView:
    """Variables of sensors/motion_sensor.h.j2."""

    name: str
    upper: str
    version: str
    what: str
    rate: str
    imus: tuple[_ImuView, ...]
    first: int
    channels: int
    recent: int


def motion_files(
    facts: ModelFacts, source: Motion, imus: tuple[Measured, ...]
) -> tuple[RenderedFile, ...]:
    """Return <name>_sensor.h, how each inertial sensor measures for a pipeline, and the drivers."""
    taps = [imu.resampler.filter.taps for imu in imus if imu.resampler is not None]
    channels = source.spec.channels
    view = _MotionView(
        name=facts.name,
        upper=facts.upper,
        version=facts.version,
        what={"both": "acceleration and rotation"}.get(source.axes, source.axes),
        rate=_decimal(source.rate),
        imus=tuple(_imu_view(imu, source) for imu in imus),
        first=3 if source.axes == "rotation" else 0,
        channels=channels,
        recent=max([2 * channels * count for count in taps], default=1),
    )
    kernels = with_included(["resample.h"], ("signals", "kernels"))
    return (
        RenderedFile.text(f"{facts.name}_sensor.h", render("sensors/motion_sensor.h.j2", view)),
        *map(_driver, _MOTION_HEADERS),
        *(RenderedFile(f"tflm_ext/{name}", verbatim(path)) for name, path in kernels),
    )


def _gauges(facts: ModelFacts, pipeline: Pipeline, files: tuple[RenderedFile, ...]) -> Sensor:
    return _sensor(
        facts,
        pipeline,
        "environment sensor",
        f"{facts.name}_sensor.h",
        f"{facts.name}_sensor sensor(sensors::nano33ble_bus(), push_samples, lose_samples)",
        files,
    )


def _motion(
    facts: ModelFacts, pipeline: Pipeline, source: Motion, imus: tuple[Measured, ...]
) -> Sensor:
    arguments = "sensors::nano33ble_bus(), sensors::load_bmi270, push_samples, lose_samples"
    return _sensor(
        facts,
        pipeline,
        "inertial sensor",
        f"{facts.name}_sensor.h",
        f"{facts.name}_sensor sensor({arguments})",
        motion_files(facts, source, imus),
        (f"arduino-libraries/{BMI270_LIBRARY}@{BMI270_VERSION}", BMI270_LIBRARY),
    )


def _imu_view(imu: Measured, source: Motion) -> _ImuView:
    both = source.axes != "acceleration"
    found = imu.resampler
    ranges = f"{_decimal(imu.acceleration.most)} g"
    if both:
        ranges += f", {_decimal(imu.rotation.most)} degrees per second"
    becomes = (
        "passed on as they are" if found is None else f"resampled by {found.up} / {found.down}"
    )
    return _ImuView(
        lines=(f"{imu.chip}: {_decimal(imu.rate)} Hz, {ranges};", becomes),
        symbol=imu.chip.lower(),
        rate=_decimal(imu.rate),
        setup=", ".join(
            (
                "true" if both else "false",
                str(imu.code),
                str(imu.acceleration.code),
                str(imu.rotation.code),
                str(int(imu.rate * 1000)),
            )
        ),
        acceleration_factor=imu.acceleration_factor,
        rotation_factor=imu.rotation_factor,
        coefficients=""
        if found is None
        else c_numbers(found.filter.coefficients.reshape(-1).tolist()),
        up=1 if found is None else found.up,
        down=1 if found is None else found.down,
        taps=0 if found is None else found.filter.taps,
        bits=0 if found is None else found.filter.bits,
    )


def _decimal(value: Fraction) -> str:
    return f"{float(value):g}"
