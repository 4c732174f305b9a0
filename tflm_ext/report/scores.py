"""Quality of the int8 model: scores, and differences from the float model."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.document import Count, declared, entry

METRICS = {"enum": ["accuracy", "mean_absolute_error"]}


@declared("accuracy")
@dataclass(frozen=True, slots=True)
class Accuracy:
    """Scores of the float model, TFLM and the generated C on the same test data.

    Attributes:
        metric: "accuracy" or "mean_absolute_error".
        samples: number of samples compared.
        float_model: score of the float model; None if there is none.
        int8_tflm: score of the int8 model in TensorFlow Lite Micro.
        int8_c: score of the generated C on this computer; None for runtime "tflm".
        drop: loss through int8, positive is worse: accuracy, or error relative to the mean absolute
            deviation of the targets from their median; None if it is not known.
        drop_interval: its 95 % interval, from the pairs of results of all samples.
        output: number of the output that was scored.
    """

    metric: str = entry(schema=METRICS)
    samples: int = entry(schema={"minimum": 1})
    float_model: float | None = entry("null if there is no float model.")
    int8_tflm: float = entry()
    int8_c: float | None = entry()
    drop: float | None = entry(
        "Loss through int8: accuracy, or error relative to the mean absolute deviation of the "
        "targets from their median. null if it is not known.",
        default=None,
    )
    drop_interval: tuple[float, float] | None = entry(
        "95 % interval of drop, from the pairs of results of all samples.", default=None
    )
    output: Count = entry(
        "Number of the output that was scored; 0 if it is missing.", optional=True, default=0
    )


@dataclass(frozen=True, slots=True)
class OutputError:
    """Difference of one output between the int8 model and the float model.

    Attributes:
        name: of the output.
        float_std: standard deviation of the float output between samples, over all its values; None
            if the float model returns values that are not finite.
        rms_error: root mean square of int8 minus float.
        ratio: rms_error / float_std; None if the float output is constant.
    """

    name: str = entry("Name of the output; untrusted text.")
    float_std: float | None = entry(
        "Standard deviation of the float output between samples, over all its values."
    )
    rms_error: float | None = entry("Root mean square of int8 minus float.")
    ratio: float | None = entry(
        "rms_error / float_std; above 0.1 it causes a warning, unless a score is known."
    )


@declared(
    "int8_error",
    "Differences between the int8 and the float outputs; needs no targets.",
)
@dataclass(frozen=True, slots=True)
class Int8Error:
    """Differences between the int8 model and the float model; needs no targets.

    Attributes:
        data: source of the samples, "calibration_data" or "test_data".
        samples: number of samples compared.
        outputs: one entry per output, in order.
    """

    data: str = entry(schema={"enum": ["calibration_data", "test_data"]})
    samples: int = entry(schema={"minimum": 1})
    outputs: tuple[OutputError, ...] = entry(schema={"minItems": 1})
