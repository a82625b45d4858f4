"""conv2d and conv_transpose2d against PyTorch: value, gradient, gradient of the gradient, to 1e-9.

300 stored cases always run; where PyTorch is installed, new ones are drawn too.
"""
import secrets
from collections import Counter

import numpy as np
import pytest

import scratchnet as sn
from tests import torch_conv_cases as cases

STORED = cases.load()


@pytest.fixture(params=["numpy", "numba"])
def kernels(request):
    if request.param == "numba":
        pytest.importorskip("numba")
    with sn.use_kernels(request.param):
        yield


def check(case, label):
    """Our answers equal the case's."""
    ours = cases.answers(case, lambda array: sn.Tensor(array, requires_grad=True), getattr(sn, case.op), sn.grad)
    assert set(ours) == set(case.answers)
    for name, expected in case.answers.items():
        where = f"{name} of {label}: {case}"
        assert (ours[name].shape, ours[name].dtype) == (expected.shape, np.float64), where
        np.testing.assert_allclose(ours[name], expected, rtol=1e-9, atol=1e-9, err_msg=where)


@pytest.mark.parametrize("number", range(cases.COUNT))
def test_stored_case(number, kernels):
    check(STORED[number], f"stored case {number}")


def test_fresh_cases(kernels):
    pytest.importorskip("torch")
    seed = secrets.randbits(32)
    print(f"seed {seed}")                   # pytest shows it when the test fails, in whatever way
    for number, case in enumerate(cases.draw(np.random.default_rng(seed), 60)):
        check(cases.by_torch(case), f"fresh case {number} of seed {seed}")


def test_the_file_is_what_the_script_writes():
    pytest.importorskip("torch")
    drawn = cases.draw(np.random.default_rng(cases.SEED))
    assert len(STORED) == len(drawn)
    for number, (stored, case) in enumerate(zip(STORED, map(cases.by_torch, drawn))):
        where = f"stored case {number} is another one: python -m tests.torch_conv_cases"
        assert (stored.transposed, stored.settings) == (case.transposed, case.settings), where
        for old, new in ((stored.inputs, case.inputs), (stored.answers, case.answers)):
            assert set(old) == set(new), where
            for name in old:
                np.testing.assert_allclose(old[name], new[name], rtol=1e-9, atol=1e-9, err_msg=where)


def test_the_file_is_small():
    assert cases.PATH.stat().st_size < 600_000


def features(case):
    """What could hide a mistake if no case had it -> whether this one does."""
    x, w, y = case.inputs["x"], case.inputs["w"], case.answers["y"]
    s, p, d = (cases.pair(case.settings[name]) for name in ("stride", "padding", "dilation"))
    large, filters = (y if case.transposed else x).shape[2:], w.shape[2:]         # (H, W), (K, L)
    # rows and columns the stride does not reach: for conv_transpose2d, its output_padding
    left = [(large[i] + 2 * p[i] - d[i] * (filters[i] - 1) - 1) % s[i] for i in (0, 1)]

    found = {"bias": "b" in case.inputs, "no bias": "b" not in case.inputs, "some left over": max(left) > 0}
    pairs = {"image": large, "filter": filters, "stride": s, "padding": p, "dilation": d, "left over": left}
    for name, (h, v) in pairs.items():
        found |= {f"{name} h < w": h < v, f"{name} h > w": h > v}
    values = {"filter": (1, 2, 3, 4), "stride": (1, 2, 3), "padding": (0, 1, 2), "dilation": (1, 2),
              "left over": (0, 1, 2)}
    for name, numbers in values.items():
        found |= {f"{name} = {n}": n in pairs[name] for n in numbers}
    for name, size in {"N": x.shape[0], "C": w.shape[1], "F": w.shape[0]}.items():
        found |= {f"{name} = {n}": n == size for n in (1, 2, 3)}
    for name, value in case.settings.items():
        found |= {f"{name} an int": isinstance(value, int), f"{name} a pair": isinstance(value, tuple)}
    return found


@pytest.mark.parametrize("op", ["conv2d", "conv_transpose2d"])
def test_the_stored_cases_cover_the_settings(op):
    chosen = [case for case in STORED if case.op == op]
    seen = Counter()
    for case in chosen:
        seen.update(features(case))
    assert len(chosen) == 150
    assert min(seen.values()) >= 20, seen.most_common()[::-1]
