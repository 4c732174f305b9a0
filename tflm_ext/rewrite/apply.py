"""The child process of edit.py."""

from __future__ import annotations

import sys

import numpy as np

from tflm_ext.rewrite.tree import add_buffer, load, save


def main(request: str, response: str) -> None:
    """Read a model and its changes, write the new one."""
    with np.load(request) as archive:
        tree = load(archive["model"].tobytes())
        (graph,) = tree.subgraphs
        removed = set(archive["removed"].tolist())
        for name in archive.files:
            if name.startswith("constant"):
                tensor = graph.tensors[int(name.removeprefix("constant"))]
                tensor.buffer = add_buffer(tree, archive[name].tobytes())
            elif name.startswith("shape"):
                tensor = graph.tensors[int(name.removeprefix("shape"))]
                tensor.shape, tensor.shapeSignature = archive[name], None
            elif name.startswith("type"):
                tensor = graph.tensors[int(name.removeprefix("type"))]
                like = graph.tensors[int(archive[name])]
                tensor.type, tensor.quantization = like.type, like.quantization
            elif name.startswith("inputs"):
                graph.operators[int(name.removeprefix("inputs"))].inputs = archive[name]
    graph.operators = [o for number, o in enumerate(graph.operators) if number not in removed]
    with open(response, "wb") as file:
        file.write(save(tree))


if __name__ == "__main__":
    main(*sys.argv[1:])
