"""Mistakes in dense layers, elementwise functions, softmax, losses, broadcasting and reductions."""
import numpy as np

import scratchnet as sn

from .ops import ADD, BCE, BMUL, CE, DENSE, MEAN, MSE, RELU, SIGMOID, SOFTMAX, TANH
from .register import planted, stateful

sig = sn.sigmoid


# ---- dense ---------------------------------------------------------------------------------------
@planted(DENSE, "dx: W not transposed", "x", "SUBST:w transposed", "CRASH_SHAPES")
def _(dy, r, x, w, b): r["x"] = dy @ w
@planted(DENSE, "dw returned transposed", "w", "TRANSPOSED")
def _(dy, r, x, w, b): r["w"] = dy.T @ x
@planted(DENSE, "db not summed over batch", "b", "UNSUMMED:batch")
def _(dy, r, x, w, b): r["b"] = dy
@planted(DENSE, "db averaged over batch", "b", "RATIO:1/B")
def _(dy, r, x, w, b): r["b"] = dy.mean(0)
@planted(DENSE, "dw averaged over batch twice", "w", "RATIO:1/B")
def _(dy, r, x, w, b): r["w"] = x.T @ dy / len(dy)
@planted(DENSE, "dw overwritten in sample loop", "w", "CONTRIB:batch: last only")
def _(dy, r, x, w, b):
    for n in range(len(dy)):
        r["w"] = np.outer(x[n], dy[n])
@planted(DENSE, "dw loop misses last sample", "w", "CONTRIB:batch: last missing")
def _(dy, r, x, w, b): r["w"] = x[:-1].T @ dy[:-1]
@planted(DENSE, "dw returns inside loop", "w", "CONTRIB:batch: first only")
def _(dy, r, x, w, b): r["w"] = np.outer(x[0], dy[0])
@planted(DENSE, "dx sign error", "x", "RATIO:-1")
def _(dy, r, x, w, b): r["x"] = -dy @ w.T
@planted(DENSE, "dw ignores dy", "w", "DY:ones")
def _(dy, r, x, w, b): r["w"] = x.T @ np.ones_like(dy)
@planted(DENSE, "db summed over everything", "b", "OVERSUMMED")
def _(dy, r, x, w, b): r["b"] = np.full_like(r["b"], dy.sum())
@planted(DENSE, "dx zero (detached)", "x", "ZERO")
def _(dy, r, x, w, b): r["x"] = np.zeros_like(x)
@planted(DENSE, "dx forgotten", "x", "NO_GRAD")
def _(dy, r, x, w, b): r["x"] = None
@planted(DENSE, "dw counted twice", "w", "RATIO:2")
def _(dy, r, x, w, b): r["w"] = 2 * r["w"]
@planted(DENSE, "dw uses w instead of x", "w", "SUBST:x:=w", "CRASH_SHAPES")
def _(dy, r, x, w, b): r["w"] = w.T @ dy
@planted(DENSE, "weight decay left in dw", "w", "ADDITIVE")
def _(dy, r, x, w, b): r["w"] = r["w"] + 0.5 * w
@planted(DENSE, "gradient computed in float32", "w", "PRECISION")
def _(dy, r, x, w, b): r["w"] = (x.astype("f4").T @ dy.astype("f4"))
@planted(DENSE, "reshape instead of transpose in dx", "x", "SUBST", "REORDERED", "CRASH_SHAPES")
def _(dy, r, x, w, b): r["x"] = dy @ w.reshape(w.shape[::-1])


@stateful(DENSE, "stale cache", "*", "STALE")
def _():
    kept = []

    def forward(x, w, b):
        if not kept or kept[0].shape != x.shape:
            kept[:] = [x, w]
        return sn.dense(x, w, b)
    return forward, lambda dy, x, w, b: (dy @ kept[1].T, kept[0].T @ dy, dy.sum(0))


@stateful(DENSE, "dw buffer never reset", "w", "ACCUMULATES")
def _():
    kept = {}

    def backward(dy, x, w, b):
        r = DENSE.backward(dy, x, w, b)
        kept[w.shape] = r["w"] = r["w"] + kept.get(w.shape, 0)
        return r
    return DENSE.forward, backward


# ---- relu & co -----------------------------------------------------------------------------------
@planted(RELU, "mask missing", "x", "IDENTITY", "LOCAL:x<0")
def _(dy, r, x): r["x"] = dy.copy()
@planted(RELU, "mask from dy", "x", "IDENTITY:relu(dy)", "DY:relu(dy)")
def _(dy, r, x): r["x"] = dy * (dy > 0)
@planted(RELU, "mask from dy and x", "x", "DY:relu(dy)")
def _(dy, r, x): r["x"] = dy * (dy > 0) * (x > 0)
@planted(RELU, ">= instead of >", "x", "KINK")
def _(dy, r, x): r["x"] = dy * (x >= 0)
@planted(RELU, "mask inverted", "x", "SUBST:x:=-x")
def _(dy, r, x): r["x"] = dy * (x < 0)
@planted(RELU, "relu(x) instead of the mask", "x", "FACTOR:extra relu(x)", "FACTOR:extra x", "FACTOR:extra y", "FACTOR:extra |x|", "DYFACTOR:extra")
def _(dy, r, x): r["x"] = dy * np.maximum(x, 0)


@planted(RELU, "dy changed in place", "*", "MUTATES:dy")
def _(dy, r, x):
    dy[x <= 0] = 0
    r["x"] = dy.copy()


@planted(SIGMOID, "(1-y) missing", "x", "FACTOR:missing 1-y")
def _(dy, r, x): r["x"] = dy * sig(x)
@planted(SIGMOID, "derivative taken at x: x(1-x)", "x", "FACTOR:x*(1-x) instead of", "FACTOR")
def _(dy, r, x): r["x"] = dy * x * (1 - x)
@planted(SIGMOID, "local derivative missing", "x", "IDENTITY")
def _(dy, r, x): r["x"] = dy.copy()
@planted(SIGMOID, "sigmoid applied twice in backward", "x", "SUBST:x:=y")
def _(dy, r, x): r["x"] = dy * sig(sig(x)) * (1 - sig(sig(x)))
@planted(SIGMOID, "dy ignored", "x", "DY:ones")
def _(dy, r, x): r["x"] = sig(x) * (1 - sig(x))
@planted(TANH, "1-y instead of 1-y^2", "x", "FACTOR:missing 1+y")
def _(dy, r, x): r["x"] = dy * (1 - np.tanh(x))
@planted(TANH, "1+y^2 sign", "x", "FACTOR")
def _(dy, r, x): r["x"] = dy * (1 + np.tanh(x) ** 2)
@planted(TANH, "1-x^2: input for output", "x", "FACTOR:1-x^2 instead of", "FACTOR")
def _(dy, r, x): r["x"] = dy * (1 - x ** 2)
@planted(SOFTMAX, "treated as elementwise", "x", "DIAGONAL")
def _(dy, r, x): p = sn.softmax(x); r["x"] = dy * p * (1 - p)
@planted(SOFTMAX, "sum over the wrong axis", "x", "UNKNOWN")
def _(dy, r, x): p = sn.softmax(x); r["x"] = p * (dy - (dy * p).sum(0, keepdims=True))
@planted(SOFTMAX, "correction term missing", "x", "COMPUTES:dy*y", "ADDITIVE", "UNKNOWN")
def _(dy, r, x): r["x"] = sn.softmax(x) * dy


# ---- losses --------------------------------------------------------------------------------------
@planted(MSE, "factor 2 missing", "a", "RATIO:1/2")
def _(dy, r, a, t): r["a"] = r["a"] / 2
@planted(MSE, "1/N missing", "a", "RATIO:B*D")
def _(dy, r, a, t): r["a"] = r["a"] * a.size
@planted(MSE, "divided by batch only", "a", "RATIO:D")
def _(dy, r, a, t): r["a"] = dy * 2 * (a - t) / len(a)
@planted(MSE, "target minus prediction", "a", "RATIO:-1")
def _(dy, r, a, t): r["a"] = -r["a"]
@planted(MSE, "target forgotten", "a", "CONST:t=0", "ADDITIVE")
def _(dy, r, a, t): r["a"] = dy * 2 * a / a.size
@planted(BCE, "logit used as probability", "z", "ADDITIVE")
def _(dy, r, z, t): r["z"] = dy * (z - t) / z.size
@planted(BCE, "1/N missing", "z", "RATIO:B*D")
def _(dy, r, z, t): r["z"] = dy * (sig(z) - t)
@planted(BCE, "gradient w.r.t. probability", "z", "FACTOR:missing sigmoid'(z)")
def _(dy, r, z, t): p = sig(z); r["z"] = dy * (p - t) / (p * (1 - p)) / z.size
@planted(BCE, "sigmoid' applied twice", "z", "FACTOR:extra sigmoid'(z)")
def _(dy, r, z, t): p = sig(z); r["z"] = r["z"] * p * (1 - p)
@planted(BCE, "upstream gradient ignored", "z", "DY:ones")
def _(dy, r, z, t): r["z"] = (sig(z) - t) / z.size
@planted(CE, "1/N missing", "z", "RATIO:B")
def _(dy, r, z, labels): r["z"] = r["z"] * len(z)
@planted(CE, "one-hot not subtracted", "z", "ADDITIVE:1/B * one_hot(labels)")
def _(dy, r, z, labels): r["z"] = dy * sn.softmax(z) / len(z)
@planted(CE, "t - p", "z", "RATIO:-1")
def _(dy, r, z, labels): r["z"] = -r["z"]
@planted(CE, "logits instead of probabilities", "z", "ADDITIVE")
def _(dy, r, z, labels): r["z"] = dy * (z - np.eye(z.shape[1])[labels]) / len(z)
@planted(CE, "divided by batch and classes", "z", "RATIO:1/C")
def _(dy, r, z, labels): r["z"] = r["z"] / z.shape[1]


# ---- broadcasting --------------------------------------------------------------------------------
@planted(BMUL, "da not summed", "a", "UNSUMMED:axis1")
def _(dy, r, a, b): r["a"] = dy * b
@planted(BMUL, "da keepdims lost", "a", "SHAPE_RESHAPE")
def _(dy, r, a, b): r["a"] = (dy * b).sum(1)
@planted(BMUL, "db averaged, not summed", "b", "RATIO:1/B")
def _(dy, r, a, b): r["b"] = (dy * a).mean(0)
@planted(BMUL, "da misses the factor b", "a", "SUBST:b=1")
def _(dy, r, a, b): r["a"] = dy.sum(1, keepdims=True)
@planted(BMUL, "db: only first sample", "b", "CONTRIB:axis0: first only")
def _(dy, r, a, b): r["b"] = (dy * a)[0]
@planted(BMUL, "db summed over the wrong axis", "b", "WRONG_AXES:summed over axis1")
def _(dy, r, a, b): r["b"] = (dy * a).sum(1)
@planted(ADD, "both gradients are the same array", "*", "ALIAS")
def _(dy, r, a, b): r["a"] = r["b"] = dy
@planted(ADD, "db sign (as in a-b)", "b", "RATIO:-1")
def _(dy, r, a, b): r["b"] = -dy
@planted(MEAN, "1/n missing", "x", "RATIO:D")
def _(dy, r, x): r["x"] = r["x"] * x.shape[1]
@planted(MEAN, "divided by batch instead of n", "x", "RATIO:D/B")
def _(dy, r, x): r["x"] = r["x"] * x.shape[1] / x.shape[0]
@planted(MEAN, "only first column", "x", "LOCAL", "OVERWRITTEN")
def _(dy, r, x): v = np.zeros(x.shape); v[:, 0] = dy / x.shape[1]; r["x"] = v
