// The page: which step is shown, and what the reader does to change it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const LETTERS = {conv2d: {x: "NCHW", w: "FCKL", y: "NFIJ", b: "F"}, conv2d_transpose: {g: "NFIJ", w: "FCKL", y: "NCHW", b: "C"},
                 conv2d_weight: {x: "NCHW", g: "NFIJ", y: "FCKL"}, dense: {x: "ND", w: "DM", y: "NM", b: "M"}};
let current = -1, views = [];

function letters(op, name, ndim) {
  const known = LETTERS[op]?.[name];
  return known && known.length === ndim ? [...known] : ndim === 4 ? [..."NCHW"] : ndim === 2 ? [..."ND"] : [];
}

// ---- one step ---------------------------------------------------------------------------------------

function show(k) {
  k = Math.max(0, Math.min(DATA.steps.length - 1, k));
  if (k === current) return;
  current = k;
  const step = DATA.steps[k], node = DATA.nodes[step.node], target = DATA.nodes[step.to];
  $("slider").value = k;
  $("count").textContent = `step ${k + 1} of ${DATA.steps.length}`;
  $("heading").textContent = `${node.op}: ∂L/∂${step.input}` + (target.name === step.input ? "" : `, the gradient of ${target.name}`);
  $("second").textContent = node.by_grad ? "This op is a piece of another backward pass: sn.grad(…, create_graph=True) recorded it, and here it is differentiated once more." : "";
  $("shares").textContent = step.shares.length ? "Of this gradient " + step.shares.map(([name, share]) => `${(100 * share).toFixed(1)} % is due to ${name}`).join(", ") + "." : "";
  $("more").textContent = node.ours ? `derivation: docs/cards/${node.op}.md   ·   checked for every release by tests/test_registry.py` : "";
  source(DATA.places[node.place], "forward");
  ruleSource(DATA.rules[step.rule], step);
  $("formula").textContent = node.formula || "(its docstring says none)";
  verdict(step.check);
  const plain = step.reads.filter(r => r[2] !== null).map(r => `${r[0]} = ${r[2]}`);
  $("settings").textContent = plain.length ? `the rule also reads  ${plain.join(",  ")}` : "";
  tensors(step, node, target);
  markGraph(step);
  markNorms();
  history.replaceState(null, "", `#${k + 1}`);
}

function codeLine(number, content, now) {
  return element("span", {className: now ? "line now" : "line"}, element("span", {className: "number"}, String(number).padStart(4) + "  "), ...content);
}

function source(place, id) {
  $(`${id}-file`).textContent = place.lines.length ? `${place.file}:${place.line}` : `${place.file}:${place.line}, which could not be read`;
  $(id).replaceChildren(...place.lines.map((line, n) => {
    const now = place.first + n >= place.line && place.first + n < place.line + place.count;
    const start = now && place.count === 1 ? line.indexOf(place.piece) : -1;
    return codeLine(place.first + n, start < 0 ? [line] : [line.slice(0, start), element("b", {}, place.piece), line.slice(start + place.piece.length)], now);
  }));
}

function ruleSource(rule, step) {
  $("rule-file").textContent = `${rule.file}:${rule.first}` + (step.ran ? `  (ran as ${step.ran}, all inputs together)` : "");
  $("rule").replaceChildren(...rule.lines.map((line, n) => codeLine(rule.first + n, [line], rule.current.includes(n + 1))));
}

function verdict(check) {
  $("check").className = check.ok === true ? "right" : check.ok === false ? "wrong" : "";
  const error = check.error === undefined ? "" : ` (relative error ${check.error.toExponential(1)})`;
  $("check").textContent = (check.ok === true ? "✓ this rule agrees with measured slopes" : check.ok === false ? "✗ this rule is wrong" : "–") + error + ": " + check.text;
}

function tensors(step, node, target) {
  const make = (id, role, label, name) => new View(id, role, label, letters(node.op, name, DATA.arrays[id].shape.length), entry);
  views = [make(step.out, "out", `out = ∂L/∂${step.input} `, step.input), make(step.g, "g", "g = ∂L/∂y ", "y")];
  const factor = step.how.factor;
  if (factor?.array !== undefined) views.push(make(factor.array, "local", `local slope ∂y/∂${step.input} `, step.input));
  for (const [name, id] of step.reads) if (id !== null) views.push(make(id, "read", `reads ${name} `, name));
  const shown = step.reads.map(r => r[1]);
  if (target.value !== null && !shown.includes(target.value)) views.push(make(target.value, "value", `${step.input} itself `, step.input));
  if (step.check.mask !== null) views.push(make(step.check.mask, "mask", "where out is wrong ", step.input));
  if (step.before !== null) views.push(make(step.before, "before", `∂L/∂${target.name} before `, step.input));
  if (step.total !== null) views.push(make(step.total, "total", `∂L/∂${target.name}, ${step.arrived} of ${step.uses} uses `, step.input));
  for (const [n, view] of views.entries()) view.name = view.role === "read" ? step.reads.filter(r => r[1] !== null)[n - views.findIndex(v => v.role === "read")][0] : view.role;
  $("views").replaceChildren(...views.map(v => v.root));
  const constant = typeof factor === "number" ? `Each entry of out is ${step.how.kind === "sum" ? "a sum over g" : "one entry of g"} times ${text(factor)}. ` : "";
  $("sum").replaceChildren(element("p", {}, `${constant}Point at an entry of out: the entries of g${step.how.read ? ` and ${step.how.read}` : ""} that made it light up, and the sum is written here.`));
}

// ---- the sum behind one entry -----------------------------------------------------------------------

function entry(view, index) {
  const step = DATA.steps[current];
  if (view.role !== "out") { for (const v of views) if (v !== view) { v.cursor = null; v.light([]); } return; }
  const out = view.a, found = terms(step, flat(index, out.shape)), total = at(out, index);
  for (const v of views) {
    if (v === view) continue;
    v.cursor = null;
    v.light(v.role === "g" ? found.terms.map(t => t.g) : v.name === step.how.read ? found.terms.map(t => t.read) : v.role === "local" ? [index] : []);
  }
  $("sum").replaceChildren(...written_sum(step, index, total, found));
}

function written_sum(step, index, total, found) {
  const known = found.terms.filter(t => t.value !== undefined).sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const away = found.terms.length - known.length, count = found.terms.length + (found.more || 0);
  const place = `∂L/∂${step.input}` + (index.length ? `[${index.join(", ")}]` : "");
  if (!count) return [element("p", {}, `${place} = ${text(total)}: ${found.why || "no entry of g reaches it"}`)];
  const rows = known.slice(0, 8).map(t => element("tr", {}, ...[text(t.value), "=", text(t.gValue), "×", text(t.factor), "g" + (t.g.length ? `[${t.g.join(", ")}]` : "") + (t.name ? ` × ${t.name}` : "")]
    .map(cell => element("td", {}, cell))));
  const shown = known.slice(0, 8).reduce((sum, t) => sum + t.value, 0), rest = known.slice(8).reduce((sum, t) => sum + t.value, 0) + (found.rest || 0);
  const tail = [];
  if (known.length > 8 || found.more) tail.push(`the other ${known.length - Math.min(8, known.length) + (found.more || 0)}: ${text(rest)}`);
  if (away) tail.push(`${away} terms are not on this page: ${text(total - shown - rest)}`);
  const sum = element("p", {}, element("b", {}, `${place} = ${text(total)}`), ` = Σ g × ∂y/∂${step.input}, ${count} term${count > 1 ? "s" : ""}` + (away || count === 1 ? "" : `; they sum to ${text(shown + rest)}`));
  sum.dataset.sum = shown + rest;
  sum.dataset.away = away;
  return [sum, element("table", {}, ...rows), element("p", {className: "tail"}, tail.join(";  "))];
}

// ---- the graph and the sizes -------------------------------------------------------------------------

const NAMESPACE = (e => { e.innerHTML = "<svg></svg>"; return e.firstChild.namespaceURI; })(document.createElement("div"));
const SVG = (tag, attributes) => {
  const e = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  return e;
};

function drawGraph() {
  const DX = 158, DY = 34, W = 138, H = 24, nodes = DATA.nodes, svg = SVG("svg", {});
  const columns = Math.max(...nodes.map(n => n.at[0])) + 1, rows = Math.max(...nodes.map(n => n.at[1])) + 1;
  svg.setAttribute("width", columns * DX + 10);
  svg.setAttribute("height", rows * DY + 8);
  const x = n => n.at[0] * DX + 8, y = n => n.at[1] * DY + 6;
  nodes.forEach((node, to) => node.sources.forEach(([name, from]) => {
    const a = nodes[from], x1 = x(a) + W, y1 = y(a) + H / 2, x2 = x(node), y2 = y(node) + H / 2, bend = Math.max(20, (x2 - x1) / 2);
    svg.append(SVG("path", {d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`, "data-from": from, "data-to": to, "data-input": name}));
  }));
  nodes.forEach((node, k) => {
    const g = SVG("g", {"data-node": k, class: node.op === "leaf" ? "leaf" : ""}), label = SVG("text", {x: x(node) + 5, y: y(node) + 16});
    const named = node.name !== `(${node.op})`, room = node.op === "leaf" ? 19 : 18 - node.op.length;
    const name = node.name.length > room ? "…" + node.name.slice(1 - room) : node.name;      // the end of a dotted name tells most
    label.textContent = node.op === "leaf" ? name : named && room > 2 ? `${node.op} ${name}` : node.op;
    const title = SVG("title", {});
    title.textContent = `${node.op}: ${node.name}`;
    g.append(SVG("rect", {x: x(node), y: y(node), width: W, height: H, rx: 3}), label, title);
    g.addEventListener("click", () => show(node.steps.length ? node.steps[0] : DATA.steps.findIndex(s => s.to === k)));
    svg.append(g);
  });
  $("graph").append(svg);
}

function markGraph(step) {
  const done = new Set(DATA.steps.slice(0, current).map(s => s.node));
  const bad = new Set(DATA.steps.filter(s => s.check.ok === false).map(s => s.node));
  for (const g of $("graph").querySelectorAll("g")) {
    const k = Number(g.dataset.node), node = DATA.nodes[k];
    g.setAttribute("class", [node.op === "leaf" && "leaf", k === step.node ? "current" : done.has(k) && "done", k === step.to && "target", bad.has(k) && "bad"].filter(Boolean).join(" "));
    if (k === step.node) {
      const box = g.getBBox();
      $("graph").scrollTo(box.x - $("graph").clientWidth / 2, box.y - $("graph").clientHeight / 2);
    }
  }
  for (const path of $("graph").querySelectorAll("path"))
    path.setAttribute("class", Number(path.dataset.to) === step.node && Number(path.dataset.from) === step.to && path.dataset.input === step.input ? "current" : "");
}

function drawNorms() {
  const svg = SVG("svg", {viewBox: `0 0 ${DATA.steps.length * 10} 70`, preserveAspectRatio: "none", role: "img", "aria-label": "size of the gradient at each step, logarithmic"});
  const logs = DATA.steps.map(s => Math.log10(DATA.arrays[s.out].norm || NaN)), finite = logs.filter(Number.isFinite);
  const low = Math.min(...finite) - 0.5, high = Math.max(...finite, low + 1);
  logs.forEach((v, k) => {
    const h = Number.isFinite(v) ? 4 + 64 * (v - low) / (high - low) : 2, a = DATA.arrays[DATA.steps[k].out], bar = SVG("rect", {x: k * 10 + 1, y: 70 - h, width: 8, height: h});
    const title = SVG("title", {});
    title.textContent = `step ${k + 1}: ‖out‖ = ${a.norm?.toPrecision(4)}`;
    bar.append(title);
    bar.addEventListener("click", () => show(k));
    svg.append(bar);
  });
  $("norms").append(svg);
}

function markNorms() {
  [...$("norms").querySelectorAll("rect")].forEach((bar, k) => {
    const a = DATA.arrays[DATA.steps[k].out];
    bar.setAttribute("class", k === current ? "current" : a.nan || a.inf || DATA.steps[k].check.ok === false ? "bad" : "");
  });
}

// ---- controls -----------------------------------------------------------------------------------------

function turn() {
  document.documentElement.dataset.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  views.forEach(v => v.draw());
}

const KEYS = {ArrowRight: () => show(current + 1), ArrowLeft: () => show(current - 1), Home: () => show(0), End: () => show(DATA.steps.length - 1),
              t: turn, w: () => { if (DATA.wrong !== null) show(DATA.wrong); }};

document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
$("slider").max = DATA.steps.length - 1;
$("slider").addEventListener("input", () => show(Number($("slider").value)));
for (const [id, key] of [["first", "Home"], ["back", "ArrowLeft"], ["next", "ArrowRight"], ["last", "End"], ["theme", "t"], ["wrong", "w"]])
  $(id).addEventListener("click", KEYS[key]);
$("wrong").hidden = DATA.wrong === null;
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT" || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
addEventListener("hashchange", () => show((Number(location.hash.slice(1)) || 1) - 1));
drawGraph();
drawNorms();
show(Number(location.hash.slice(1)) > 0 ? Number(location.hash.slice(1)) - 1 : DATA.start);
document.documentElement.dataset.ready = Math.round(performance.now());
