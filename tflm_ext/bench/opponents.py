"""opponents.csv: measurements of other libraries on some public models, made in the same way."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

from tflm_ext.document import Count, declared, entry


@declared("opponent")
@dataclass(frozen=True, slots=True)
class Opponent:
    """One library, one model, one inference on the emulated core.

    Attributes:
        library: its short name.
        about: versions, compiler and flags.
        instructions, cycles: executed; cycles are estimated like ours.
        flash_bytes: linked image with model and library minus the same without them.
        ram_bytes: bytes of the arena that the interpreter used.
        stack_bytes: used below the caller of invoke.
    """

    library: str = entry()
    about: str = entry("Versions, compiler and flags.")
    instructions: Count = entry()
    cycles: Count = entry()
    flash_bytes: Count = entry()
    ram_bytes: Count = entry()
    stack_bytes: Count = entry()


def find_opponent(sha256: str) -> Opponent | None:
    """Return the row of a model; None if there is none."""
    with resources.files(__package__).joinpath("opponents.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["sha256"] == sha256:
                return Opponent(
                    library=row["library"],
                    about=row["about"],
                    instructions=int(row["instructions"]),
                    cycles=int(row["cycles"]),
                    flash_bytes=int(row["flash_bytes"]),
                    ram_bytes=int(row["ram_bytes"]),
                    stack_bytes=int(row["stack_bytes"]),
                )
    return None
