// Why is out[i] what it is?   out[i] = Σⱼ g[j] · factor      structure.py says which j, and which factor, in one of five forms.

// The array at a place on the page: a block of the whole (see record.py), as numbers.
function array(id) {
  const a = DATA.arrays[id];
  if (!a.values) {
    const bytes = Uint8Array.from(atob(a.data), c => c.charCodeAt(0));
    a.values = a.form === "u1" ? bytes : a.form === "i4" ? new Int32Array(bytes.buffer) : new Float32Array(bytes.buffer);
    a.size = a.shape.reduce((n, k) => n * k, 1);
    a.data = null;
  }
  return a;
}

function flat(index, shape) { return index.reduce((i, k, axis) => i * shape[axis] + k, 0); }

function unflat(i, shape) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) { index[axis] = i % shape[axis]; i = Math.floor(i / shape[axis]); }
  return index;
}

// The number at an index, undefined if it is not on the page.
function at(a, index) { return index.every((k, axis) => k < a.block[axis]) ? a.values[flat(index, a.block)] : undefined; }
function atFlat(a, i) { return at(a, unflat(i, a.shape)); }

// {terms: [{g: index in g, read: index in the read array or null, name, gValue, factor, value}], more, rest}
// more terms are known to exist, with the sum `rest`; a term whose numbers are not on the page has value undefined.
function terms(step, i) {
  const how = step.how, g = array(step.g), out = array(step.out);
  if (how.kind === "one") return oneTerm(how, g, out, i);
  if (how.kind === "sum") return summed(how, g, out, i);
  if (how.kind === "conv") return product(step, g, convolution(step, unflat(i, out.shape)));
  if (how.kind === "dense") return product(step, g, dense(step, i));
  return written(how, g, i);
}

function oneTerm(how, g, out, i) {
  const factor = typeof how.factor === "number" ? how.factor : atFlat(array(how.factor.array), i);
  const from = how.from === undefined ? i : typeof how.from === "number" ? how.from : atFlat(array(how.from.array), i);
  if (factor === 0) return {terms: [], why: "the factor is 0"};
  const index = unflat(from, g.shape), gValue = at(g, index);
  return {terms: [{g: index, read: null, name: "", gValue, factor, value: gValue === undefined ? atFlat(out, i) : gValue * factor}]};
}

function summed(how, g, out, i) {
  const kept = g.shape.map((n, axis) => axis).filter(axis => !how.axes.includes(axis));
  const fixed = unflat(i, kept.map(axis => g.shape[axis])), found = [];
  const count = how.axes.reduce((n, axis) => n * g.shape[axis], 1);
  for (let k = 0; k < count; k++) {
    const moving = unflat(k, how.axes.map(axis => g.shape[axis])), index = [];
    kept.forEach((axis, n) => index[axis] = fixed[n]);
    how.axes.forEach((axis, n) => index[axis] = moving[n]);
    const gValue = at(g, index);
    found.push({g: index, read: null, name: "", gValue, factor: how.factor, value: gValue === undefined ? undefined : gValue * how.factor});
  }
  return {terms: found};
}

function written(how, g, i) {
  const row = how.rows[i];
  if (!row) return {terms: [], why: "the terms of this entry are not on the page: sn.explain(…) lists them"};
  return {terms: row.terms.map(([j, gValue, factor, name]) => ({g: unflat(j, g.shape), read: null, name, gValue, factor, value: gValue * factor})),
          more: row.more, rest: row.rest};
}

// The two families that are products: index pairs (in g, in what is read) become terms.
function product(step, g, pairs) {
  const name = step.how.read, read = array(step.reads.find(r => r[0] === name)[1]);
  return {terms: pairs.map(([j, r]) => {
    const gValue = at(g, j), factor = at(read, r);
    const value = gValue === undefined || factor === undefined ? undefined : gValue * factor;
    return {g: j, read: r, name: `${name}[${r.join(", ")}]`, gValue, factor, value};
  })};
}

// S = Σ g[n,f,i,j] · x[n,c, s·i+d·k−p, s·j+d·l−p] · w[f,c,k,l]: all index triples of S that have `index` in the role of the result.
function convolution(step, index) {
  const {roles, s, p, d} = step.how, [result, arriving, reading] = roles;
  const shapes = {[result]: array(step.out).shape, [arriving]: array(step.g).shape,
                  [reading]: array(step.reads.find(r => r[0] === step.how.read)[1]).shape};
  const [N, F, I, J] = shapes.g, [, C, H, W] = shapes.x, [, , K, L] = shapes.w, pairs = [];
  const every = (given, n) => given === undefined ? [...Array(n).keys()] : [given];
  const fixed = {};
  ({x: ["n", "c", "u", "v"], w: ["f", "c", "k", "l"], g: ["n", "f", "i", "j"]})[result].forEach((letter, axis) => fixed[letter] = index[axis]);
  for (const n of every(fixed.n, N)) for (const f of every(fixed.f, F)) for (const c of every(fixed.c, C))
    for (const k of every(fixed.k, K)) for (const l of every(fixed.l, L))
      for (const i of rows(fixed.i, fixed.u, k, 0, I, H)) for (const j of rows(fixed.j, fixed.v, l, 1, J, W)) {
        const where = {g: [n, f, i, j], x: [n, c, s[0] * i + d[0] * k - p[0], s[1] * j + d[1] * l - p[1]], w: [f, c, k, l]};
        pairs.push([where[arriving], where[reading]]);
      }
  return pairs;

  function rows(i, u, k, axis, most, length) {                 // output rows i that see image row u (or any) through filter row k
    if (u !== undefined) { i = (u + p[axis] - d[axis] * k) / s[axis]; return Number.isInteger(i) && i >= 0 && i < most ? [i] : []; }
    return every(i, most).filter(i => { const r = s[axis] * i + d[axis] * k - p[axis]; return r >= 0 && r < length; });
  }
}

// S = Σ g[n,m] · x[n,d] · w[d,m]; leading axes of x and g count as one, n.
function dense(step, i) {
  const [result, arriving, reading] = step.how.roles;
  const shapes = {[result]: array(step.out).shape, [arriving]: array(step.g).shape,
                  [reading]: array(step.reads.find(r => r[0] === step.how.read)[1]).shape};
  const [D, M] = shapes.w, N = shapes.x.slice(0, -1).reduce((n, k) => n * k, 1), pairs = [];
  const add = (n, d, m) => {
    const where = {g: unflat(n * M + m, shapes.g), x: unflat(n * D + d, shapes.x), w: [d, m]};
    pairs.push([where[arriving], where[reading]]);
  };
  if (result === "x") for (let m = 0; m < M; m++) add(Math.floor(i / D), i % D, m);
  else for (let n = 0; n < N; n++) add(n, Math.floor(i / M), i % M);
  return pairs;
}
