"""WAV files of other programs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tflm_ext.signals.described import Description, Sensor, described
from tflm_ext.signals.parts import Part
from tflm_ext.signals.recordings import read_recording
from tflm_ext.signals.recordings_wav import rate_and_channels, samples_in
from tflm_ext.signals.sources import FULL_SCALE, Recording, Source
from tflm_ext.store.incoming import Incoming
from tflm_ext.store.names import split_name


def read_wav_file(path: Path, source: Source | None) -> Incoming:
    """Return the recording in a WAV file; one from another store keeps its description.

    Args:
        source: of which it is a recording; None takes rate and channels from its header.

    Raises:
        ConfigError: it is damaged, or does not fit the source.
        StorageError: it cannot be read.
    """
    found = described(path)
    whole, channels = rate_and_channels(path)
    rate = Fraction(whole) if found is None else found.sensor.rate
    own = source or Recording(rate, channels, "", 1.0)
    # Gaps are in the description, so they are not lost if all samples are read at once.
    samples = read_recording(Part(path, 0, samples_in(path)), own)
    if found is not None:
        name = split_name(path.stem)
        return Incoming(samples, found, session=name[0] if name else "")
    if source is not None:
        return Incoming(samples, Description(Sensor.of(source)))
    axes = tuple(f"c{i}" for i in range(channels))
    units = ("full scale",) * channels
    sensor = Sensor("", rate, axes, units, (1.0 / FULL_SCALE,) * channels, (0.0,) * channels)
    return Incoming(samples, Description(sensor))
