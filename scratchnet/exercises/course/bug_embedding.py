"""Find the bug: an embedding layer

Words become vectors by looking up rows of a table.  This layer works on every sentence in which no word
comes twice.

Formula
    y[n,t,d] = table[ids[n,t], d]
    ∂L/∂table[v,d] = Σ g[n,t,d] over all places (n, t) with ids[n,t] = v

Shapes
    ids (N, T) integers from 0 to V − 1    table (V, D)    y and g (N, T, D)

Example
    The word 1 stands at two places, so its row gets both gradients:
    >>> table_backward(np.array([[[1., 2.], [10., 20.]]]), np.array([[1, 1]]), (3, 2))
    array([[ 0.,  0.],
           [11., 22.],
           [ 0.,  0.]])

To do
    Run it, read which entries are wrong and by how much.  Repair one line; np.add.at(a, index, b) is a[index] += b
    done once per index.
"""
import numpy as np


def lookup(table, ids):
    return table[ids]


def table_backward(g, ids, table_shape):
    dtable = np.zeros(table_shape)
    np.add.at(dtable, ids, g)
    return dtable
