"""What encode() returns, and its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tflm_ext.document import COUNT, declared, entry, to_json

_WIDEST = 60  # characters of a name in the table


@dataclass(frozen=True, slots=True)
class EncodedTensor:
    """A tensor that is decoded on the device, before every operator that reads it.

    Attributes:
        name: of the tensor in the .tflite.
        method: "huffman", "lut" or "pruning".
        bytes_before: size of the plain weights.
        bytes_after: size of the code and its tables.
        arena_growth_bytes: how much the arena grows if only this tensor is encoded. Tensors share
            that memory, so all of them together need less than the sum.
        symbols: number of weights that are decoded in one call of the model.
    """

    name: str = entry()
    method: str = entry(schema={"enum": ["huffman", "lut", "pruning"]})
    bytes_before: int = entry(schema=COUNT)
    bytes_after: int = entry(schema=COUNT)
    arena_growth_bytes: int = entry()
    symbols: int = entry(schema=COUNT)


@dataclass(frozen=True, slots=True)
class PlainTensor:
    """A constant that is not encoded, and why."""

    name: str = entry()
    bytes: int = entry(schema=COUNT)
    reason: str = entry()


@declared("encode", "What tflm-ext encode did to the tensors of a model.")
@dataclass(frozen=True, slots=True, repr=False)
class EncodingResult:
    """An encoded model, proven to compute the same as the plain one.

    Attributes:
        model: bytes of the new .tflite.
        tensors: the encoded tensors.
        plain: constants that are not encoded.
        tflite_bytes_before, tflite_bytes: sizes of the .tflite.
        arena_bytes_before, arena_bytes: of TFLM's interpreter on this computer, whose pointers have
            64 bits.
        inputs: number of inputs on which both models were compared.
    """

    model: bytes
    tensors: tuple[EncodedTensor, ...] = entry()
    plain: tuple[PlainTensor, ...] = entry()
    tflite_bytes_before: int = entry(schema=COUNT)
    tflite_bytes: int = entry(schema=COUNT)
    arena_bytes_before: int = entry(schema=COUNT)
    arena_bytes: int = entry(schema=COUNT)
    inputs: int = entry(schema={"minimum": 64})

    def __repr__(self) -> str:
        return (
            f"<EncodingResult: {len(self.tensors)} tensors encoded, .tflite "
            f"{self.tflite_bytes_before:,} -> {self.tflite_bytes:,} bytes>"
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, without the model."""
        return to_json(EncodingResult, self)

    def __str__(self) -> str:
        """A table with a line per tensor, and the sums."""
        rows = [("tensor", "method", "before", "after", "arena", "symbols per call")]
        rows += [
            (
                tensor.name[:_WIDEST],
                tensor.method,
                f"{tensor.bytes_before:,}",
                f"{tensor.bytes_after:,}",
                f"{tensor.arena_growth_bytes:+,}",
                f"{tensor.symbols:,}",
            )
            for tensor in self.tensors
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if i > 1 else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        reasons: dict[str, list[PlainTensor]] = {}
        for row in self.plain:
            reasons.setdefault(row.reason, []).append(row)
        for reason, rows_left in reasons.items():
            size = sum(row.bytes for row in rows_left)
            count = f"{len(rows_left)} tensors" if rows_left[1:] else rows_left[0].name[:_WIDEST]
            lines.append(f"plain: {count}, {size:,} bytes: {reason}")
        share = self.tflite_bytes / self.tflite_bytes_before
        lines += [
            f".tflite {self.tflite_bytes_before:,} -> {self.tflite_bytes:,} bytes ({share:.2f})",
            f"arena {self.arena_bytes_before:,} -> {self.arena_bytes:,} bytes (64-bit)",
            f"outputs equal on {self.inputs} inputs",
        ]
        return "\n".join(lines)
