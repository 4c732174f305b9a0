"""A graph becomes a plan: which kernel runs each operator, and where everything lies."""

from tflm_ext.plan.plan import Plan, Step, count_macs, foreign_plan, make_plan

__all__ = ["Plan", "Step", "count_macs", "foreign_plan", "make_plan"]
