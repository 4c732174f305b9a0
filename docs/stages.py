"""docs/reference/stages.md: every stage of a pipeline, from its class and an example that runs.

An example is the code of a pipeline in which the stage is used; what the stage takes and gives, and
the C that computes it, are those of this pipeline.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import MISSING
from fractions import Fraction
from typing import Any
from unittest import mock

import numpy as np

from tflm_ext import sense
from tflm_ext.document import Entry
from tflm_ext.emit.sense_calls import called
from tflm_ext.signals.spec import Form, Spec
from tflm_ext.signals.stage import STAGES, Block, branches

INTRODUCTION = """\
A pipeline is a source, stages, maybe a score, and a decision:

```python
from tflm_ext import sense

{example}
```

Every stage has a version, which is also in the pipeline's JSON: a stage whose results change gets
a new version. What a stage takes and gives is that of its example; `int16`, `float32`
and so on are the element types of both NumPy and C. Numbers "from fitting" come from recordings,
with `pipeline.fitted(recordings)`; you need not pass them.

[Signals](../explanation/signals.md) explains the arithmetic and its proof, and
[Choose a front end](../how-to/choose-a-front-end.md) which stages to use. The calls of a pipeline
are in the [Python API](api.md#sensepipeline).
"""
FIRST = """\
bell = sense.Pipeline(
    sense.Microphone(16_000),
    sense.Frames(480, hop=320),
    sense.LogMel(40),
    sense.Stack(49),
    decide=sense.Detect(average=4, needed=3, of=5, quiet_seconds=2, on=0.7),
)"""

_MOTION = 'Motion(100, axes="acceleration", range_g=4)'
_AFTER = 'Frames(200), Statistics("rms", "crest"), Zscore()'
_WORDS = "Microphone(16_000), Frames(480, hop=320), LogMel(40), Stack(49)"
_MACHINE = "Microphone(16_000), Frames(1024), LogMel(40, subtraction=None, pcan=None)"

EXAMPLES: dict[str, str] = {
    "Microphone": "Microphone(16_000), Frames(480, hop=320), LogMel(40)",
    "Motion": f"{_MOTION}, {_AFTER}",
    "Analog": f'Analog(1000, bits=12, high=3.3, unit="V"), {_AFTER}',
    "Recording": f'Recording(50, unit="bar", scale=0.01), {_AFTER}',
    "Image": "Image(96, 96), Resize(32, 32)",
    "HighPass": f"{_MOTION}, HighPass(0.5), {_AFTER}",
    "LowPass": f"{_MOTION}, LowPass(20), {_AFTER}",
    "Biquad": f"{_MOTION}, Biquad([[0.5, 0, -0.5, 1, -0.4, 0.2]]), {_AFTER}",
    "RemoveGravity": f"{_MOTION}, RemoveGravity(), {_AFTER}",
    "Decimate": "Microphone(16_000), Decimate(2), Frames(256), Spectrum()",
    "Resample": f"Motion(119), Resample(100), {_AFTER}",
    "Frames": "Microphone(16_000), Frames(480, hop=320), LogMel(40)",
    "Gate": f"{_MOTION}, RemoveGravity(), Frames(200), Gate(rms_g=0.02), Raw()",
    "Stack": _WORDS,
    "LogMel": "Microphone(16_000), Frames(480, hop=320), LogMel(40)",
    "Spectrum": f"{_MOTION}, Frames(128), Spectrum(128)",
    "Bands": f"{_MOTION}, Frames(128), Bands(128, 8)",
    "Statistics": f'{_MOTION}, Frames(200), Statistics("rms", "kurtosis", "crest"), Zscore()',
    "Raw": f"{_MOTION}, Frames(200), Raw()",
    "Concat": f'{_MOTION}, Frames(128), Concat(Statistics("rms"), Bands(128, 8)), Zscore()',
    "MFCC": "Microphone(16_000), Frames(480, hop=320), LogMel(40), MFCC(13), Zscore()",
    "Zscore": f"{_MOTION}, {_AFTER}",
    "Crop": "Image(96, 96), Crop(64, 64)",
    "Resize": "Image(96, 96), Resize(32, 32)",
    "Grey": "Image(96, 96, 3), Resize(32, 32), Grey()",
    "Mahalanobis": f"{_MACHINE}, Mahalanobis()",
    "KMeans": f"{_MACHINE}, KMeans(clusters=4)",
    "Normal": f"{_MACHINE}, Normal(learn_windows=600)",
    "Probability": f"{_WORDS}, score=Probability(1), decide=Alarm(on=0.7)",
    "Reconstruction": f"{_MACHINE}, score=Reconstruction(), decide=Alarm(on=2.0)",
    "Detect": f"{_WORDS}, decide=Detect(average=4, needed=3, of=5, on=0.7)",
    "Alarm": f"{_MACHINE}, Mahalanobis(), decide=Alarm(average=16, needed=3, of=5, on=2.0)",
    "Majority": f"{_MOTION}, {_AFTER}, decide=Majority(of=9, hold_seconds=60)",
}
"""By stage, the arguments of a pipeline that uses it."""

_CLASSES = 3  # of the model in examples whose score or decision uses its outputs

ABOUT = {
    "Sources": "What the sensor gives, the first argument of a pipeline. It also reads recordings.",
    "Streams": "Before Frames: they keep state over a whole recording.",
    "Windows": "From samples to frames, and from features of frames to what a model sees at once.",
    "Front ends": "From a frame to features.",
    "Features": "From features to other features.",
    "Images": "From images to the model's input. A pipeline of images has no Frames.",
    "Scores": "One number for a window: instead of a model, or from its output, with `score=`.",
    "Decisions": "From a score or from a classifier's outputs to events, with `decide=`.",
}


def page(markdown: Callable[[str], str]) -> str:
    """The sections of all stages.

    Args:
        markdown: turns a docstring into Markdown.
    """
    if sorted(EXAMPLES) != sorted(STAGES):
        wrong = ", ".join(sorted(set(EXAMPLES) ^ set(STAGES)))
        raise SystemExit(f"docs/stages.py: EXAMPLES needs one example per stage: {wrong}.")
    exec(FIRST, {"sense": sense})  # noqa: S102 - it has to run
    bound = {name: bind(name) for name in EXAMPLES}
    groups = {name: _group(STAGES[name], block) for name, block in bound.items()}
    parts = [INTRODUCTION.format(example=FIRST), "\n"]
    for group in ABOUT:
        links = ", ".join(f"[{n}](#{n.lower()})" for n in bound if groups[n] == group)
        parts.append(f"- **{group}**: {links}\n")
    for group, about in ABOUT.items():
        parts.append(f"\n## {group}\n\n{about}\n")
        parts += [_section(n, bound[n], markdown) for n in bound if groups[n] == group]
    return "".join(parts)


def bind(name: str) -> Block | None:
    """Return the block of a stage in its example; None for a source, which has none."""
    kind = STAGES[name]
    if not hasattr(kind, "bind"):
        _pipeline(name)
        return None
    blocks: list[Block] = []
    plain = kind.bind

    def bound(stage: Any, *sources: Spec) -> Any:
        blocks.append(plain(stage, *sources))
        return blocks[-1]

    with mock.patch.object(kind, "bind", bound):
        pipeline = _pipeline(name)
        pipeline.after(None if pipeline.has_score else _output(pipeline))
    return blocks[-1]


def _pipeline(name: str) -> sense.Pipeline:
    """The pipeline of a stage's example, fitted if it has to be."""
    found: sense.Pipeline = eval(f"Pipeline({EXAMPLES[name]})", dict(vars(sense)))  # noqa: S307
    if found.is_fitted:
        return found
    noise = np.random.default_rng(0).integers(0, 4000, (50_000, found.source.spec.channels))
    return found.fitted(noise)


def _output(pipeline: sense.Pipeline) -> Spec:
    """What a model gives: its input, reproduced, or probabilities."""
    if isinstance(pipeline.score, sense.Reconstruction):
        return pipeline.model_output(pipeline.out.size, pipeline.out.scale, pipeline.out.zero_point)
    return pipeline.model_output(_CLASSES, 1 / 256, -128)


def _group(kind: type[Any], block: Block | None) -> str:
    """The section of a stage, from what it takes and gives."""
    if block is None:
        return "Sources"
    taken, given = block.source.form, block.out.form
    if given in (Form.SCORE, Form.DECISION):
        return "Scores" if given is Form.SCORE else "Decisions"
    if taken is Form.IMAGE:
        return "Images"
    if taken is Form.STREAM:
        return "Streams" if given is Form.STREAM else "Windows"
    if taken is Form.FRAME:
        return "Front ends" if given is Form.FEATURES else "Windows"
    return "Windows" if kind is sense.Stack else "Features"


def _section(name: str, block: Block | None, markdown: Callable[[str], str]) -> str:
    kind = STAGES[name]
    pipeline = _pipeline(name)
    parts = [
        f"\n### {name}\n\n{markdown(inspect.getdoc(kind) or '')}\n",
        f"```python\n{_code(EXAMPLES[name])}\n```\n\n",
        f"- Version {kind.VERSION}\n",
    ]
    if block is None:
        parts.append(f"- Gives: {pipeline.source.spec}\n")
    else:
        parts.append(f"- Takes: {block.source}\n- Gives: {block.out}\n- C: {_header(block)}\n")
    rows = list(_rows(kind))
    if rows:
        parts += ["\n| option | type | default | |\n|---|---|---|---|\n", *rows]
    for part in _parts(kind):
        parts.append(f"\n**{part.__name__}**: {markdown(inspect.getdoc(part) or '')}\n")
        parts += ["| option | type | default | |\n|---|---|---|---|\n", *_rows(part)]
    return "".join(parts)


def _code(arguments: str) -> str:
    """The pipeline of an example, with an argument per line if it is long."""
    line = f"Pipeline({arguments})"
    if len(line) <= 88:
        return line
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call)
    parts = [ast.get_source_segment(line, own) for own in (*call.args, *call.keywords)]
    return "Pipeline(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def _header(block: Block) -> str:
    """Of the C of a block; frames and stacks are collected by the code that is generated."""
    if branches(block) or not called(block):
        return "in the generated `<name>_sense.c`"
    header = block.lower().header
    return f"[`{header}`](../../templates/signals/{header})"


def _rows(kind: type[Any]) -> Iterator[str]:
    """Rows of a table: every option of a dataclass."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        said: Entry = field.metadata["entry"]
        text = said.description.replace("|", "\\|")
        default = "" if field.default is MISSING else f"`{_value(field.default)}`"
        yield f"| `{field.name}` | {_type(hints[field.name])} | {default} | {text} |\n"


def _value(value: Any) -> str:
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__}()"
    return str(value) if isinstance(value, Fraction) else repr(value)


def _type(hint: Any) -> str:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return " or ".join(map(_type, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return f"tuple of {_type(typing.get_args(hint)[0])}"
    if hint is Fraction:
        return "number or str"
    if hint is Any:
        return "stage"
    return "None" if hint is types.NoneType else getattr(hint, "__name__", str(hint))


def _parts(kind: type[Any]) -> Iterator[type[Any]]:
    """Dataclasses that are types of options."""
    for hint in typing.get_type_hints(kind).values():
        for own in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(own) and isinstance(own, type):
                yield own
