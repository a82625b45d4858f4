"""The mutants of our rules that compute the same as the rule, each by name, with the reason; see test_mutation.py."""

REASONS = {
    "of four axes, the last two are those from the third on": [
        "conv2d_dx: …(g, w, size=x_shape[2:], stride=stride, … → …(g, w, size=x_shape[-2:], stride=stride, …",
        "conv2d_dw: …(x, g, size=w_shape[2:], stride=stride, … → …(x, g, size=w_shape[-2:], stride=stride, …",
        "conv2d_fast: …g, w, None, x.shape[2:], s, p, d) if 'x'… → …g, w, None, x.shape[-2:], s, p, d) if 'x'…",
        "conv2d_fast: …nv_dw(x, g, w.shape[2:], s, p, d) if 'w'… → …nv_dw(x, g, w.shape[-2:], s, p, d) if 'w'…",
        "conv2d_transpose_dw: …(h, g, size=w_shape[2:], stride=stride, … → …(h, g, size=w_shape[-2:], stride=stride, …",
        "conv2d_transpose_fast: dw = conv_dw(h, g, w.shape[2:], s, p, d) → dw = conv_dw(h, g, w.shape[-2:], s, p, d)",
        "conv2d_weight_dx: …(g, h, size=x_shape[2:], stride=stride, … → …(g, h, size=x_shape[-2:], stride=stride, …",
        "conv_y_dw: …rence(x, g, w.shape[2:], s, p, d)) → …rence(x, g, w.shape[-2:], s, p, d))",
        "avg_pool2d_dx: …se(g, image=x_shape[2:], size=size, stri… → …se(g, image=x_shape[-2:], size=size, stri…",
        "max_pool2d_dx: return put(g, where=where, size=x_shape[2:]) → return put(g, where=where, size=x_shape[-2:])",
        "take_dx: return put(g, where=where, size=x_shape[2:]) → return put(g, where=where, size=x_shape[-2:])",
    ],
    "a sum over the same axes, named in another order or from the other end": [
        "conv2d_db: return sum(g, axis=(0, 2, 3)) → return sum(g, axis=(2, 0, 3))",
        "conv2d_db: return sum(g, axis=(0, 2, 3)) → return sum(g, axis=(0, 3, 2))",
        "conv2d_db: return sum(g, axis=(0, 2, 3)) → return sum(g, axis=(0, -2, 3))",
        "conv2d_transpose_db: return sum(h, axis=(0, 2, 3)) → return sum(h, axis=(2, 0, 3))",
        "conv2d_transpose_db: return sum(h, axis=(0, 2, 3)) → return sum(h, axis=(0, 3, 2))",
        "conv2d_transpose_db: return sum(h, axis=(0, 2, 3)) → return sum(h, axis=(0, -2, 3))",
        "channel_sum: return g.sum(axis=(0, 2, 3)) → return g.sum(axis=(2, 0, 3))",
        "channel_sum: return g.sum(axis=(0, 2, 3)) → return g.sum(axis=(0, 3, 2))",
        "channel_sum: return g.sum(axis=(0, 2, 3)) → return g.sum(axis=(0, -2, 3))",
    ],
    "works out a gradient that nobody asked for, which costs time only": [
        "conv2d_fast: ….shape[2:], s, p, d) if 'x' in want else None, 'w': conv_dw(x, g,… → "
        "….shape[2:], s, p, d), 'w': conv_dw(x, g,…",
        "conv2d_fast: ….shape[2:], s, p, d) if 'w' in want else None, 'b': channel_sum(g… → "
        "….shape[2:], s, p, d), 'b': channel_sum(g…",
        "conv2d_fast: … 'b': channel_sum(g) if 'b' in want else None} → … 'b': channel_sum(g)}",
        "conv2d_transpose_fast: if {'g', 'w'} <= want: → if True:",
        "conv2d_transpose_fast: if {'g', 'w'} <= want: → if {'w'} <= want:",
        "conv2d_transpose_fast: if {'g', 'w'} <= want: → if {'g'} <= want:",
        "conv2d_transpose_fast: elif 'w' in want: → elif True:",
        "conv2d_transpose_fast: … 'b': channel_sum(h) if 'b' in want else None} → … 'b': channel_sum(h)}",
    ],
    "the two arrays have one shape, or one dtype: the forward, or the engine, has made sure": [
        "bce_with_logits_dlogits: return per_item(g, logits.shape, reduction) *… → "
        "return per_item(g, target.shape, reduction) *…",
        "mse_dpred: return per_item(g, pred.shape, reduction) *… → return per_item(g, target.shape, reduction) *…",
        "mse_dtarget: return per_item(g, pred.shape, reduction) *… → return per_item(g, target.shape, reduction) *…",
        "cross_entropy_dlogits: …) - np.eye(M, dtype=logits.dtype)[labels]) → …) - np.eye(M, dtype=g.dtype)[labels])",
    ],
    "the default of softmax is the last axis, and the last of two is number 1": [
        "cross_entropy_dlogits: … g * (softmax(logits, axis=1) - np.eye(M, dtype=… → … g * (softmax(logits) - np.eye(M, dtype=…",
        "cross_entropy_dlogits: …oftmax(logits, axis=1) - np.eye(M, dtype… → …oftmax(logits, axis=-1) - np.eye(M, dtype…",
    ],
    "multiplied by b = 0, so any finite power of a will do": [
        "power_da: …er(a, where(b == 0, 1.0, b - 1.0)), a_sha… → …er(a, where(b == 0, 2.0, b - 1.0)), a_sha…",
        "power_da: …er(a, where(b == 0, 1.0, b - 1.0)), a_sha… → …er(a, where(b == 0, 0.0, b - 1.0)), a_sha…",
    ],
    "sum_to the same shape adds nothing up": [
        "fit: return g if g.shape == shape else sum_to(g, shape=shape) → return sum_to(g, shape=shape)",
    ],
    "NumPy takes any negative length for «whatever is left»": [
        "dense_dw: …(reshape(x, shape=(-1, D))), reshape(g, s… → …(reshape(x, shape=(-2, D))), reshape(g, s…",
        "dense_dw: … reshape(g, shape=(-1, M))) → … reshape(g, shape=(-2, M)))",
    ],
    "what comes next makes a tuple, or an int, of it anyway": [
        "transpose_dx: …f axes is None else tuple(np.argsort([a % g.ndim for a in axes]))) → "
        "…f axes is None else np.argsort([a % g.ndim for a in axes]))",
        "count: n = int(np.prod([shape[a] for a in axes], dtype=int)) → n = int(np.prod([shape[a] for a in axes]))",
    ],
    "isinstance takes its types in any order": [
        "count: …f isinstance(axis, (tuple, list)) else (axis,) → …f isinstance(axis, (list, tuple)) else (axis,)",
        "spread: …f isinstance(axis, (tuple, list)) else (axis,) → …f isinstance(axis, (list, tuple)) else (axis,)",
    ],
}

EQUIVALENT = {name: reason for reason, names in REASONS.items() for name in names}
