// A tensor as a picture: shape, statistics, heat map, table.  One View per tensor of the current step.

const ENDS = {light: [[0, 114, 178], [213, 94, 0]], dark: [[86, 180, 233], [255, 140, 40]]}, WIDEST = 400;      // negative, positive

function text(value) {
  if (value === undefined || value === null) return "?";
  if (!Number.isFinite(value)) return String(value);
  return (value < 0 ? "−" : "+") + Math.abs(value).toPrecision(5).replace(/\.?0+(e|$)/, "$1").replace("e-", "e−");
}

function element(tag, properties = {}, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children);
  return e;
}

class View {
  // role: "g", "out", "read"…; label: what it is called; letters: names of its axes; onEntry(index): an entry was pointed at
  constructor(id, role, label, letters, onEntry) {
    this.a = array(id);
    Object.assign(this, {role, onEntry, lit: [], cursor: null, page: 0});
    this.canvas = element("canvas", {tabIndex: 0});
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `${label}: heat map of shape ${this.a.shape.join(" × ")}; ${this.numbers()}; the button below shows it as a table`);
    this.table = element("div", {className: "scroll", hidden: true});
    this.scale = element("span", {className: "scale"});
    this.root = element("div", {className: `view ${role}`}, element("h4", {}, label, this.axes(letters)),
                        element("div", {className: "stats"}, ...this.statistics()), element("div", {className: "scroll"}, this.canvas));
    this.listen();
    this.arrange();
    this.root.append(this.pickers(), this.table);
    this.draw();
  }

  axes(letters) {
    const boxes = element("span", {className: "axes"});
    this.a.shape.forEach((n, axis) => boxes.append(element("span", {className: n === 1 ? "one" : "", title: `axis ${axis}: length ${n}`}, `${letters[axis] ?? axis} ${n}`)));
    if (!this.a.shape.length) boxes.append(element("span", {}, "a single number"));
    return boxes;
  }

  numbers() {
    const a = this.a;
    return a.min === undefined ? a.dtype : `${a.dtype}  min ${text(a.min)}  max ${text(a.max)}  norm ${a.norm.toPrecision(4)}` + (a.zero ? `  zero ${Math.round(100 * a.zero)} %` : "");
  }

  statistics() {
    const parts = [this.numbers()];
    if (this.a.nan || this.a.inf) parts.push(element("span", {className: "bad"}, `  NaN ${this.a.nan}, infinite ${this.a.inf}`));
    return parts;
  }

  // Which entry is drawn where: a picture is made of tiles, each H × W.  Images (N, C, H, W) have a tile per channel; a matrix has
  // one, or if its rows are long one per row, wrapped; so has a vector.  What does not fit goes to further pages.
  arrange() {
    const b = this.a.block, n = b.length, long = n === 1 || n === 2 && b[1] > 64;
    if (n >= 3) Object.assign(this, {kind: "images", H: b[n - 2], W: b[n - 1], tiles: b[n - 3], gap: 1});
    else if (long) Object.assign(this, {kind: "rows", W: Math.min(n === 1 ? 32 : 64, b[n - 1]), tiles: n === 1 ? 1 : b[0], gap: 1});
    else Object.assign(this, {kind: "matrix", H: Math.min(b[0] ?? 1, 64), W: b[1] ?? 1, tiles: 1, gap: 0});
    if (long) this.H = Math.ceil(b[n - 1] / this.W);
    this.perPage = this.kind === "rows" ? Math.max(1, Math.min(this.tiles, Math.floor(96 / this.H))) : this.tiles;
    this.columns = this.kind === "images" ? Math.max(1, Math.min(this.tiles, Math.floor(Math.sqrt(this.tiles * 1.6 * (this.H + 1) / (this.W + 1))))) : 1;
    this.across = this.columns * (this.W + this.gap) - this.gap;
    this.down = Math.ceil(this.perPage / this.columns) * (this.H + this.gap) - this.gap;
    this.px = Math.max(2, Math.min(26, Math.floor(WIDEST / this.across), Math.max(5, Math.floor(420 / this.down))));
    this.canvas.width = this.across * this.px + 1;
    this.canvas.height = this.down * this.px + 1;
  }

  pages() {
    const b = this.a.block;
    return this.kind === "images" ? b.slice(0, -3).reduce((n, k) => n * k, 1) : this.kind === "rows" ? Math.ceil(this.tiles / this.perPage) : Math.ceil((b[0] ?? 1) / this.H);
  }

  pageOf(index) {
    if (this.kind === "images") return flat(index.slice(0, -3), this.a.block.slice(0, -3));
    return index.length < 2 ? 0 : Math.floor(index[0] / (this.kind === "rows" ? this.perPage : this.H));
  }

  pageName(k) {
    if (this.kind === "images") return `[${unflat(k, this.a.block.slice(0, -3)).join(", ")}, …]`;
    const n = this.kind === "rows" ? this.perPage : this.H;
    return `rows ${k * n} to ${Math.min((k + 1) * n, this.a.block[0]) - 1}`;
  }

  indexOf(row, column) {                                      // cell of the picture -> index of the tensor, or null between tiles
    const b = this.a.block, n = b.length, y = row % (this.H + this.gap), x = column % (this.W + this.gap);
    if (row < 0 || column < 0 || row >= this.down || column >= this.across || y >= this.H || x >= this.W) return null;
    const tile = Math.floor(row / (this.H + this.gap)) * this.columns + Math.floor(column / (this.W + this.gap));
    if (tile >= this.perPage) return null;
    const index = this.kind === "images" ? [...unflat(this.page, b.slice(0, -3)), tile, y, x] : n === 0 ? []
      : this.kind === "matrix" ? [this.page * this.H + y, x] : n === 1 ? [y * this.W + x] : [this.page * this.perPage + tile, y * this.W + x];
    return index.every((k, axis) => k < b[axis]) ? index : null;
  }

  cellOf(index) {                                             // the inverse; null if it is not in the picture
    if (!index.every((k, axis) => k < this.a.block[axis]) || this.pageOf(index) !== this.page) return null;
    const n = index.length, last = index[n - 1];
    if (n === 0) return [0, 0];
    const [tile, y, x] = this.kind === "images" ? index.slice(-3) : this.kind === "matrix" ? [0, index[0] % this.H, last]
      : [n === 1 ? 0 : index[0] % this.perPage, Math.floor(last / this.W), last % this.W];
    return [Math.floor(tile / this.columns) * (this.H + this.gap) + y, (tile % this.columns) * (this.W + this.gap) + x];
  }

  // The picture itself is painted once per page and theme, pixel by pixel; draw() puts it on the canvas, and frames over it.
  paint(dark) {
    const {across, down, px} = this, zero = dark ? [24, 26, 30] : [255, 255, 255];
    const pixels = new ImageData(across, down), negative = [], sizes = [], cells = [];
    for (let row = 0; row < down; row++) for (let column = 0; column < across; column++) {
      const index = this.indexOf(row, column);
      if (!index) continue;
      const value = at(this.a, index), size = Math.abs(value);
      cells.push([row, column, value]);
      if (size > 0 && Number.isFinite(size)) sizes.push(size);
    }
    const reach = this.reach(sizes);
    for (const [row, column, value] of cells) {
      const part = Math.min(1, Math.abs(value) / reach), end = ENDS[dark ? "dark" : "light"][value < 0 ? 0 : 1];
      const colour = Number.isFinite(value) ? zero.map((z, k) => z + (end[k] - z) * part) : [224, 0, 42];
      pixels.data.set([...colour, 255], 4 * (row * across + column));
      if (value < 0 && part > 0.02) negative.push([row, column]);
    }
    const small = new OffscreenCanvas(across, down);
    small.getContext("2d").putImageData(pixels, 0, 0);
    this.picture = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    const c = this.picture.getContext("2d");
    c.imageSmoothingEnabled = false;
    c.drawImage(small, 0, 0, across * px, down * px);
    c.lineWidth = 1;
    c.strokeStyle = dark ? "#ffffff88" : "#00000066";
    c.beginPath();
    if (px >= 7) for (const [row, column] of negative) {      // the sign without colour
      c.moveTo(column * px + 1, (row + 1) * px - 1);
      c.lineTo((column + 1) * px - 1, row * px + 1);
    }
    c.stroke();
    c.lineWidth = 0.5;
    c.strokeStyle = dark ? "#888" : "#999";
    for (let k = 0; k < this.perPage; k++)
      c.strokeRect((k % this.columns) * (this.W + this.gap) * px + 0.5, Math.floor(k / this.columns) * (this.H + this.gap) * px + 0.5, this.W * px, this.H * px);
    this.painted = [this.page, dark].join();
  }

  // The size that has full colour: one that few of the shown entries exceed, so that one outlier does not leave the rest white.
  reach(sizes) {
    sizes.sort((a, b) => a - b);
    const reach = sizes[Math.floor(0.98 * (sizes.length - 1))] || 1;
    this.scale.textContent = `colours: −${reach.toPrecision(2)} `;
    this.scale.append(element("span", {className: "bar"}), ` +${reach.toPrecision(2)}`);
    return reach;
  }

  draw() {
    const c = this.canvas.getContext("2d"), dark = document.documentElement.dataset.theme === "dark";
    if (this.painted !== [this.page, dark].join()) this.paint(dark);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    c.drawImage(this.picture, 0, 0);
    for (const index of this.lit) this.frame(c, index, "#d000a0", Math.max(1, Math.min(2, this.px / 4)));
    if (this.cursor) this.frame(c, this.cursor, dark ? "#fff" : "#000", 2);
  }

  frame(c, index, colour, width) {
    const cell = this.cellOf(index);
    if (!cell) return;
    c.strokeStyle = colour;
    c.lineWidth = width;
    c.strokeRect(cell[1] * this.px + 0.5, cell[0] * this.px + 0.5, this.px, this.px);
  }

  turn(page) {
    this.page = page;
    if (this.choice) this.choice.value = page;
    this.draw();
  }

  light(indices) {                                            // entries to frame; if none is in the picture, turn to the first
    this.lit = indices;
    const there = indices.filter(index => index.every((k, axis) => k < this.a.block[axis]));
    this.turn(there.length && !there.some(index => this.cellOf(index)) ? this.pageOf(there[0]) : this.page);
  }

  point(index) {                                              // the reader points at an entry, or at none
    this.cursor = index;
    this.draw();
    this.onEntry(this, index);
  }

  listen() {
    const tip = document.getElementById("tip");
    this.canvas.addEventListener("mousemove", event => {
      const index = this.indexOf(Math.floor(event.offsetY / this.px), Math.floor(event.offsetX / this.px));
      tip.hidden = !index;
      if (!index) return;
      tip.textContent = `[${index.join(", ")}]  ${text(at(this.a, index))}`;
      tip.style.left = `${Math.min(event.clientX + 14, innerWidth - 200)}px`;
      tip.style.top = `${event.clientY + 16}px`;
      if (String(index) !== String(this.cursor)) this.point(index);
    });
    this.canvas.addEventListener("mouseleave", () => tip.hidden = true);      // the sum stays, to be read
    this.canvas.addEventListener("keydown", event => {
      const move = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]}[event.key];
      if (event.key === "Escape") this.canvas.blur();
      if (!move) return;
      event.preventDefault();
      event.stopPropagation();                                // the arrows are steps elsewhere, entries here
      let [row, column] = (this.cursor && this.cellOf(this.cursor)) || [-move[0], -move[1]];
      do { row += move[0]; column += move[1]; } while (row >= 0 && column >= 0 && row < this.down && column < this.across && !this.indexOf(row, column));
      const index = this.indexOf(row, column);
      if (index) this.point(index);
    });
  }

  pickers() {
    const line = element("div", {className: "pick"}, this.scale, " ");
    const pages = this.pages(), b = this.a.block;
    if (pages > 1) {
      this.choice = element("select", {}, ...Array.from({length: pages}, (_, k) => element("option", {value: k}, this.pageName(k))));
      this.choice.addEventListener("change", () => { this.cursor = null; this.turn(Number(this.choice.value)); });
      line.append("shown: ", this.choice, " ");
    }
    if (b.some((n, axis) => n < this.a.shape[axis])) line.append(`here: the first ${b.join("×")} of ${this.a.shape.join("×")} `);
    const button = element("button", {}, "table");
    button.addEventListener("click", () => { this.table.hidden = !this.table.hidden; this.fillTable(); });
    line.append(button);
    return line;
  }

  fillTable() {                                               // the numbers of the picture: its first tile, at most 32 × 16
    const rows = [];
    for (let r = 0; r < Math.min(this.H, 32); r++) {
      const cells = [];
      for (let k = 0; k < Math.min(this.W, 16); k++) { const index = this.indexOf(r, k); if (index) cells.push(element("td", {}, text(at(this.a, index)))); }
      rows.push(element("tr", {}, element("th", {}, String(r)), ...cells));
    }
    this.table.replaceChildren(element("table", {}, ...rows));
  }
}
