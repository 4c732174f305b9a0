"""The command recordings, which works on a folder of recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tflm_ext.cli.arguments import add_command, add_json
from tflm_ext.cli.output import print_json, print_lines
from tflm_ext.errors import ConfigError

if TYPE_CHECKING:
    from tflm_ext.signals.pipeline import Pipeline
    from tflm_ext.store import Segment, Store


def add_commands(commands: Any) -> None:
    """Add it to the parser."""
    command = add_command(
        commands,
        "recordings",
        _recordings,
        "list, check, relabel, export, import and repair recordings",
    )
    command.add_argument(
        "folder", metavar="DIR", help="folder with recordings, DIR/<label>/<session>-<n>.wav"
    )
    _add_actions(command)
    command.add_argument(
        "--check",
        metavar="PROJECT",
        help="exported project or pipeline's JSON: compares recordings with its calibrated range, "
        "exports windows to a .npz for --data, imports in the unit and range of its source",
    )
    command.add_argument("--label", help="only recordings of this label; of imported files")
    command.add_argument(
        "--segment",
        action="append",
        default=[],
        metavar="NAME",
        help="only this recording, as in wave/20260412-093000-1; may be repeated",
    )
    command.add_argument(
        "--session", metavar="NAME", help="of imported files; default: the name of each file"
    )
    command.add_argument(
        "--format",
        default=None,
        metavar="FORMAT",
        help="of files in a folder: csv (the default), json or cbor",
    )
    command.add_argument(
        "--key",
        metavar="FILE",
        help="file with an HMAC key, which signs Edge Impulse files or checks their signature",
    )
    add_json(command)


def _add_actions(command: argparse.ArgumentParser) -> None:
    """Add what the command can do besides listing."""
    action = command.add_mutually_exclusive_group()
    action.add_argument(
        "--relabel",
        nargs=2,
        metavar=("SEGMENT", "LABEL"),
        help="move a recording, as in wave/20260412-093000-1, to another label",
    )
    action.add_argument(
        "--export",
        metavar="TARGET",
        help="write recordings to a .npz; one to a .csv, or a .json or .cbor of Edge Impulse; or "
        "each to a file in a folder",
    )
    action.add_argument(
        "--import",
        dest="imported",
        nargs="+",
        metavar="FILE",
        help="copy WAV, CSV, .npz, or Edge Impulse's .json and .cbor files into the folder",
    )
    action.add_argument(
        "--repair", action="store_true", help="complete the files that a killed program left"
    )


def _recordings(options: argparse.Namespace) -> int:
    from tflm_ext.store import Store

    store = Store(options.folder)
    _require_fitting(options)
    if options.imported:
        return _import(store, options)
    _require_folder(store)
    if options.repair:
        return _repair(store, options)
    if options.relabel:
        found = store.relabel(*options.relabel)
        return _show(store, options, [found])
    if options.export:
        return _export(store, options)
    chosen = _chosen(store, options)
    return _show(store, options, None if not (options.label or options.segment) else chosen)


def _require_fitting(options: argparse.Namespace) -> None:
    """Refuse options that the action does not use: they are probably mistakes.

    Raises:
        ConfigError: there is one.
    """
    moving = options.relabel or options.repair
    for name, wrong, remedy in (
        ("--format", options.format and not options.export, "Pass it with --export DIR."),
        ("--session", options.session and not options.imported, "Pass it with --import."),
        ("--key", options.key and not (options.imported or options.export), "Pass it with those."),
        ("--segment", options.segment and (options.imported or moving), "Leave it out."),
        ("--label", options.label and moving, "Leave it out."),
    ):
        if wrong:
            raise ConfigError(f"{name} does not fit what the command does here.", remedy)


def _require_folder(store: Store) -> None:
    from tflm_ext.near import did_you_mean_file
    from tflm_ext.storage import shown

    if not store.folder.is_dir():
        raise ConfigError(
            f"There is no folder {shown(store.folder)}.",
            f"{did_you_mean_file(store.folder)}Pass a folder with recordings.",
        )


def _pipeline(options: argparse.Namespace) -> Pipeline | None:
    """Return the pipeline of --check."""
    from tflm_ext.project.choices import PIPELINE
    from tflm_ext.signals.data import as_pipeline
    from tflm_ext.storage import as_path

    if options.check is None:
        return None
    path = as_path("--check", options.check)
    if path.is_dir():
        path /= PIPELINE
        if not path.is_file():
            raise ConfigError(
                f"{options.check} is not an exported project with a pipeline.",
                "Pass a project that was exported with pipeline=, or a pipeline's JSON.",
            )
    return as_pipeline(path)


def _chosen(store: Store, options: argparse.Namespace) -> list[Segment]:
    """Return the segments of --label and --segment."""
    if options.segment:
        found = [store.segment(name) for name in options.segment]
        return [one for one in found if options.label in (None, one.label)]
    return list(store.segments(options.label))


def _show(store: Store, options: argparse.Namespace, chosen: list[Segment] | None) -> int:
    """Print what the segments are, and what is wrong with them."""
    from tflm_ext.store import quality

    found = quality(store, chosen, _pipeline(options))
    if options.json:
        print_json("recordings", found.to_dict())
    else:
        print_lines(str(found))
    return 0


def _repair(store: Store, options: argparse.Namespace) -> int:
    from tflm_ext.document import to_json
    from tflm_ext.store.repair import Repaired

    done = store.repair()
    if options.json:
        print_json("repaired", [to_json(Repaired, one) for one in done])
        return 0
    print_lines("\n".join(f"{one.name}: {one.done}" for one in done) or "Nothing to repair.")
    return 0


def _import(store: Store, options: argparse.Namespace) -> int:
    from tflm_ext.store import import_file

    pipeline = _pipeline(options)
    found = []
    for path in options.imported:
        found += import_file(
            store,
            path,
            options.label,
            session=options.session,
            source=None if pipeline is None else pipeline.source,
            key=_key(options),
        )
    return _show(store, options, found)


def _export(store: Store, options: argparse.Namespace) -> int:
    from tflm_ext.store import export_file, export_folder, export_npz
    from tflm_ext.store.exports import FORMATS

    chosen = _chosen(store, options)
    target = Path(options.export)
    pipeline = _pipeline(options)
    key = _key(options)
    if target.suffix == ".npz":
        classes = store.labels()
        done = [export_npz(target, chosen, pipeline, classes)]
        if pipeline is not None and not options.json:
            print_lines("classes: " + ", ".join(f"{i} {name}" for i, name in enumerate(classes)))
    elif target.suffix.removeprefix(".") in FORMATS and not target.is_dir():
        done = [export_file(target, chosen, key)]
    else:
        done = export_folder(target, chosen, options.format or "csv", key)
    if options.json:
        print_json("exported", [path.name for path in done])
    else:
        print_lines("\n".join(f"Wrote {path}." for path in done))
    return 0


def _key(options: argparse.Namespace) -> str | None:
    """Return the key in the file of --key."""
    from tflm_ext.signals.recordings_bytes import opened
    from tflm_ext.storage import as_path

    if options.key is None:
        return None
    path = as_path("--key", options.key)
    if not path.is_file():
        raise ConfigError(f"There is no file {path} with a key.", "Write the HMAC key into it.")
    with opened(path) as file:
        text = file.read(1 << 12)
    try:
        found = text.decode("utf-8").strip()
    except UnicodeDecodeError:
        found = ""
    if not found or not found.isprintable():
        raise ConfigError(f"{options.key} has no key.", "Write the HMAC key into it, as one line.")
    return found
