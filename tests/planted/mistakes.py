"""117 wrong backwards with the names a teacher would give them: the labels were written down before any check was run.

    @planted(PAIR, "what was done wrong", "target", accepted keys: "CODE" or the beginning of "CODE:detail")
    def _(dy, r, *inputs): change the right gradients r
"""
from __future__ import annotations

from typing import Callable, NamedTuple

import numpy as np

import scratchnet as sn

from . import ops
from .ops import (ADD, BCE, BMUL, CE, CHAIN, CONV, CONVT, DENSE, DIAMOND, GAND, GANG, MEAN, MSE, POOL, RELU, SIGMOID, SOFTMAX,
                  TANH, VAE, padded, up)


class Mistake(NamedTuple):
    pair: ops.Pair
    what: str
    target: str
    accepted: tuple
    make: Callable                              # () → (forward, backward), fresh ones: some keep state

    def __repr__(self):
        return f"{self.pair.name}: {self.what}"


MISTAKES: list[Mistake] = []
sig = sn.sigmoid


def planted(pair: ops.Pair, what: str, target: str, *accepted: str):
    def register(edit):
        def backward(dy, *inputs):
            r = pair.backward(dy, *inputs)
            edit(dy, r, *inputs)
            return r
        MISTAKES.append(Mistake(pair, what, target, accepted, lambda: (pair.forward, backward)))
    return register


def stateful(pair: ops.Pair, what: str, target: str, *accepted: str):
    """Decorator of a function that makes (forward, backward)."""
    def register(make):
        MISTAKES.append(Mistake(pair, what, target, accepted, make))
    return register

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


# ---- conv ----------------------------------------------------------------------------------------
def conv_dx(dy, x, w, st, p, loops=None, assign=False):
    """(dx, dx before the padding is cropped)"""
    k, (H, W), dxp = w.shape[2], x.shape[2:], np.zeros_like(padded(x, p))
    for i, j in np.ndindex(loops or dy.shape[2:]):
        window = np.s_[:, :, i * st:i * st + k, j * st:j * st + k]
        v = np.einsum("bo,ockl->bckl", dy[:, :, i, j], w)
        dxp[window] = v if assign else dxp[window] + v
    return dxp[:, :, p:p + H, p:p + W], dxp


@planted(CONV, "dx: kernel not flipped", "x", "SUBST:w flipped (-2, -1)")
def _(dy, r, x, w, b, s, p): r["x"] = conv_dx(dy, x, w[..., ::-1, ::-1], s, p)[0]
@planted(CONV, "dx: channel axes swapped", "x", "SUBST:w axes 0,1 swapped", "CRASH_SHAPES")
def _(dy, r, x, w, b, s, p):
    if w.shape[0] != w.shape[1]:
        raise ValueError("operands could not be broadcast together")
    r["x"] = conv_dx(dy, x, w.transpose(1, 0, 2, 3), s, p)[0]
@planted(CONV, "dx: crop one pixel off", "x", "SHIFTED")
def _(dy, r, x, w, b, s, p):
    H, W = x.shape[2:]
    r["x"] = padded(conv_dx(dy, x, w, s, p)[1], 0, more=2)[:, :, p + 1:p + 1 + H, p + 1:p + 1 + W]
@planted(CONV, "dx: padding not cropped", "x", "UNCROPPED")
def _(dy, r, x, w, b, s, p): r["x"] = conv_dx(dy, x, w, s, p)[1]
@planted(CONV, "dx: stride forgotten", "x", "CONST:s=1")
def _(dy, r, x, w, b, s, p): r["x"] = conv_dx(dy, x, w, 1, p)[0]
@planted(CONV, "dx: '=' instead of '+=' in the scatter", "x", "OVERWRITTEN")
def _(dy, r, x, w, b, s, p): r["x"] = conv_dx(dy, x, w, s, p, assign=True)[0]
@planted(CONV, "dx: border set to zero", "x", "LOCAL:border 1")
def _(dy, r, x, w, b, s, p): v = np.zeros_like(r["x"]); v[:, :, 1:-1, 1:-1] = r["x"][:, :, 1:-1, 1:-1]; r["x"] = v
@planted(CONV, "dx: last output row/col skipped", "x", "DY:dy without the last row and column")
def _(dy, r, x, w, b, s, p): r["x"] = conv_dx(dy, x, w, s, p, loops=(dy.shape[2] - 1, dy.shape[3] - 1))[0]
@planted(CONV, "dw reversed", "w", "FLIPPED")
def _(dy, r, x, w, b, s, p): r["w"] = r["w"][..., ::-1, ::-1].copy()
@planted(CONV, "dw: only the last sample", "w", "CONTRIB:batch: last only")
def _(dy, r, x, w, b, s, p):
    m = np.zeros_like(dy); m[-1] = dy[-1]; r["w"] = CONV.backward(m, x, w, b, s, p)["w"]
@planted(CONV, "dw: last output row skipped", "w", "CONTRIB:row: last missing", "DY:dy without the last row")
def _(dy, r, x, w, b, s, p): m = dy.copy(); m[:, :, -1] = 0; r["w"] = CONV.backward(m, x, w, b, s, p)["w"]
@planted(CONV, "dw: padding offset ignored", "w", "SUBST:x shifted", "SHIFTED")
def _(dy, r, x, w, b, s, p): r["w"] = CONV.backward(dy, padded(x, 0, more=2 * p), w, b, s, 0)["w"]
@planted(CONV, "dw: '=' over output positions", "w", "OVERWRITTEN", "CONTRIB")
def _(dy, r, x, w, b, s, p):
    m = np.zeros_like(dy); m[:, :, -1, -1] = dy[:, :, -1, -1]; r["w"] = CONV.backward(m, x, w, b, s, p)["w"]
@planted(CONV, "dw divided by batch", "w", "RATIO:1/B")
def _(dy, r, x, w, b, s, p): r["w"] = r["w"] / len(dy)
@planted(CONV, "db not summed over space", "b", "UNSUMMED")
def _(dy, r, x, w, b, s, p): r["b"] = dy.sum(0)
@planted(CONV, "db: mean over space", "b", "RATIO:1/(Ho*Wo)")
def _(dy, r, x, w, b, s, p): r["b"] = dy.mean((2, 3)).sum(0)
@planted(CONV, "db: one pixel only", "b", "CONTRIB", "OVERWRITTEN")
def _(dy, r, x, w, b, s, p): r["b"] = dy[:, :, -1, :].sum((0, 2))
@planted(CONV, "db forgotten", "b", "NO_GRAD")
def _(dy, r, x, w, b, s, p): del r["b"]


# ---- transposed conv -----------------------------------------------------------------------------
@planted(CONVT, "dx: kernel flipped", "x", "SUBST:w flipped (-2, -1)")
def _(dy, r, x, w, b, s, p, q): r["x"] = CONVT.backward(dy, x, w[..., ::-1, ::-1], b, s, p, q)["x"]
@planted(CONVT, "dx: output_padding row/col dropped", "x", "DY:dy without the last row and column")
def _(dy, r, x, w, b, s, p, q): m = dy.copy(); m[:, :, -1] = 0; m[..., -1] = 0; r["x"] = CONVT.backward(m, x, w, b, s, p, q)["x"]
@planted(CONVT, "dx: crop off by one", "x", "DY:dy shifted")
def _(dy, r, x, w, b, s, p, q):
    m = np.zeros_like(dy); m[:, :, 1:, 1:] = dy[:, :, :-1, :-1]; r["x"] = CONVT.backward(m, x, w, b, s, p, q)["x"]
@planted(CONVT, "dw: in/out channels swapped", "w", "TRANSPOSED")
def _(dy, r, x, w, b, s, p, q): r["w"] = r["w"].transpose(1, 0, 2, 3).copy()
@planted(CONVT, "dw reversed", "w", "FLIPPED")
def _(dy, r, x, w, b, s, p, q): r["w"] = r["w"][..., ::-1, ::-1].copy()
@planted(CONVT, "db summed over batch only", "b", "UNSUMMED")
def _(dy, r, x, w, b, s, p, q): r["b"] = dy.sum(0)
@planted(CONVT, "dx: stride ignored when gathering", "x", "CONST:s=1")
def _(dy, r, x, w, b, s, p, q):
    (H, W), dyp = x.shape[2:], padded(dy, p)
    r["x"] = sum(np.einsum("bohw,co->bchw", dyp[:, :, i:i + H, j:j + W], w[:, :, i, j]) for i, j in np.ndindex(w.shape[2:]))


# ---- max pool ------------------------------------------------------------------------------------
@planted(POOL, "gradient to the whole window", "x", "LEAK")
def _(dy, r, x): r["x"] = dy.repeat(2, 2).repeat(2, 3)
@planted(POOL, "gradient averaged over the window", "x", "MISROUTED")
def _(dy, r, x): r["x"] = dy.repeat(2, 2).repeat(2, 3) / 4
@planted(POOL, "gradient always to the first entry", "x", "MISROUTED")
def _(dy, r, x): v = np.zeros_like(x); v[:, :, ::2, ::2] = dy; r["x"] = v


# ---- VAE -----------------------------------------------------------------------------------------
def residual(mu, lv, V, eps, t): return ((mu + np.exp(0.5 * lv) * eps) @ V - t) / len(mu)
def dz(mu, lv, V, eps, t): return residual(mu, lv, V, eps, t) @ V.T


@planted(VAE, "KL sign wrong in dmu", "mu", "TERMS:KL x -1")
def _(dy, r, mu, lv, V, eps, t): r["mu"] = r["mu"] - dy * 2 * mu / len(mu)
@planted(VAE, "KL missing in dmu", "mu", "TERMS:KL x 0")
def _(dy, r, mu, lv, V, eps, t): r["mu"] = r["mu"] - dy * mu / len(mu)
@planted(VAE, "KL not averaged over batch", "mu", "TERMS:KL x B")
def _(dy, r, mu, lv, V, eps, t): r["mu"] = r["mu"] + dy * mu * (1 - 1 / len(mu))
@planted(VAE, "KL missing in dlv", "lv", "TERMS:KL x 0")
def _(dy, r, mu, lv, V, eps, t): r["lv"] = r["lv"] - dy * 0.5 * (np.exp(lv) - 1) / len(mu)
@planted(VAE, "KL dlv: factor 1/2 missing", "lv", "TERMS:KL x 2")
def _(dy, r, mu, lv, V, eps, t): r["lv"] = r["lv"] + dy * 0.5 * (np.exp(lv) - 1) / len(mu)
@planted(VAE, "KL dlv: -1 forgotten", "lv", "ADDITIVE")
def _(dy, r, mu, lv, V, eps, t): r["lv"] = r["lv"] + dy * 0.5 / len(mu)
@planted(VAE, "no gradient through the sample", "lv", "TERMS:recon x 0")
def _(dy, r, mu, lv, V, eps, t): r["lv"] = dy * 0.5 * (np.exp(lv) - 1) / len(mu)
@planted(VAE, "reparam: factor 1/2 missing", "lv", "TERMS:recon x 2")
def _(dy, r, mu, lv, V, eps, t): r["lv"] = r["lv"] + dy * dz(mu, lv, V, eps, t) * eps * 0.5 * np.exp(0.5 * lv)
@planted(VAE, "reparam: var instead of std", "lv", "TERM_FACTOR:recon: extra exp(lv/2)")
def _(dy, r, mu, lv, V, eps, t): r["lv"] = dy * (dz(mu, lv, V, eps, t) * eps * 0.5 * np.exp(lv) + 0.5 * (np.exp(lv) - 1) / len(mu))
@planted(VAE, "reparam: eps forgotten", "lv", "TERM_FACTOR:recon: missing eps")
def _(dy, r, mu, lv, V, eps, t): r["lv"] = dy * (dz(mu, lv, V, eps, t) * 0.5 * np.exp(0.5 * lv) + 0.5 * (np.exp(lv) - 1) / len(mu))
@planted(VAE, "reparam: eps in dmu", "mu", "TERM_FACTOR:recon: extra eps")
def _(dy, r, mu, lv, V, eps, t): r["mu"] = dy * (dz(mu, lv, V, eps, t) * eps + mu / len(mu))
@planted(VAE, "dV: mu instead of z", "V", "CONST:eps=0", "UNKNOWN")
def _(dy, r, mu, lv, V, eps, t): r["V"] = dy * mu.T @ residual(mu, lv, V, eps, t)


@planted(VAE, "fresh noise in backward", "*", "NONDETERMINISTIC")
def _(dy, r, mu, lv, V, eps, t): r.update(VAE.backward(dy, mu, lv, V, np.random.standard_normal(eps.shape), t))


# ---- GAN -----------------------------------------------------------------------------------------
@planted(GAND, "d fake sign", "fake", "RATIO:-1")
def _(dy, r, real, fake): r["fake"] = -r["fake"]
@planted(GAND, "real term missing", "real", "ZERO")
def _(dy, r, real, fake): r["real"] = np.zeros_like(real)
@planted(GAND, "logit used as probability", "fake", "ADDITIVE", "FACTOR")
def _(dy, r, real, fake): r["fake"] = dy * fake / fake.size
@planted(GANG, "saturating loss gradient", "fake", "FACTOR", "ADDITIVE", "BANK", "SUBST")
def _(dy, r, fake): r["fake"] = -dy * sig(fake) / fake.size
@planted(GANG, "1/N missing", "fake", "RATIO:B")
def _(dy, r, fake): r["fake"] = r["fake"] * fake.size


# ---- graph ---------------------------------------------------------------------------------------
@planted(DIAMOND, "last use overwrites", "x", "PATHS:lost")
def _(dy, r, x): r["x"] = 3 * dy
@planted(DIAMOND, "one use lost", "x", "PATHS:lost")
def _(dy, r, x): r["x"] = dy * np.tanh(x) + 3 * dy
@planted(DIAMOND, "no topological order: a path runs twice", "x", "PATHS:weights")
def _(dy, r, x): r["x"] = r["x"] + dy * x * (1 - np.tanh(x) ** 2)
@planted(CHAIN, "hidden derivative missing", "W", "DYFACTOR", "UNKNOWN")
def _(dy, r, x, W, V): r["W"] = x.T @ (dy @ V.T)
@planted(CHAIN, "h(1-h) taken from the pre-activation", "W", "UNKNOWN")
def _(dy, r, x, W, V): a = x @ W; r["W"] = x.T @ ((dy @ V.T) * a * (1 - a))
@planted(CHAIN, "V not transposed", "x", "SUBST:V transposed", "CRASH_SHAPES")
def _(dy, r, x, W, V): h = sig(x @ W); r["x"] = ((dy @ V) * h * (1 - h)) @ W.T
@planted(CHAIN, "updated V used for dW (weights stepped too early)", "W", "UNKNOWN")
def _(dy, r, x, W, V): h = sig(x @ W); r["W"] = x.T @ ((dy @ (V - 0.1 * r["V"]).T) * h * (1 - h))
