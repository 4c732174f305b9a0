"""How good the int8 model is: parts of the report that are values of their own."""

from __future__ import annotations

from dataclasses import dataclass

from tflm_ext.document import Count, declared, entry

METRICS = {"enum": ["accuracy", "mean_absolute_error"]}


@declared("accuracy")
@dataclass(frozen=True, slots=True)
class Accuracy:
    """The same test data through the float model, TFLM, and the C.

    Attributes:
        metric: "accuracy" (share of right classes) or "mean_absolute_error".
        samples: how many were compared.
        float_model: None where there is no float model.
        int8_tflm: the int8 model in TensorFlow Lite Micro.
        int8_c: the generated C as it ran on this computer; None where TFLM itself is what runs.
        drop: what int8 loses, positive is worse: accuracy, or error over the mean absolute
            deviation of the targets from their median. None where it is not known.
        drop_interval: its 95 % interval, of the pairs of outcomes of every sample.
        output: which output of the model was scored.
    """

    metric: str = entry(schema=METRICS)
    samples: int = entry(schema={"minimum": 1})
    float_model: float | None = entry("null where there is no float model.")
    int8_tflm: float = entry()
    int8_c: float | None = entry()
    drop: float | None = entry(
        "What int8 loses: accuracy, or error over the mean absolute deviation of the targets from "
        "their median. null where it is not known.",
        default=None,
    )
    drop_interval: tuple[float, float] | None = entry(
        "95 % interval of drop, from the pair of outcomes of each sample.", default=None
    )
    output: Count = entry(
        "Number of the output that was scored; 0 where it is missing.", optional=True, default=0
    )


@dataclass(frozen=True, slots=True)
class OutputError:
    """How far one output of the int8 model is from the float model's.

    Attributes:
        name: of the output.
        float_std: standard deviation between samples in float, over all values; None where the
            float model gives nothing finite.
        rms_error: of int8 minus float.
        ratio: rms_error over float_std; None where float does not vary.
    """

    name: str = entry("Untrusted text.")
    float_std: float | None = entry(
        "Standard deviation between samples, over all values of the float output."
    )
    rms_error: float | None = entry("Root of the mean square of int8 minus float.")
    ratio: float | None = entry(
        "rms_error / float_std; more than 0.1 is a warning unless the score is known."
    )


@declared(
    "int8_error",
    "How far the int8 outputs are from those of the float model; needs no targets.",
)
@dataclass(frozen=True, slots=True)
class Int8Error:
    """How far the int8 model is from the float model, without targets.

    Attributes:
        data: where the samples came from, "calibration_data" or "test_data".
        samples: how many were compared.
        outputs: one for each, in order.
    """

    data: str = entry(schema={"enum": ["calibration_data", "test_data"]})
    samples: int = entry(schema={"minimum": 1})
    outputs: tuple[OutputError, ...] = entry(schema={"minItems": 1})
