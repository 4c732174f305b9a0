"""Put a camera in front of a model that others trained: person_detect by TensorFlow Lite Micro.

    python examples/finished/person.py person_detect.tflite picture.bmp ... [-o FOLDER]

The model is that of TFLM's example person_detection: 96 x 96 grey pixels, and scores for "person"
and "no person". Cameras give other images, so the pipeline crops them to a square, makes it
smaller and turns it grey; Python and the device compute the same pixels. It sees every size of
picture as the camera's; pass pictures of one size.

Pictures that contain the model's int8 values themselves, like those of TFLM (person.bmp and
no_person.bmp), are passed with --int8.

Exports a project with the pipeline to FOLDER, by default build/person, and prints the scores that
the device would give to each picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import tflm_ext
from tflm_ext import sense

SIDE = 96
LABELS = ["no person", "person"]


def pipeline_for(picture: np.ndarray) -> sense.Pipeline:
    """Return what turns pictures like this one, (height, width, channels), into the model's."""
    height, width, channels = picture.shape
    side = min(height, width)
    stages = [sense.Crop(side, side)] if height != width else []
    if side != SIDE:
        stages.append(sense.Resize(SIDE, SIDE))
    return sense.Pipeline(
        sense.Image(height, width, channels, rate=1),
        *stages,
        sense.Grey(),
        decide=sense.Detect(average=1, needed=1, of=1, quiet_seconds=0, on=0.6, background=0),
        quantization=(0.007843137718737125, -1),  # the model's name for the same bytes
    )


def pixels(path: Path, int8: bool) -> np.ndarray:
    """Return a picture as uint8, (height, width, channels)."""
    with Image.open(path) as picture:
        colour = picture.mode not in ("1", "L", "I;16", "I", "F")
        found = np.asarray(picture.convert("RGB" if colour else "L"))
    found = found if found.ndim == 3 else found[..., np.newaxis]
    return found ^ 0x80 if int8 else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--int8", action="store_true", help="the pictures hold int8 values")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/person"))
    given = parser.parse_args()
    images = [pixels(path, given.int8) for path in given.pictures]
    if len({image.shape for image in images}) > 1:
        sys.exit("The pictures have several sizes; pass those of one camera.")
    result = tflm_ext.export(
        given.model,
        given.output,
        calibration_data=[image[np.newaxis] for image in images],
        pipeline=pipeline_for(images[0]),
        name="person",
        labels=LABELS,
        overwrite=True,
    )
    print(result.report)
    for path, image in zip(given.pictures, images, strict=True):
        scores = result.replay(image[np.newaxis]).outputs[0]
        print(f"{path.name}: {LABELS[int(scores.argmax())]}, {scores.max():.3f}")


if __name__ == "__main__":
    main()
