"""Mistakes in convolution, pooling, the losses of VAE and GAN, and graphs."""
import numpy as np

import scratchnet as sn

from .ops import CHAIN, CONV, CONVT, DIAMOND, GAND, GANG, POOL, VAE, padded, up
from .register import planted

sig = sn.sigmoid


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
