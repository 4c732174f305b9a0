"""Front ends with drawn options, and with the least and greatest value of every option."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.signals.drawing import RATES, Random, drawn_log_mel, older
from tests.signals.drawn_pipelines import PLACES, possible_recordings, some, whole
from tflm_ext.errors import ConfigError
from tflm_ext.signals import (
    MFCC,
    Analog,
    Bands,
    Biquad,
    Frames,
    HighPass,
    LowPass,
    Microphone,
    Motion,
    Pcan,
    Pipeline,
    Raw,
    Recording,
    RemoveGravity,
    Spectrum,
    Stack,
    Statistics,
    Subtraction,
    Zscore,
)
from tflm_ext.signals.frames import FramesBlock
from tflm_ext.signals.spec import Spec
from tflm_ext.signals.statistics import MEASURES

Options: TypeAlias = Mapping[str, Any]
Draw: TypeAlias = Callable[[Random, Spec, Options], Sequence[Any]]
"""Draws stages for frames; options are given."""


@dataclass(frozen=True)
class Setting:
    """What is given of a drawn pipeline.

    Attributes:
        points: of the transform of a frame; samples of a frame where there is none.
        frames: that are compared.
        options: of the front end.
    """

    points: int
    frames: int
    options: Options


@dataclass(frozen=True)
class FrontEnd:
    """A front end.

    Attributes:
        settings: each is drawn once.
        draw: its stages.
        source: draws a source.
        shortest: samples of a frame.
        longest: samples of a frame, in points; above 1, it is cut into segments.
    """

    settings: Sequence[Setting]
    draw: Draw
    source: Callable[[Random], Any]
    shortest: int = 34
    longest: float = 1.0


def settings(frames: Mapping[int, Sequence[int]], options: Sequence[Options]) -> list[Setting]:
    """Return settings.

    Args:
        frames: by points, of one setting each.
        options: of one setting each, in any order; others have none.
    """
    found = [(points, count) for points, counts in frames.items() for count in counts]
    assert len(options) <= len(found)
    # Neighbours have the same points, so options of one kind would, too.
    order = [*found[::2], *found[1::2]]
    given = [*options, *[{}] * (len(found) - len(options))]
    return [Setting(*own, options=o) for own, o in zip(order, given, strict=True)]


def one_channel(random: Random) -> Any:
    return Microphone(some(random, *RATES))


def any_channels(random: Random) -> Any:
    """Samples of all kinds: those with a zero point, with more channels, with few bits."""
    bits, low = whole(random, 6, 15), some(random, 0.0, *random.uniform(-3, 3, 3))
    analog = Analog(whole(random, 50, 5000), bits, low, 3.3, channels=whole(random, 1, 3))
    return some(
        random,
        analog,
        analog,
        Microphone(some(random, *RATES), whole(random, 1, 2)),
        Motion(whole(random, 20, 900), axes=some(random, "acceleration", "both")),
        Recording(whole(random, 100, 20_000), channels=whole(random, 1, 3), scale=1e-3),
    )


def log_mel(random: Random, spec: Spec, options: Options) -> list[Any]:
    """LogMel, a cosine transform of any of its bands, and Zscore."""
    stage = drawn_log_mel(random, int(spec.sampling), **options)
    first = some(random, 0, whole(random, 0, stage.bands - 1))
    count = some(random, 1, stage.bands - first, whole(random, 1, stage.bands - first))
    return [stage, MFCC(count, first), zscore(random)]


def microfrontend(random: Random, spec: Spec, options: Options) -> list[Any]:
    stage = older(drawn_log_mel(random, int(spec.sampling), **options))
    return [stage, *some(random, (), (Stack(whole(random, 1, 3)),), (zscore(random),))]


def zscore(random: Random) -> Zscore:
    return Zscore(some(random, 0.1, 1000.0, 4.0, random.uniform(1, 8)))


def spectrum(random: Random, spec: Spec, options: Options) -> list[Any]:
    drawn = {
        "form": some(random, "level", "magnitude", "power"),
        "range_db": some(random, 100.0, random.uniform(1, 300)),
    }
    return [Spectrum(**{**drawn, **options}), zscore(random)]


def bands(random: Random, spec: Spec, options: Options) -> list[Any]:
    drawn = {
        "form": some(random, "level", "magnitude", "power"),
        "bands": whole(random, 1, 64),
        "range_db": some(random, 100.0, random.uniform(1, 300)),
    }
    half = float(spec.sampling) / 2
    if options.get("edges_hz") == "half":
        options = {**options, "edges_hz": (0, half / 7, half / 2, half)}
    elif random.random() < 0.3:
        low = random.uniform(0, half / 2)
        drawn.update(low_hz=low, high_hz=random.uniform(low, half), bands=whole(random, 1, 8))
    return [Bands(**{**drawn, **options}), *some(random, (), (zscore(random),))]


def statistics(random: Random, spec: Spec, options: Options) -> list[Any]:
    count = options.get("count", whole(random, 1, len(MEASURES)))
    chosen = random.choice(MEASURES, count, replace=False).tolist()
    return [Statistics(*chosen), zscore(random)]


def raw(random: Random, spec: Spec, options: Options) -> list[Any]:
    return [Raw(options.get("bits", whole(random, 0, 8)), flat=random.random() < 0.5)]


STILL = Subtraction(0.0, 0.0, 0, 0.0, clamping=False, bits=1)
QUICK = Subtraction(1.0, 1.0, 16, 1.0, clamping=True, bits=14)
USUAL = Subtraction()
LOG_MEL: Sequence[Options] = (
    {"bands": 8, "log_bits": 0},
    {"bands": 64, "log_bits": 10},
    {"bands": 1, "low_hz": 0.0},
    {"bands": 128},
    {"subtraction": None, "pcan": None},
    {"subtraction": STILL, "pcan": None},
    {"subtraction": QUICK},
    {"subtraction": USUAL, "pcan": Pcan(0.0, 1e6, 30)},
    {"subtraction": USUAL, "pcan": Pcan(0.95, 80.0, 17)},
    {"subtraction": Subtraction(smoothing_bits=16), "pcan": Pcan(4.0, 1e6, 30)},
)
LOG_MEL_FRAMES = {
    64: (12_000, 12_000, 12_000),
    128: (12_000, 12_000, 12_000),
    256: (8000, 8000),
    512: (5000, 5000),
    1024: (2500, 2500),
}
SPECTRUM_FRAMES = {
    16: (15_000, 15_000),
    32: (14_000, 14_000),
    64: (13_000, 13_000),
    128: (8000,),
    256: (5000,),
    512: (2500,),
    1024: (1000,),
}
SPECTRUM: Sequence[Options] = (
    {"form": "level", "range_db": 1},
    {"form": "level", "range_db": 300},
    {"form": "power"},
    {"form": "magnitude"},
)
BANDS: Sequence[Options] = (
    *SPECTRUM,
    {"bands": 1, "low_hz": None, "high_hz": None},
    {"edges_hz": "half", "low_hz": None, "high_hz": None},
)


def with_arithmetic(arithmetic: str, options: Sequence[Options]) -> list[Options]:
    missing: list[Options] = [{}] * (sum(map(len, SPECTRUM_FRAMES.values())) - len(options))
    return [{**own, "arithmetic": arithmetic} for own in (*options, *missing)]


def spectra(draw: Draw, arithmetic: str, options: Sequence[Options]) -> FrontEnd:
    given = settings(SPECTRUM_FRAMES, with_arithmetic(arithmetic, options))
    return FrontEnd(given, draw, any_channels, 16, 2.0)


STREAMS: Mapping[str, Callable[[Random, Spec], Any]] = {
    "none": lambda r, s: None,
    "Biquad": lambda r, s: Biquad(((*r.uniform(-1, 1, 3), 1.0, *r.uniform(-0.6, 0.6, 2)),) * 2),
    "Biquad, float32": lambda r, s: Biquad(((0.4, 0.2, 0.1, 1.0, -0.5, 0.3),), "float32"),
    "Decimate": PLACES["stream"]["Decimate"],
    "HighPass": lambda r, s: HighPass(float(s.rate) * r.uniform(0.003, 0.2), whole(r, 1, 4)),
    "HighPass, float32": lambda r, s: HighPass(float(s.rate) * 0.02, 3, "float32"),
    "LowPass": lambda r, s: LowPass(float(s.rate) * r.uniform(0.02, 0.45), whole(r, 1, 4)),
    "LowPass, float32": lambda r, s: LowPass(float(s.rate) * 0.1, 2, "float32"),
    "RemoveGravity": lambda r, s: RemoveGravity(float(s.rate) * r.uniform(0.001, 0.02)),
    "Resample": PLACES["stream"]["Resample"],
}
RAW: Sequence[Options] = [
    {"stream": name, **({"bits": bits} if bits in (0, 8) else {})}
    for bits, name in enumerate(STREAMS)
]

FRONT_ENDS: Mapping[str, FrontEnd] = {
    "LogMel, MFCC, Zscore": FrontEnd(settings(LOG_MEL_FRAMES, LOG_MEL), log_mel, one_channel, 2),
    "microfrontend": FrontEnd(settings(LOG_MEL_FRAMES, LOG_MEL), microfrontend, one_channel),
    "Spectrum, int16": spectra(spectrum, "int16", SPECTRUM),
    "Spectrum, float32": spectra(spectrum, "float32", SPECTRUM),
    "Bands, int16": spectra(bands, "int16", BANDS),
    "Bands, float32": spectra(bands, "float32", BANDS),
    "Statistics": FrontEnd(
        settings(
            {1: (10_000,), 3: (25_000,), 16: (25_000,), 50: (20_000, 15_000), 300: (5000, 2000)},
            [{"count": len(MEASURES)}, {"count": 1}, {"count": len(MEASURES)}],
        ),
        statistics,
        any_channels,
    ),
    "streams, Raw": FrontEnd(
        settings({1: [10_000] * 3, 8: [10_500] * 4, 40: [10_000] * 3}, RAW), raw, any_channels
    ),
}


def drawn_pipeline(random: Random, front_end: FrontEnd, setting: Setting) -> Pipeline:
    """A pipeline that binds, and is fitted."""
    for _ in range(1000):
        source = front_end.source(random)
        try:
            found = _drawn(random, front_end, setting, source)
            if not found.is_fitted:
                samples = 9000 + 100 * setting.points
                found = found.fitted(possible_recordings(source, samples, seed=1))
            found.out  # noqa: B018 - binds what comes last
        except ConfigError:
            continue
        return found
    raise AssertionError(f"nothing that was drawn binds: {setting}")


def _drawn(random: Random, front_end: FrontEnd, setting: Setting, source: Any) -> Pipeline:
    options = dict(setting.options)
    stream = STREAMS[options.pop("stream", "none")](random, source.spec)
    streams = [] if stream is None else [stream]
    spec = stream.bind(source.spec).out if stream else source.spec
    frames = drawn_frames(random, front_end, setting)
    if front_end.longest > 1 and (frames.length > setting.points or random.random() < 0.5):
        options["points"] = setting.points
    return Pipeline(
        source, *streams, frames, *front_end.draw(random, frames.bind(spec).out, options)
    )


def drawn_frames(random: Random, front_end: FrontEnd, setting: Setting) -> Frames:
    """Frames of the greatest length, of the least, or of any other; hops are shorter or longer."""
    if front_end.longest > 1:
        least = max(front_end.shortest, setting.points // 2 + 1)
        length = some(random, setting.points, least, int(setting.points * front_end.longest))
    elif front_end.source is one_channel:
        half = setting.points // 2
        least = front_end.shortest if setting.points == 64 else half + 2
        length = some(random, 2 * half, least, 2 * whole(random, half // 2 + 1, half))
    else:
        length = setting.points
    return Frames(length, whole(random, max(length // 4, 1), length + length // 4))


def hop(pipeline: Pipeline) -> int:
    """Samples of the source per frame, rounded up."""
    (frames,) = (block for block in pipeline.blocks if isinstance(block, FramesBlock))
    return int(-(-frames.hop * pipeline.source.spec.rate // frames.source.rate))
