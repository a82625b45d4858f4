"""The mutants of our rules that compute the same as the rule, each by name, with the reason; see test_mutation.py."""

REASONS = {
    "of four axes, the last two are those from the third on": [
        "conv2d_dx: …(g, w, size=x_shape[2:], stride=stride, … → …(g, w, size=x_shape[-2:], stride=stride, …",
        "conv2d_dw: …(x, g, size=w_shape[2:], stride=stride, … → …(x, g, size=w_shape[-2:], stride=stride, …",
        "conv2d_transpose_dw: …(h, g, size=w_shape[2:], stride=stride, … → "
        "…(h, g, size=w_shape[-2:], stride=stride, …",
        "conv2d_transpose_fast: dw = conv_dw(h, g, w.shape[2:], s, p, d) → dw = conv_dw(h, g, w.shape[-2:], s, p, d)",
        "conv2d_weight_dx: …(g, h, size=x_shape[2:], stride=stride, … → …(g, h, size=x_shape[-2:], stride=stride, …",
        "conv2d_back: dw, db = conv_dw_db(x, g, w.shape[2:], s, p, d, y, slope) → "
        "dw, db = conv_dw_db(x, g, w.shape[-2:], s, p, d, y, slope)",
        "conv_dx_dw_db: …rence(x, g, w.shape[2:], s, p, d)) → …rence(x, g, w.shape[-2:], s, p, d))",
        "conv_y_dw_db: …rence(x, g, w.shape[2:], s, p, d), image… → …rence(x, g, w.shape[-2:], s, p, d), image…",
        "avg_pool2d_dx: …se(g, image=x_shape[2:], size=size, stri… → …se(g, image=x_shape[-2:], size=size, stri…",
        "max_pool2d_dx: return put(g, where=where, size=x_shape[2:]) → return put(g, where=where, size=x_shape[-2:])",
        "take_dx: return put(g, where=where, size=x_shape[2:]) → return put(g, where=where, size=x_shape[-2:])",
        "per_channel: return a.reshape((-1,) + (1,) * (x.ndim - 2)) → return a.reshape((-1,) + (1,) * 2)",
        "normalize_fast: …ame: per_channel(d, x)[None] for name, d … → …ame: per_channel(d, g)[None] for name, d …",
        "normalize_fast: …ame: per_channel(d, x)[None] for name, d … → "
        "…ame: per_channel(d, mean)[None] for name, d …",
        "normalize_fast: …ame: per_channel(d, x)[None] for name, d … → …ame: per_channel(d, var)[None] for name, d …",
    ],
    "a sum over the same axes, named in another order or from the other end": [
        "conv2d_db: return sum(g, axis=(0, 2, 3)) → return sum(g, axis=(2, 0, 3))",
        "conv_dw_db: …images(g).sum(axis=(0, 2, 3))) → …images(g).sum(axis=(2, 0, 3)))",
        "conv_dw_db: …ges(g).sum(axis=(0, 2, 3))) → …ges(g).sum(axis=(0, 3, 2)))",
        "conv_dw_db: …ges(g).sum(axis=(0, 2, 3))) → …ges(g).sum(axis=(0, -2, 3)))",
        "conv_y_dw_db: …images(x).sum(axis=(0, 2, 3))) → …images(x).sum(axis=(2, 0, 3)))",
        "conv_y_dw_db: …ges(x).sum(axis=(0, 2, 3))) → …ges(x).sum(axis=(0, 3, 2)))",
        "conv_y_dw_db: …ges(x).sum(axis=(0, 2, 3))) → …ges(x).sum(axis=(0, -2, 3)))",
        "conv2d_db: return sum(g, axis=(0, 2, 3)) → return sum(g, axis=(0, 3, 2))",
        "conv2d_db: return sum(g, axis=(0, 2, 3)) → return sum(g, axis=(0, -2, 3))",
        "conv2d_transpose_db: return sum(h, axis=(0, 2, 3)) → return sum(h, axis=(2, 0, 3))",
        "conv2d_transpose_db: return sum(h, axis=(0, 2, 3)) → return sum(h, axis=(0, 3, 2))",
        "conv2d_transpose_db: return sum(h, axis=(0, 2, 3)) → return sum(h, axis=(0, -2, 3))",
    ],
    "works out a gradient that nobody asked for, or two apart that could share work, which costs time only": [
        "conv_chain_fast: here = ({'x'} if k > 0 else want & {'x'}) | ({'w'} if 'weight… → here = {'x'} | ({'w'} if 'weight…",
        "conv_chain_fast: …} if k > 0 else want & {'x'}) | ({'w'} if 'weigh… → …} if k > 0 else want) | ({'w'} if 'weigh…",
        "conv_chain_fast: …{'x'} if k > 0 else want & {'x'}) | ({'w'} if '… → …{'x'} if k > 0 else {'x'}) | ({'w'} if '…",
        "conv_chain_fast: …lse want & {'x'}) | ({'w'} if 'weights' in want else set()) → …lse want & {'x'}) | {'w'}",
        "dense_chain_fast: here = ({'x'} if k > 0 else want & {'x'}) | ({'w', 'b'} if 'w… → here = {'x'} | ({'w', 'b'} if 'w…",
        "dense_chain_fast: here = ({'x'} if k > 0 else want & {'x'}… → here = ({'x'} if k >= 0 else want & {'x'}…",
        "dense_chain_fast: …ere = ({'x'} if k > 0 else want & {'x'}) … → …ere = ({'x'} if k > -1 else want & {'x'}) …",
        "dense_chain_fast: … if k > 0 else want & {'x'}) | ({'w', 'b'… → … if k > 0 else want | {'x'}) | ({'w', 'b'…",
        "dense_chain_fast: …} if k > 0 else want & {'x'}) | ({'w', 'b'} if '… → …} if k > 0 else want) | ({'w', 'b'} if '…",
        "dense_chain_fast: …{'x'} if k > 0 else want & {'x'}) | ({'w', 'b'}… → …{'x'} if k > 0 else {'x'}) | ({'w', 'b'}…",
        "dense_chain_fast: …lse want & {'x'}) | ({'w', 'b'} if 'weights' in want else set()) → …lse want & {'x'}) | {'w', 'b'}",
        "conv2d_back: if {'x', 'w'} <= want: → if True:",
        "conv2d_back: if {'x', 'w'} <= want: → if False:",
        "conv2d_back: if {'x', 'w'} <= want: → if {'x', 'w'} < want:",
        "conv2d_back: if {'x', 'w'} <= want: → if {'x', 'w'} >= want:",
        "conv2d_back: if {'x', 'w'} <= want: → if {'w'} <= want:",
        "conv2d_back: if {'x', 'w'} <= want: → if {'x'} <= want:",
        "conv2d_back: if {'x', 'w'} <= want: → if {'x?', 'w'} <= want:",
        "conv2d_back: if {'x', 'w'} <= want: → if {'x', 'w?'} <= want:",
        "conv2d_back: …ope, y, lanes=lanes) if 'x' in want else None → …ope, y, lanes=lanes)",
        "batch_norm_fast: …s * dots / n, *relu) if 'x' in want else None → …s * dots / n, *relu)",
        "conv2d_transpose_fast: if {'g', 'w'} <= want: → if True:",
        "conv2d_transpose_fast: if {'g', 'w'} <= want: → if {'w'} <= want:",
        "conv2d_transpose_fast: if {'g', 'w'} <= want: → if {'g'} <= want:",
        "conv2d_transpose_fast: elif 'w' in want: → elif True:",
        "dense_back: … w).reshape(x.shape) if 'x' in want else None, 'w': matmul_dw(as_… → "
        "… w).reshape(x.shape), 'w': matmul_dw(as_…",
        "dense_back: …ul_dw(as_rows(x), g) if 'w' in want else None, 'b': g.sum(axis=0)… → "
        "…ul_dw(as_rows(x), g), 'b': g.sum(axis=0)…",
        "dense_back: …, 'b': g.sum(axis=0) if 'b' in want else None} → …, 'b': g.sum(axis=0)}",
        "normalize_fast: …ro, gamma * s, zero) if 'x' in want else None, **{name: per_chann… → "
        "…ro, gamma * s, zero), **{name: per_chann…",
    ],
    "the two arrays have one shape, or one dtype: the forward, or the engine, has made sure": [
        "batch_norm_fast: s, n = (1 / np.sqrt(v + eps), x.size // len(m)) → "
        "s, n = (1 / np.sqrt(v + eps), g.size // len(m))",
        "batch_norm_fast: s, n = (1 / np.sqrt(v + eps), x.size // len(m)) → "
        "s, n = (1 / np.sqrt(v + eps), y.size // len(m))",
        "batch_norm_fast: s, n = (1 / np.sqrt(v + eps), x.size // len(m)) → "
        "s, n = (1 / np.sqrt(v + eps), x.size // len(gamma))",
        "batch_norm_fast: s, n = (1 / np.sqrt(v + eps), x.size // len(m)) → "
        "s, n = (1 / np.sqrt(v + eps), x.size // len(v))",
        "channel_rest: …turn per_channel(a, x) * (back(g, y, slop… → …turn per_channel(a, g) * (back(g, y, slop…",
        "channel_rest: …e) - per_channel(b, x) - per_channel(t, x… → …e) - per_channel(b, g) - per_channel(t, x…",
        "channel_rest: …x) - per_channel(t, x) * (x - per_channel… → …x) - per_channel(t, g) * (x - per_channel…",
        "channel_rest: …(x - per_channel(m, x))) → …(x - per_channel(m, g)))",
        "var_fast: …el(), np.zeros_like(m.ravel()))} → …el(), np.zeros_like(g.ravel()))}",
        "back: …0, 1, slope).astype(g.dtype) → …0, 1, slope).astype(y.dtype)",
        "bce_with_logits_dlogits: return per_item(g, logits.shape, reduction) *… → "
        "return per_item(g, target.shape, reduction) *…",
        "mse_dpred: return per_item(g, pred.shape, reduction) *… → return per_item(g, target.shape, reduction) *…",
        "mse_dtarget: return per_item(g, pred.shape, reduction) *… → return per_item(g, target.shape, reduction) *…",
        "cross_entropy_dlogits: …) - np.eye(M, dtype=logits.dtype)[labels]) → …) - np.eye(M, dtype=g.dtype)[labels])",
        "channel_dots: …(x - per_channel(m, x)))) → …(x - per_channel(m, g))))",
        "bce_with_logits_fast: …rget, e, float(g / (logits.size if reduction =… → "
        "…rget, e, float(g / (target.size if reduction =…",
        "bce_with_logits_fast: …rget, e, float(g / (logits.size if reduction =… → "
        "…rget, e, float(g / (e.size if reduction =…",
        "bce_slope: … >= 0, np.ones_like(e), e) / (1 + e) - t) → … >= 0, np.ones_like(z), e) / (1 + e) - t)",
        "bce_slope: … >= 0, np.ones_like(e), e) / (1 + e) - t) → … >= 0, np.ones_like(t), e) / (1 + e) - t)",
    ],
    "the default of softmax is the last axis, and the last of two is number 1": [
        "cross_entropy_dlogits: … g * (softmax(logits, axis=1) - np.eye(M, dtype=… → "
        "… g * (softmax(logits) - np.eye(M, dtype=…",
        "cross_entropy_dlogits: …oftmax(logits, axis=1) - np.eye(M, dtype… → "
        "…oftmax(logits, axis=-1) - np.eye(M, dtype…",
    ],
    "multiplied by b = 0, so any finite power of a will do": [
        "power_da: …er(a, where(b == 0, 1.0, b - 1.0)), a_sha… → …er(a, where(b == 0, 2.0, b - 1.0)), a_sha…",
        "power_da: …er(a, where(b == 0, 1.0, b - 1.0)), a_sha… → …er(a, where(b == 0, 0.0, b - 1.0)), a_sha…",
    ],
    "sum_to the same shape adds nothing up": [
        "fit: return g if g.shape == shape else sum_to(g, shape=shape) → return sum_to(g, shape=shape)",
    ],
    "-True counts as true": [
        "conv_chain_fast: … + 1], stage.slope, ys[k].ndim == 5) → … + 1], stage.slope, -(ys[k].ndim == 5))",
    ],
    "NumPy takes any negative length for «whatever is left»": [
        "batch_norm_dx: return reshape(gamma, (-1, 1, 1)) * s * rest → return reshape(gamma, (-2, 1, 1)) * s * rest",
        "dense_dw: …(reshape(x, shape=(-1, D))), reshape(g, s… → …(reshape(x, shape=(-2, D))), reshape(g, s…",
        "dense_dw: … reshape(g, shape=(-1, M))) → … reshape(g, shape=(-2, M)))",
        "per_channel: return a.reshape((-1,) + (1,) * (x.ndim - 2)) → return a.reshape((-2,) + (1,) * (x.ndim - 2))",
    ],
    "what comes next makes a tuple, or an int, of it anyway": [
        "transpose_dx: …f axes is None else tuple(np.argsort([a % g.ndim for a in axes]))) → "
        "…f axes is None else np.argsort([a % g.ndim for a in axes]))",
        "count: n = int(np.prod([shape[a] for a in axes], dtype=int)) → n = int(np.prod([shape[a] for a in axes]))",
        "bce_with_logits_fast: …(logits, target, e, float(g / (logits.size if reduction == 'mean' else 1)))} → "
        "…(logits, target, e, g / (logits.size if reduction == 'mean' else 1))}",
    ],
    "isinstance takes its types in any order": [
        "count: …f isinstance(axis, (tuple, list)) else (axis,) → …f isinstance(axis, (list, tuple)) else (axis,)",
        "spread: …f isinstance(axis, (tuple, list)) else (axis,) → …f isinstance(axis, (list, tuple)) else (axis,)",
    ],
    "changes at most which of two equal ways is taken: the plain rules, or the loops made for images": [
        "normalize_fast: if not one_per_channel(x, mean, var, gamma) or beta_shape != mean.shape: → if True:",
        "normalize_fast: … one_per_channel(x, mean, var, gamma) or beta_… → "
        "… one_per_channel(x, var, gamma) or beta_…",
        "normalize_fast: …not one_per_channel(x, mean, var, gamma) or bet… → "
        "…not one_per_channel(mean, x, var, gamma) or bet…",
        "normalize_fast: … one_per_channel(x, mean, var, gamma) or beta_sha… → "
        "… one_per_channel(x, var, mean, gamma) or beta_sha…",
        "normalize_fast: …er_channel(x, mean, var, gamma) or beta_shape != m… → "
        "…er_channel(x, mean, gamma, var) or beta_shape != m…",
        "normalize_fast: …not one_per_channel(x, mean, var, gamma) … → …not one_per_channel(g, mean, var, gamma) …",
        "normalize_fast: …not one_per_channel(x, mean, var, gamma) … → "
        "…not one_per_channel(mean, mean, var, gamma) …",
        "normalize_fast: …not one_per_channel(x, mean, var, gamma) … → …not one_per_channel(var, mean, var, gamma) …",
        "normalize_fast: …not one_per_channel(x, mean, var, gamma) … → "
        "…not one_per_channel(gamma, mean, var, gamma) …",
        "normalize_fast: … one_per_channel(x, mean, var, gamma) or bet… → "
        "… one_per_channel(x, g, var, gamma) or bet…",
        "var_fast: if of_channels(x, axis, True): → if False:",
        "var_fast: if of_channels(x, axis, True): → if of_channels(x, True, axis):",
        "var_fast: if of_channels(x, axis, True): → if of_channels(g, axis, True):",
        "var_fast: if of_channels(x, axis, True): → if of_channels(m, axis, True):",
        "var_fast: if of_channels(x, axis, True): → if of_channels(x, want, True):",
        "var_fast: if of_channels(x, axis, True): → if of_channels(x, axis, False):",
        "normalize_fast: …er_channel(x, mean, var, gamma) or beta_sha… → …er_channel(x, mean, g, gamma) or beta_sha…",
        "normalize_fast: …er_channel(x, mean, var, gamma) or beta_sha… → …er_channel(x, mean, x, gamma) or beta_sha…",
        "normalize_fast: …nnel(x, mean, var, gamma) or beta_shape != m… → …nnel(x, mean, var, g) or beta_shape != m…",
        "normalize_fast: …annel(x, mean, var, gamma) or beta_shape != m… → "
        "…annel(x, mean, var, x) or beta_shape != m…",
        "normalize_fast: …annel(x, mean, var, gamma) or beta_shape != m… → "
        "…annel(x, mean, var, var) or beta_shape != m…",
        "normalize_fast: …ean, var, gamma) or beta_shape != mean.shape: → …ean, var, gamma) or want != mean.shape:",
        "normalize_fast: …ean, var, gamma) or beta_shape != mean.shape: → …ean, var, gamma) or eps != mean.shape:",
        "normalize_fast: …a) or beta_shape != mean.shape: → …a) or beta_shape != var.shape:",
        "normalize_fast: …a) or beta_shape != mean.shape: → …a) or beta_shape != gamma.shape:",
        "normalize_fast: … one_per_channel(x, mean, var, gamma) or bet… → "
        "… one_per_channel(x, gamma, var, gamma) or bet…",
        "normalize_fast: …a) or beta_shape != mean.shape: → …a) or beta_shape != g.shape:",
        "bce_with_logits_fast: if reduction == 'none' or 'target' in want: → if True:",
        "normalize_fast: … one_per_channel(x, mean, var, gamma) or bet… → "
        "… one_per_channel(x, x, var, gamma) or bet…",
    ],
    "at z = 0 there is e = 1, too; and a single 1 is repeated": [
        "bce_slope: …rn g * (np.where(z >= 0, np.ones_like(e),… → …rn g * (np.where(z > 0, np.ones_like(e),…",
        "bce_slope: … >= 0, np.ones_like(e), e) / (1 + e) - t) → … >= 0, np.ones_like(g), e) / (1 + e) - t)",
    ],
    "zeros, of one shape": [
        "normalize_fast: zero = np.zeros_like(m) → zero = -np.zeros_like(m)",
        "normalize_fast: zero = np.zeros_like(m) → zero = np.zeros_like(gamma)",
        "normalize_fast: zero = np.zeros_like(m) → zero = np.zeros_like(s)",
    ],
}

EQUIVALENT = {name: reason for reason, names in REASONS.items() for name in names}
