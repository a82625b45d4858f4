"""What holds of gradients without measuring any: linear in g (G3), and ⟨g, y⟩ = ⟨x, dx⟩ where an op is linear (G4)."""
from __future__ import annotations

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.ops import batch_norm, broadcast, conv, conv_chain, conv_relu, dense_chain, elementwise, pool, shape
from scratchnet.ops.matmul import product
from tests.conftest import for_all, size
from tests.op_cases import REGIMES, cases, name_of
from tests.registry_tools import assert_close, each_function, gradients, upstream

# Inputs in which an op is linear, the others held: ⟨g, y⟩ = Σ ⟨x, ∂/∂x⟩ over each group.
LINEAR = {
    sn.add: ["ab"], sn.sub: ["ab"], sn.mul: ["a", "b"], sn.div: ["a"], elementwise.select: ["ab"], sn.where: ["ab"],
    sn.neg: ["x"], sn.broadcast_to: ["x"], broadcast.sum_to: ["x"], sn.reshape: ["x"], sn.transpose: ["x"],
    sn.pad: ["x"], shape.crop: ["x"], sn.getitem: ["x"], shape.scatter_add: ["g"], sn.sum: ["x"], sn.mean: ["x"],
    sn.concatenate: [["xs"]], sn.stack: [["xs"]], product: ["a", "b"], sn.matmul: ["a", "b"],
    sn.dense: ["xb", "wb"], sn.conv2d: ["xb", "wb"], conv.conv2d_transpose: ["gb", "wb"],
    conv.conv2d_weight: ["x", "g"], sn.conv_transpose2d: ["xb", "wb"], sn.avg_pool2d: ["x"],
    pool.avg_pool2d_transpose: ["g"], pool.take: ["x"],
    pool.put: ["g"], sn.normalize: [["gamma", "beta"]],
}
# ops with kinks or ties are linear too wherever no kink is crossed: ⟨g, y⟩ = ⟨x, dx⟩ holds for them as well
LINEAR.update({f: ["x"] for f in (sn.abs, sn.relu, sn.leaky_relu, sn.max, sn.max_pool2d)})
LINEAR.update({f: ["ab"] for f in (sn.maximum, sn.minimum)})
LINEAR.update({conv_relu.conv2d_relu: ["xb", "wb"], conv_relu.conv2d_transpose_relu: ["gb", "wb"]})
LINEAR[batch_norm] = [["gamma", "beta"]]
CURVED = {sn.power, sn.exp, sn.log, sn.sqrt, sn.tanh, sn.sigmoid, sn.softplus, sn.clip, sn.var, sn.logsumexp,
          sn.softmax, sn.log_softmax, sn.mse, sn.bce_with_logits, sn.cross_entropy, sn.gaussian_kl, conv_chain, dense_chain}


@each_function
def test_G3_gradients_are_linear_in_g(function):
    """G3: B(0) = 0 and B(a·u + b·v) = a·B(u) + b·B(v)."""
    def check(case):
        u, v = upstream(case, np.random.default_rng(2)), upstream(case, np.random.default_rng(3))
        zero, mixed, u, v = (gradients(case, g) for g in (0 * u, 0.75 * u - 2 * v, u, v))
        assert all(not d.any() for d in zero)
        for m, du, dv in zip(mixed, u, v):
            assert_close(m, 0.75 * du - 2 * dv, 1e-12)

    for_all(cases(function, "distinct"), check, size(3, 50))
    for_all(cases(function, "ones"), check, size(3, 50))


@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("function", sorted(LINEAR, key=name_of), ids=name_of)
def test_G4_adjoint_identity(function, dtype, rtol, kernels):
    """G4: ⟨g, y⟩ = Σ ⟨x, ∂⟨g, y⟩/∂x⟩ over inputs in which y is linear; no differences, so rounding only."""
    def check(case):
        g = upstream(case).astype(dtype)
        gy = (g * case.call([a.astype(dtype) for a in case.arrays()])).astype(np.float64)
        names = [k for k, v in case.inputs.items() for _ in (v if isinstance(v, list) else [v])]
        ds = gradients(case, g, dtype)
        for group in LINEAR[function]:
            xdx = [(x * d).ravel() for name, x, d in zip(names, case.arrays(), ds) if name in group]
            xdx = np.concatenate(xdx)
            scale = max(1.0, np.abs(gy).sum(), np.abs(xdx).sum())
            assert abs(gy.sum() - xdx.sum()) <= rtol * scale, f"inputs {group}: {gy.sum()} and {xdx.sum()}"

    for regime in REGIMES:
        for_all(cases(function, regime), check, size(3, 170))
