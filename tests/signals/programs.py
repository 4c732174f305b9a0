"""Compares the C of many pipelines, compiled together, with NumPy after every stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tflm_ext.bench.pipeline import front_end
from tflm_ext.emit.render import render
from tflm_ext.ir.facts import ModelFacts
from tflm_ext.ir.rendered import RenderedFile, write_files
from tflm_ext.signals import Pipeline
from tflm_ext.signals.stage import Array
from tflm_ext.verify.host import SANITIZE, WARNINGS, compile_c, find_compiler, run_c
from tflm_ext.verify.sense import HarnessView, Run, check_sense

_SECONDS = 600.0
_MAIN = """#include <string.h>
{declared}
int main(int argc, char **argv)
{{
    const char *const name = (argc > 1) ? argv[1] : "";
{calls}
    return 9;
}}
"""


class Programs:
    """Two programs that run any of some pipelines.

    One is without optimisation and with sanitizers. It is one unit, because that compiles all
    functions only once. The other has -O2, and a unit for every pipeline, as firmware has it.
    """

    def __init__(self, pipelines: Sequence[Pipeline], folder: Path) -> None:
        self._folder = folder
        self._made = [front_end(f"ear{i}", own) for i, own in enumerate(pipelines)]
        self._pipelines = pipelines
        for facts, sources in self._made:
            write_files(sources, folder)
            self._write_harness(facts, pipelines[int(facts.name[3:])])
        names = [facts.name for facts, _ in self._made]
        text = _MAIN.format(
            declared="\n".join(f"int {name}_main(void);" for name in names),
            calls="\n".join(
                f'    if (strcmp(name, "{name}") == 0) {{\n        return {name}_main();\n    }}'
                for name in names
            ),
        )
        Path(folder, "main.c").write_text(text, "utf-8")
        units = [f"{name}_unit.c" for name in names]
        Path(folder, "all.c").write_text("".join(f'#include "{unit}"\n' for unit in units), "utf-8")
        self._compile("sanitized", ("-O0", *SANITIZE), ["all.c"])
        self._compile("optimized", ("-O2",), units)

    def _write_harness(self, facts: ModelFacts, pipeline: Pipeline) -> None:
        view = HarnessView(facts.name, facts.upper, pipeline.source.spec.dtype.c)
        harness = render("test/sense_harness.c.j2", view)
        assert "int main(void)\n" in harness
        harness = harness.replace(
            "int main(void)\n", f"int {facts.name}_main(void);\nint {facts.name}_main(void)\n"
        )
        text = f'#define {facts.upper}_SENSE_TRACE\n#include "{facts.name}_sense.c"\n{harness}'
        Path(self._folder, f"{facts.name}_unit.c").write_text(text, "utf-8")

    def _compile(self, program: str, flags: tuple[str, ...], units: Sequence[str]) -> None:
        options = ("-std=c99", *flags, *WARNINGS, "-I", ".")
        compile_c((find_compiler(), *options, "main.c", *units, "-o", program), self._folder)

    def check(self, number: int, recordings: Mapping[str, Sequence[Array]], seed: int) -> int:
        """Compare a pipeline with NumPy.

        Args:
            number: of the pipeline.
            recordings: by program, "sanitized" or "optimized".
            seed: of the pieces.

        Returns:
            How many frames were compared with -O2.

        Raises:
            VerificationError: they differ.
        """
        facts, sources = self._made[number]
        frames = 0
        for program, own in recordings.items():
            found = check_sense(
                facts, sources, self._pipelines[number], own, seed=seed, run=self._run(program)
            )
            frames = found.frames
        return frames

    def _run(self, program: str) -> Run:
        def run(
            facts: ModelFacts, sources: Sequence[RenderedFile], pipeline: Pipeline, data: bytes
        ) -> bytes:
            return run_c((str(self._folder / program), facts.name), data, _SECONDS)

        return run
