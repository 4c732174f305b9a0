"""The report of compress()."""

from __future__ import annotations

import json

from tflm_ext import Recipe
from tflm_ext.compression.result import CompressionReport, CompressionStep


def test_the_report_as_text() -> None:
    step = CompressionStep("as given", None, 0.5, 1000, 2000, 900, 3000, 1800, 64, ("a note",))
    report = CompressionReport("mean_absolute_error", 10, Recipe(), (step,), ("missed",))
    text = str(report).splitlines()
    assert text[0].startswith("step      mean absolute error, float")
    assert text[1].split() == ["as", "given", "-", "0.5000", "1,000", "2,000", "900", "1,800", "64"]
    assert text[2:] == [
        "as given: a note",
        "note: missed",
        "scores on 10 samples of validation data",
    ]


def test_the_report_survives_json() -> None:
    steps = tuple(
        CompressionStep(name, score, 0.25, 1, 2, 3, 4, 5, 6, notes)
        for name, score, notes in (("as given", None, ()), ("pruned", 0.5, ("one", "two")))
    )
    report = CompressionReport("accuracy", 7, Recipe(shrink=2.0), steps, ("note",))
    again = CompressionReport.from_dict(json.loads(json.dumps(report.to_dict())))
    assert again == report
