"""The list of the arena's contents is the plan itself."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.models import image_net, recurrent_net, two_headed_net
from tests.passes.test_drop_channels import chain
from tflm_ext.frontend import read_graph
from tflm_ext.passes import run_passes
from tflm_ext.plan import Plan, make_plan
from tflm_ext.plan.placements import Placement, placements

MODELS = {
    "image": image_net,
    "two heads": two_headed_net,
    "recurrent": recurrent_net,
    "chain": lambda: chain([True] * 6 + [False] * 10),
}


@pytest.fixture(params=MODELS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return make_plan(run_passes(read_graph(MODELS[request.param]())).graph)


def test_everything_is_listed(plan: Plan) -> None:
    graph, found = plan.graph, placements(plan)
    owned = [p.tensor for p in found if p.tensor is not None]
    assert len(owned) == len(set(owned))
    named = {i for p in found if p.tensor is not None for i in (p.tensor, *p.aliases)}
    assert named == set(plan.offsets)
    for p in found:
        assert 0 <= p.offset <= p.offset + p.bytes <= plan.arena_bytes
        if p.tensor is not None:
            assert (p.offset, p.bytes) == (plan.offsets[p.tensor], graph.tensors[p.tensor].bytes)
            assert {graph.storage(i) for i in (p.tensor, *p.aliases)} == {p.tensor}
            assert {plan.offsets[i] for i in p.aliases} <= {p.offset}
    scratch = [(p.step.index, p.offset) for p in found if p.tensor is None and p.step is not None]
    assert sorted(scratch) == sorted((s.index, at) for s in plan.steps for at in s.scratch)
    assert max(p.offset + p.bytes for p in found) <= plan.arena_bytes
    order = [(p.offset, -1 if p.first is None else p.first) for p in found]
    assert order == sorted(order)


def test_lifetimes(plan: Plan) -> None:
    graph = plan.graph
    for p in placements(plan):
        if p.tensor is None:
            assert p.step is not None
            assert p.first == p.last == p.step.index
            continue
        names = {p.tensor, *p.aliases}
        writers = [n.index for n in graph.nodes if not names.isdisjoint(n.outputs)]
        kept = graph.tensors[p.tensor].variable
        assert p.first == (None if kept or not writers else writers[0])
        assert (p.step is None) == (not writers)
        if kept or not names.isdisjoint(graph.outputs):
            assert p.last is None
        else:
            assert p.last == [n.index for n in graph.nodes if not names.isdisjoint(n.inputs)][-1]


def test_only_what_an_operator_reads_and_writes_may_share_bytes(plan: Plan) -> None:
    end = max(s.index for s in plan.steps) + 1

    def lives(p: Placement) -> range:
        first = -1 if p.first is None else p.first
        return range(first, (end if p.last is None else p.last) + 1)

    for a, b in combinations(placements(plan), 2):
        apart = a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset
        common = set(lives(a)) & set(lives(b))
        assert apart or len(common) <= 1
        if common and not apart:
            assert common in ({a.first}, {b.first})
