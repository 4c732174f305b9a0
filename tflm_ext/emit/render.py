"""The only Jinja environment, and the only place that finds templates/."""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tflm_ext.emit import escape
from tflm_ext.emit.wrap import code_in_comment, prose, wrap

if TYPE_CHECKING:
    from jinja2 import Environment

_C = {".c", ".h", ".cpp", ".ino"}


@functools.cache
def templates_folder() -> Path:
    """Where templates/ is: inside an installed wheel, or next to the package in a checkout."""
    spec = importlib.util.find_spec("tflm_ext._templates")
    if spec is not None and spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(__file__).resolve().parents[2] / "templates"


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - nothing here is HTML; filters escape for C, ini and text
    )
    environment.filters.update(
        c_string=escape.c_string,
        c_comment=escape.c_comment,
        c_float=escape.c_float,
        plain=escape.plain,
        prose=prose,
        code_in_comment=code_in_comment,
    )
    return environment


def render(template: str, view: Any) -> str:
    """Fill a template with the fields of its view.

    Args:
        template: path below templates/, like "model/model.h.j2".
        view: a frozen dataclass; its fields are the template's variables.
    """
    variables = {f.name: getattr(view, f.name) for f in fields(view)}
    text = _environment().get_template(template).render(variables)
    return wrap(text) if Path(template.removesuffix(".j2")).suffix in _C else text


def verbatim(path: str) -> bytes:
    """A file of templates/ that is copied unchanged."""
    return (templates_folder() / path).read_bytes()
