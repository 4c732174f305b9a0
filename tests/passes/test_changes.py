"""What is said about a rewrite is all that it did, and true."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.passes.test_drop_channels import CHANNELS, chain
from tests.passes.test_fold_constants import constant_path
from tests.passes.test_fuse_activation import clamped
from tests.passes.test_fuse_pad import padded
from tests.passes.test_random_graphs import graphs
from tests.passes.test_remove_unused import branches
from tflm_ext.frontend import read_graph
from tflm_ext.ir import DType, Graph, Tensor
from tflm_ext.passes import Change, PassStep, run, run_passes
from tflm_ext.passes.changes import shape_of
from tflm_ext.reference import run_graph

DEAD = [i in (1, 4, 5, 8, 9, 15) for i in range(CHANNELS)]
MODELS = {
    "dead channels": chain(DEAD),
    "dead channels that add to a bias": chain(
        DEAD, zero_point=-20, same=False, size=1, depthwise=False
    ),
    "constants": constant_path(),
    "pad": padded(readers=2),
    "pad in another shape": padded(through=(1, 8, 6)),
    "clamps": clamped("RELU", ("MINIMUM", 100), fused=0),
    "branches": branches(),
}


def check_step(step: PassStep) -> None:
    """Every operator that differs is named once, and no other."""
    changes = step.changes()
    assert changes
    before, after = ({n.index: n for n in g.nodes} for g in (step.before, step.after))
    expected = dict.fromkeys(before.keys() - after.keys(), "removed")
    expected |= {i: "changed" for i in before.keys() & after.keys() if before[i] != after[i]}
    named = [(c.number, c.what) for c in changes if c.kind == "operator"]
    assert Counter(named) == Counter(expected.items())
    for change in changes:
        assert change.reason
        if change.kind == "operator":
            assert change.name == before[change.number].operator
        else:
            assert change.name == step.before.tensors[change.number].name
            if change.what == "removed":
                assert change.number not in step.after.tensors
    dropped = [c for c in changes if c.channels]
    assert bool(dropped) == (step.name == "drop channels")
    for change in dropped:
        check_channels(step, change)


def check_channels(step: PassStep, change: Change) -> None:
    """A tensor has lost as many channels as are named; "always" is true of them."""
    before = step.before.tensors[change.number]
    (writer,) = (n for n in step.before.nodes if change.number in n.outputs)
    (now,) = (n for n in step.after.nodes if n.index == writer.index)
    left = step.after.tensors[now.outputs[0]].shape[-1]
    assert left == before.shape[-1] - len(set(change.channels))
    if " always " not in change.reason:
        return
    draw = np.random.default_rng(7)
    seen = []
    for _ in range(4):
        inputs = [
            draw.integers(-128, 128, step.before.tensors[i].shape, np.int8)
            for i in step.before.inputs
        ]
        values = run_graph(step.before, inputs)[change.number]
        seen.append(values.reshape(-1, before.shape[-1])[:, list(change.channels)])
    everything = np.concatenate(seen)
    assert (everything == everything[0]).all()
    levels = ", ".join(map(str, np.unique(everything).tolist()))
    assert f" always {levels}," in change.reason


def check(graph: Graph) -> tuple[PassStep, ...]:
    result = run_passes(graph, prove=False)
    now = graph
    for step in result.steps:
        assert step.before is now
        check_step(step)
        now = step.after
    assert now == result.graph
    assert {record.name for record in result.records} <= {step.name for step in result.steps}
    return result.steps


@pytest.mark.parametrize("name", MODELS)
def test_changes_of_one_rewrite(name: str) -> None:
    assert check(read_graph(MODELS[name]))


def test_changes_of_random_graphs() -> None:
    seen: Counter[str] = Counter()
    for _, graph in graphs(120):
        seen.update(step.name for step in check(graph))
    assert seen.keys() >= {"share bytes", "fuse pad", "fuse activation", "drop channels"}


def test_every_rewrite_is_explained() -> None:
    assert run._EXPLAIN.keys() == {name for name, _ in run.REWRITES}


def test_a_graph_that_stays_has_no_steps() -> None:
    assert run_passes(read_graph(chain([False] * CHANNELS))).steps == ()


def said(name: str, rewrite: str) -> list[str]:
    (step,) = (s for s in check(read_graph(MODELS[name])) if s.name == rewrite)
    return [f"{c.kind} {c.number} {c.what}: {c.reason} {c.channels}" for c in step.changes()]


def test_a_scalar_is_called_one() -> None:
    assert shape_of(Tensor(0, "x", (), DType.INT8)) == "scalar"
    assert shape_of(Tensor(0, "x", (1,), DType.INT8)) == "1"


def test_what_is_said_of_channels() -> None:
    first, *rest = said("dead channels that add to a bias", "drop channels")
    assert first == (
        "tensor 1 changed: 4 of 16 channels are always -128, for all inputs of the model "
        "(1, 4, 5, 8)"
    )
    assert rest == [
        "operator 0 changed: weights 16x3x3x3 -> 12x3x3x3, writes 1x6x5x16 -> 1x6x5x12 ()",
        (
            "operator 1 changed: reads 1x6x5x16 -> 1x6x5x12, weights 7x1x1x16 -> 7x1x1x12; "
            "the bias includes the contribution of the dropped channels ()"
        ),
    ]
    assert "in the bias" not in "".join(said("dead channels", "drop channels"))


def test_what_is_said_of_the_others() -> None:
    assert said("constants", "fold constants") == [
        "operator 0 removed: all its inputs are constants, so its result is constant (6 bytes) ()",
        "operator 1 removed: all its inputs are constants, so its result is constant (6 bytes) ()",
        "operator 2 removed: all its inputs are constants, so its result is constant (6 bytes) ()",
    ]
    pads = "changed: adds the padding itself: 1 above, 2 below, 2 left, 0 right ()"
    pad, *readers = said("pad", "fuse pad")
    assert pad.startswith("operator 0 removed: the same padding is part of operator 1 CONV_2D")
    assert " and operator 2 CONV_2D" in pad
    assert readers == [f"operator 1 {pads}", f"operator 2 {pads}"]
    assert said("pad in another shape", "share bytes") == [
        "operator 1 removed: its output has the same bytes as tensor 1 net/layer1/Op ()"
    ]
    producer, *clamps = said("clamps", "fuse activation")
    assert producer == (
        "operator 0 changed: writes the clamped values itself, with activation RELU6 ()"
    )
    assert [clamp.split(" (")[0] for clamp in clamps] == [
        "operator 2 removed: it is part of operator 0 ADD",
        "operator 1 removed: it is part of operator 0 ADD",
    ]
    assert said("branches", "remove unused") == [
        "operator 1 removed: nothing reads its output ()",
        "operator 2 removed: nothing reads its output ()",
    ]
