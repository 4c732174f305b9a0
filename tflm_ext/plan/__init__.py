"""Plans a graph: chooses a kernel for each operator, and a place in memory for each tensor."""

from tflm_ext.plan.plan import Plan, Step, count_macs, foreign_plan, make_plan

__all__ = ["Plan", "Step", "count_macs", "foreign_plan", "make_plan"]
