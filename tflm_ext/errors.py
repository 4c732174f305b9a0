"""All errors that tflm_ext raises on purpose.

    TflmExtError                      1  a bug in tflm_ext
     +-- ConfigError                  2  an argument, a name or a file cannot be used
     +-- UnsupportedModelError        3  the model cannot be exported
     |    +-- UnsupportedOperatorError   it has an unsupported operator
     +-- BudgetError                  4  the model does not fit
     |    +-- AccuracyError              it loses more accuracy than allowed
     +-- ToolError                    5  a compiler, pio or a converter failed
     +-- VerificationError            6  the C differs from TensorFlow Lite Micro, or the graph
     |                                   to be converted from the Keras model
     +-- StorageError                 7  disk full, no permission

The number is the exit code of the command line. It exits with 130 after Ctrl-C, 143 after SIGTERM
and 129 after SIGHUP, and cleans up as after an error.
"""

from __future__ import annotations

_MAX_LENGTH = 2000


class TflmExtError(Exception):
    """An error with one line on what is wrong and one on what to do.

    Args:
        problem: what is wrong, one sentence.
        hint: what to do about it, one sentence.

    Attributes:
        exit_code: of the command line.

    Example:
        >>> error = ConfigError("There is no board 'uno'.", "Choose one of: nano33ble_sense.")
        >>> print(error)
        There is no board 'uno'.
        Choose one of: nano33ble_sense.
        >>> error.exit_code
        2
    """

    exit_code = 1

    def __init__(self, problem: str, hint: str) -> None:
        self.problem, self.hint = _line(problem), _line(hint)
        super().__init__(f"{self.problem}\n{self.hint}")


def _line(text: str) -> str:
    """Return a text as one line of limited length: it may quote any object that users pass."""
    text = " ".join(part for line in text.splitlines() if (part := line.strip()))
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]} ..."


class ConfigError(TflmExtError):
    """An argument, a name or a file that the user passed cannot be used."""

    exit_code = 2


class UnsupportedModelError(TflmExtError):
    """The model cannot be exported as it is: it is damaged, or a part of it is not supported."""

    exit_code = 3


class UnsupportedOperatorError(UnsupportedModelError):
    """The model has an operator that is not listed in docs/reference/operators.md."""


class BudgetError(TflmExtError):
    """The model needs more than the budget or the board allows.

    Args:
        problem: what does not fit, one sentence.
        hint: what to do about it, one sentence.
        needs: the need of the model, in bytes or operations.
        has: the limit.
        largest: the five largest items that count towards it, each with its size.
    """

    exit_code = 4

    def __init__(
        self,
        problem: str,
        hint: str,
        *,
        needs: int | None = None,
        has: int | None = None,
        largest: tuple[tuple[str, int], ...] = (),
    ) -> None:
        super().__init__(problem, hint)
        self.needs = needs
        self.has = has
        self.largest = largest


class AccuracyError(BudgetError):
    """The int8 model loses more than max_accuracy_drop allows.

    Args:
        problem: what it loses, one sentence.
        hint: what to do about it, one sentence.
        drop: the loss of accuracy, or the increase of the error divided by the mean deviation of
            the targets.
        limit: the allowed loss.
    """

    def __init__(
        self,
        problem: str,
        hint: str,
        *,
        drop: float | None = None,
        limit: float | None = None,
    ) -> None:
        super().__init__(problem, hint)
        self.drop = drop
        self.limit = limit


class AccuracyWarning(UserWarning):
    """The int8 model is much worse than the float model; the project was written anyway."""


class ToolError(TflmExtError):
    """An external program failed, or a limit of this computer ended it.

    Args:
        problem: which program failed and how, one sentence.
        hint: what to do about it, one sentence.
        command: the command line that was run.
        output: what the program printed; the last 20 lines are kept.
    """

    exit_code = 5

    def __init__(
        self, problem: str, hint: str, *, command: tuple[str, ...] = (), output: str = ""
    ) -> None:
        super().__init__(problem, hint)
        self.command = command
        self.output = "\n".join(output.strip().splitlines()[-20:])


class VerificationError(TflmExtError):
    """The generated C differs from TensorFlow Lite Micro, or a graph from its Keras model.

    Args:
        problem: what differs, one sentence.
        hint: what to do about it, one sentence.
        operator: the first operator that differs, like "3 CONV_2D", if known.
        index: flat index of the first element that differs, if known.
        expected: its value in TensorFlow Lite Micro.
        got: its value in the C.
    """

    exit_code = 6

    def __init__(
        self,
        problem: str,
        hint: str,
        *,
        operator: str | None = None,
        index: int | None = None,
        expected: int | None = None,
        got: int | None = None,
    ) -> None:
        super().__init__(problem, hint)
        self.operator = operator
        self.index = index
        self.expected = expected
        self.got = got


class StorageError(TflmExtError):
    """A file could not be written: disk full, no permission, a read-only folder."""

    exit_code = 7
