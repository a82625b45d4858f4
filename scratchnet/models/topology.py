"""What a network looks like: one row per layer, with the shape that leaves it and its parameters."""
from __future__ import annotations

from typing import NamedTuple

from ..autograd import no_grad
from ..layers import Layer, Sequential


class Row(NamedTuple):
    layer: str
    output: str
    parameters: int


def topology(network: Layer, x) -> tuple[list[Row], object]:
    """Run x (a batch of any size) through `network` layer by layer: (rows, the output).

        (rows, y),  y = network(x);  of each layer its name, its output's shape, Σ of its parameters' sizes
    Shapes  x as the network takes it; Row.output is written with N for the batch axis: "(N, 32, 14, 14)".
    Errors  those of the layers.
    """
    layers = network.layers if isinstance(network, Sequential) else [network]
    rows = []
    with no_grad():
        for layer in layers:
            x = layer(x)
            shape = "(" + ", ".join(["N", *map(str, x.shape[1:])]) + ")"
            rows.append(Row(type(layer).__name__, shape, sum(p.size for p in layer.parameters())))
    return rows, x


def table(parts: dict[str, list[Row]]) -> tuple[list[tuple], list[int]]:
    """(the rows of all parts, each part followed by "NAME in all"; the parameters of each part), for plot.table."""
    totals = [sum(row.parameters for row in rows) for rows in parts.values()]
    lines = []
    for (name, rows), total in zip(parts.items(), totals):
        lines += [*rows, (f"{name} in all", "", total)]
    return lines, totals
