"""Adam updates small parameters as one: what that must not change."""
import numpy as np
import pytest

import scratchnet as sn


@pytest.mark.parametrize("make", [sn.optim.Adam, lambda p: sn.optim.AdamW(p, weight_decay=0.1)])
def test_small_parameters_updated_as_one_get_the_same_bits(make, kernels):
    """Of several sizes and dtypes, one in Fortran's order, one that is updated for the first time later than the others."""
    found = []
    for together in (True, False):
        rng = np.random.default_rng(0)
        params = [sn.Tensor(rng.standard_normal(s).astype(t), requires_grad=True)
                  for s, t in (((3, 4), "f"), ((5,), "f"), ((), "f"), ((70, 50), "f"), ((6,), "d"), ((2, 2), "d"))]
        params[0].data = np.asfortranarray(params[0].numpy())
        adam = make(params)
        for step in range(4):
            for p in params:
                p.grad = rng.standard_normal(p.shape)
            if step < 2:
                params[1].grad = None
            if together:
                adam.step()
            else:
                for p in params:                # each by itself
                    others = [(q, q.grad) for q in params if q is not p]
                    for q, _ in others:
                        q.grad = None
                    adam.step()
                    for q, grad in others:
                        q.grad = grad
        found.append([p.numpy().copy() for p in params])
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)
