"""Where the nodes of a graph go on paper: computation runs from left to right, the loss is at the right end.

    column   the longest way to the loss, counted from the right: so each stands before all that use it
    row      as near as possible to those that use it, leaves one further down
"""
from __future__ import annotations


def layout(order: list, edges: dict, is_leaf) -> dict:
    """{node: (column, row)}.  order: users before what they use; edges: {node: nodes it was computed from}."""
    users = {node: [] for node in order}
    for node in order:
        for source in edges[node]:
            users[source].append(node)
    depth = {}
    for node in order:
        depth[node] = 1 + max((depth[user] for user in users[node]), default=-1)
    last, place, taken = max(depth.values()), {}, set()
    for node in sorted(order, key=lambda n: (depth[n], is_leaf(n))):
        rows = [place[user][1] for user in users[node]]
        wanted = sum(rows) / len(rows) if rows else 0.0
        row = nearest_free(depth[node], round(wanted) + (1 if is_leaf(node) else 0), taken)
        place[node] = last - depth[node], row
        taken.add((depth[node], row))
    top = min(row for _, row in place.values())
    return {node: (column, row - top) for node, (column, row) in place.items()}


def nearest_free(column: int, row: int, taken: set) -> int:
    """row, or the next one below or above that is not taken in this column."""
    for distance in range(len(taken) + 1):
        for candidate in (row + distance, row - distance):
            if (column, candidate) not in taken:
                return candidate
    raise AssertionError("more rows are taken than there are nodes")
