"""A graph becomes a plan: which kernel runs each operator, and where everything lies."""

from tflm_ext.plan.plan import Plan, Step, foreign_plan, make_plan

__all__ = ["Plan", "Step", "foreign_plan", "make_plan"]
