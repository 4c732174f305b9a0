"""Let an exported project listen to voices that the network has never heard, and count.

    python examples/keyword/evaluate.py PROJECT [STREAMS]

PROJECT is the export of keyword.keras with its pipeline. STREAMS (40 by default) have 24 seconds
each, spoken by eSpeak NG as in training, but by other voices and in other dialects. A word counts
as found if there is an event of its name from 0.2 seconds before its end to a second after it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from train import LABELS, RATE, STREAM_SECONDS, TEST_STREAMS, streams

from tflm_ext.replay import replay_project

EARLY, LATE = 0.2, 1.0  # seconds


def evaluate(project: Path, count: int = TEST_STREAMS) -> dict[str, int]:
    """Return how many words there are, are found, and are called by another name, and how many
    events no word belongs to.
    """
    given = streams(count, 1, unseen=True)
    replay = replay_project(project, np.concatenate([own.samples for own in given]))
    unused = {event.seconds: event.label for event in replay.events}
    found = {"words": 0, "found": 0, "confused": 0}
    for number, own in enumerate(given):
        for label, _, last in own.words:
            end = number * STREAM_SECONDS + last / RATE
            near = [time for time in unused if end - EARLY <= time <= end + LATE]
            names = [unused.pop(time) for time in near]
            found["words"] += 1
            found["found"] += label in names
            found["confused"] += bool(names) and label not in names
    return found | {"false": len(unused)}


if __name__ == "__main__":
    streams_count = int(sys.argv[2]) if len(sys.argv) > 2 else TEST_STREAMS
    result = evaluate(Path(sys.argv[1]), streams_count)
    print(
        f"{result['found']} of {result['words']} words found ({' and '.join(LABELS[1:])}), "
        f"{result['confused']} called by the other name, {result['false']} false alarms in "
        f"{streams_count * STREAM_SECONDS / 60:.1f} minutes of speech"
    )
