"""2-D convolution and its derivatives from one kernel, at about twice the speed of BLAS.

    y  = conv2d(x, w)             y[n,f,i,j]  = Σ_ckl  x[n,c, s·i+d·k−p, s·j+d·l−p] · w[f,c,k,l]
    x  = conv2d_transpose(g, w)   x[n,c,u,v]  = Σ_fkl  g[n,f,i,j] · w[f,c,k,l]   over s·i+d·k−p = u, ...
    dw = conv2d_weight(x, g)      dw[f,c,k,l] = Σ_nij  g[n,f,i,j] · x[n,c, s·i+d·k−p, s·j+d·l−p]

Each is a correlation: slide a filter over an image and take dot products.
  conv2d            image x, channels c, filter w[f], step s between positions, d between taps.
  conv2d_weight     swap the names: image x[:,c], channels n, filter g[:,f], step d, d between taps s.
  conv2d_transpose  rows u, u+s, u+2s, ... of x meet the same taps k of w: s·s small correlations
                    (stride 2, 3x3: 1, 2, 2 and 4 taps) with step 1, each filling every s-th pixel.
"""
from math import gcd

import numpy as np

from ..kernel import jit, parallel
from .conv_checks import out_size
from .conv_kernels import conv_dw, conv_dx, conv_y

# ---- the kernel ------------------------------------------------------------------------------

@jit(flags={"contract", "reassoc", "nsz"})
def dots(rows, w, y, at):
    """y[f, at[r]] += rows[r] · w[f]  for four rows and all f: the whole arithmetic of this file.

    Sixteen dot products at once: 8 loads serve 16 multiply-adds, so the loads keep up, and sixteen
    sums in registers hide the latency of an addition. `reassoc` lets LLVM split each sum over the
    lanes of a vector register. Past the last f the last one is computed again: same value, same place.
    """
    F = len(w)
    a0, a1, a2, a3 = at[0], at[1], at[2], at[3]
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    for f in range(0, F, 4):
        y0, y1, y2, y3 = y[f], y[min(f + 1, F - 1)], y[min(f + 2, F - 1)], y[min(f + 3, F - 1)]
        w0, w1, w2, w3 = w[f], w[min(f + 1, F - 1)], w[min(f + 2, F - 1)], w[min(f + 3, F - 1)]
        s00, s01, s02, s03 = y0[a0], y1[a0], y2[a0], y3[a0]
        s10, s11, s12, s13 = y0[a1], y1[a1], y2[a1], y3[a1]
        s20, s21, s22, s23 = y0[a2], y1[a2], y2[a2], y3[a2]
        s30, s31, s32, s33 = y0[a3], y1[a3], y2[a3], y3[a3]
        for p in range(rows.shape[1]):
            s00 += r0[p] * w0[p]; s01 += r0[p] * w1[p]; s02 += r0[p] * w2[p]; s03 += r0[p] * w3[p]
            s10 += r1[p] * w0[p]; s11 += r1[p] * w1[p]; s12 += r1[p] * w2[p]; s13 += r1[p] * w3[p]
            s20 += r2[p] * w0[p]; s21 += r2[p] * w1[p]; s22 += r2[p] * w2[p]; s23 += r2[p] * w3[p]
            s30 += r3[p] * w0[p]; s31 += r3[p] * w1[p]; s32 += r3[p] * w2[p]; s33 += r3[p] * w3[p]
        y0[a0], y1[a0], y2[a0], y3[a0] = s00, s01, s02, s03
        y0[a1], y1[a1], y2[a1], y3[a1] = s10, s11, s12, s13
        y0[a2], y1[a2], y2[a2], y3[a2] = s20, s21, s22, s23
        y0[a3], y1[a3], y2[a3], y3[a3] = s30, s31, s32, s33

@jit
def channels_last(x, out, top, left):
    """out[top+h, phase, v, c] = x[c,h,w] with v, phase = divmod(left+w, gap): channels become neighbours,
    and so do the pixels `gap` apart that the taps of one filter row meet."""
    C, H, W = x.shape
    gap = out.shape[1]
    for h in range(H):
        for c in range(C):
            for w in range(W):
                out[top + h, (left + w) % gap, (left + w) // gap, c] = x[c, h, w]

@jit
def round_up(n):
    return (n + 15) // 16 * 16

@jit
def correlate(x, w, b, y, jobs, pad, step, gap, out_step, first, last):
    """For images first..last: y = b + Σ over jobs of (image x ⋆ one piece of the filters w).

    A job (i0,j0, M,N, K,L, u0,v0, start) fills the pixels (u0+m·out_step, v0+n·out_step) of y, m<M, n<N,
    from windows whose corner is (i0+m·step, j0+n·step) in the padded image, K·L taps `gap` apart.
    A window, copied to a row, is K·L·C numbers; so is a filter of w[start:]. Rows have a multiple of
    sixteen entries, the rest zeros. Four windows at a time stay in the L1 cache, the filters in L2.
    """
    A, C, H, W = x.shape
    _, F, U, V = y.shape
    width = (pad[3] + gap[1] - 1) // gap[1]
    image = np.zeros((pad[2], gap[1], width, C), x.dtype)
    lines = image.reshape(pad[2], gap[1] * width * C)
    buffer = np.zeros(4 * round_up(np.max(jobs[:, 4] * jobs[:, 5]) * C), x.dtype)
    at = np.zeros(4, np.int64)
    for a in range(first, last):
        channels_last(x[a], image, pad[0], pad[1])
        for f in range(F):
            y[a, f] = b[f]
        ya = y[a].reshape(F, U * V)
        for t in range(len(jobs)):
            i0, j0, M, N, K, L, u0, v0, start = jobs[t]
            P, run = round_up(K * L * C), L * C
            rows = buffer[:4 * P].reshape(4, P)
            filters = w[start:start + F * P].reshape(F, P)
            for q in range(0, M * N, 4):
                for r in range(4):
                    m, n = divmod(min(q + r, M * N - 1), N)
                    at[r] = (u0 + m * out_step[0]) * V + v0 + n * out_step[1]
                    i, (v, phase) = i0 + m * step[0], divmod(j0 + n * step[1], gap[1])
                    for k in range(K):
                        row, line = rows[r, k * run:], lines[i + k * gap[0], (phase * width + v) * C:]
                        for p in range(run):
                            row[p] = line[p]
                    rows[r, K * run:] = 0
                dots(rows, filters, ya, at)

# ---- the three operations as jobs ------------------------------------------------------------

def flat(pieces):
    """Pieces (F, K, L, C) of filters as rows of a multiple of 16 numbers, and where each piece starts."""
    F, starts, out = len(pieces[0]), [], []
    for piece in pieces:
        rows = np.zeros((F, round_up(piece[0].size)), piece.dtype)
        rows[:, :piece[0].size] = piece.reshape(F, -1)
        starts.append(sum(map(np.size, out)))
        out.append(rows)
    return np.concatenate([rows.ravel() for rows in out]), starts

def margins(jobs, size, step, gap):
    """Padding (top, left, height, width) that holds every window; shifts the jobs' corners by it."""
    pad = [max(0, -min(job[axis] for job in jobs)) for axis in (0, 1)]
    full = [pad[axis] + max([size[axis]] + [job[axis] + (job[2 + axis] - 1) * step[axis]
            + (job[4 + axis] - 1) * gap[axis] + 1 for job in jobs]) for axis in (0, 1)]
    jobs = np.array(jobs)
    jobs[:, :2] += pad
    return jobs, np.array(pad + full)

@conv_y.fast
def conv_y_fast(x, w, b, stride, padding, dilation):
    (N, C, H, W), (F, _, K, L) = x.shape, w.shape
    I, J = out_size((H, W), (K, L), stride, padding, dilation)
    filters, _ = flat([w.transpose(0, 2, 3, 1)])
    jobs = [(-padding[0], -padding[1], I, J, K, L, 0, 0, 0)]
    return run(x, filters, b, (N, F, I, J), jobs, stride, dilation, (1, 1))

@conv_dx.fast
def conv_dx_fast(g, w, b, size, stride, padding, dilation):
    (N, F, I, J), (_, C, K, L) = g.shape, w.shape
    phases = [[phase(*args, r) for r in range(args[1])] for args in zip((K, L), stride, padding, dilation)]
    pieces, jobs = [], []
    for u0, (i0, ks) in enumerate(phases[0]):
        for v0, (j0, ls) in enumerate(phases[1]):
            if u0 < size[0] and v0 < size[1]:
                pieces.append(w[:, :, ks][:, :, :, ls].transpose(1, 2, 3, 0))
                jobs.append([i0, j0, -(-(size[0] - u0) // stride[0]), -(-(size[1] - v0) // stride[1]),
                             len(ks), len(ls), u0, v0])
    filters, starts = flat(pieces)
    jobs = [(*job, start) for job, start in zip(jobs, starts)]
    gap = [d // gcd(s, d) for s, d in zip(stride, dilation)]
    return run(g, filters, b, (N, C, *size), jobs, (1, 1), gap, stride)

def phase(k, s, p, d, r):
    """Row u = r + s·m of the image meets the taps d·k ≡ r+p (mod s) and, for the last of them, row i0+m of g."""
    taps = [t for t in range(k) if (r + p - d * t) % s == 0][::-1]
    return ((r + p - d * taps[0]) // s if taps else 0), taps

BLOCK = 16

@conv_dw.fast
def conv_dw_fast(x, g, size, stride, padding, dilation):
    (N, C, H, W), (_, F, I, J) = x.shape, g.shape
    blocks = [slice(n, n + BLOCK) for n in range(0, N, BLOCK)]
    parts = np.empty((len(blocks), C, F, *size), x.dtype)
    zero = np.zeros(F, x.dtype)
    def work(first, last):
        for part, block in zip(parts[first:last], blocks[first:last]):
            n = len(x[block])
            rows = max(1, 1024 // (J * n))
            cuts = [slice(i, min(i + rows, I)) for i in range(0, I, rows)]
            filters, starts = flat([g[block, :, cut].transpose(1, 2, 3, 0) for cut in cuts])
            jobs = [(cut.start * stride[0] - padding[0], -padding[1], *size, cut.stop - cut.start, J, 0, 0, start)
                    for cut, start in zip(cuts, starts)]
            jobs, pad = margins(jobs, (H, W), dilation, stride)
            correlate(x[block].transpose(1, 0, 2, 3), filters, zero, part, jobs, pad, dilation, stride, (1, 1), 0, C)
    parallel(work, len(blocks))
    return np.ascontiguousarray(parts.sum(axis=0).transpose(1, 0, 2, 3))

def run(x, filters, b, shape, jobs, step, gap, out_step):
    y = np.empty(shape, x.dtype)
    b = np.zeros(shape[1], x.dtype) if b is None else b
    jobs, pad = margins(jobs, x.shape[2:], step, gap)
    parallel(lambda first, last: correlate(x, filters, b, y, jobs, pad, tuple(step), tuple(gap), tuple(out_step), first, last), len(x))
    return y
