// Charts in plain SVG: drawn anew when their width changes, so that texts keep their size.

const SHAPES = {
  circle: (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
  square: (r) => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
  triangle: (r) => `M0 ${-1.2 * r}l${1.2 * r} ${2.1 * r}h${-2.4 * r}z`,
  diamond: (r) => `M0 ${-1.35 * r}l${1.35 * r} ${1.35 * r}l${-1.35 * r} ${1.35 * r}l${-1.35 * r} ${-1.35 * r}z`,
  cross: (r) => `M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}`,
};
const ROOM = { right: 14, top: 10, bottom: 46 };
const LETTER = 6.8;  // width of a digit in the ticks

/** Return a distance between ticks of 1, 2 or 5 times a power of ten. */
function tickStep(range, most) {
  const rough = range / most, power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}

/** Return round values inside a range, with texts that tell them apart. */
function ticks([low, high], most) {
  const step = tickStep(high - low, most), decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) values.push(k * step);
  return values.map((value) => ({ value, text: fixed(Math.abs(value) < step / 2 ? 0 : value, decimals) }));
}

/** Return the range of some values with a little room around it. */
function rangeOf(values, room = 0.06) {
  const known = values.filter((value) => Number.isFinite(value));
  if (!known.length) return [0, 1];
  const low = Math.min(...known), high = Math.max(...known), around = room * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low - around, high + around];
}

/**
 * Fill a figure with a title, a chart, its legend and the same numbers as a table.
 *
 * `spec`: `title`, `text`, `summary` (for screen readers), `x` and `y` (`label`, `range`), `series` (`name`, `kind`:
 * points | line | steps | band, `color`, `shape`, `hollow`, `faint`, `dashed`, `size`, `rows` of `{x, y, title}`, for a
 * band `{x, low, high}`; `unnamed` keeps it out of the legend), `diagonal` (its name), `mark` (an x value), `chosen` ({x, y}), `pick` (called with an x value).
 */
function chart(figure, spec) {
  let current = spec;
  const plot = element("div", { class: `plot${spec.pick ? " pick" : ""}` });
  const legend = element("ul", { class: "legend" });
  const numbers = element("details", {}, element("summary", {}, "Numbers"));
  numbers.addEventListener("toggle", () => showNumbers(numbers, current));
  figure.replaceChildren(
    element("h3", {}, spec.title),
    spec.text ? element("p", { class: "text" }, spec.text) : "",
    plot, legend, numbers,
  );
  const draw = () => {
    if (plot.clientWidth) plot.replaceChildren(picture(current, plot.clientWidth, figure.dataset.tall !== undefined));
  };
  const redraw = (next) => {
    current = { ...current, ...next };
    figure.querySelector("h3").textContent = current.title;
    legend.replaceChildren(...current.series.filter(({ unnamed }) => !unnamed).map(legendEntry), ...(current.diagonal ? [diagonalEntry(current.diagonal)] : []));
    showNumbers(numbers, current);
    draw();
  };
  if (spec.pick) dragToPick(plot, () => current);
  new ResizeObserver(draw).observe(plot);
  window.addEventListener("beforeprint", draw);
  redraw({});
  return redraw;
}

/** Return a figure of its own class that holds a chart. */
function chartFigure(spec) {
  const figure = element("figure", { class: "card" });
  chart(figure, spec);
  return figure;
}

function picture(spec, width, tall) {
  const height = Math.round(Math.max(250, Math.min(tall ? 520 : 360, width * (tall ? 0.8 : 0.62))));
  const left = leftRoom(spec, height), scale = scales(spec, left, width, height);
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spec.summary ?? spec.title });
  root.append(...axes(spec, scale, left, width, height));
  const clip = `clip-${(picture.n = (picture.n ?? 0) + 1)}`;
  root.append(svg("clipPath", { id: clip }, svg("rect", {
    x: left, y: ROOM.top, width: width - left - ROOM.right, height: height - ROOM.top - ROOM.bottom,
  })));
  const inside = svg("g", { "clip-path": `url(#${clip})` });
  if (spec.diagonal) {
    const low = Math.max(spec.x.range[0], spec.y.range[0]), high = Math.min(spec.x.range[1], spec.y.range[1]);
    inside.append(svg("line", { class: "diagonal", x1: scale.x(low), y1: scale.y(low), x2: scale.x(high), y2: scale.y(high) }));
  }
  for (const series of spec.series) inside.append(drawn(series, scale));
  if (spec.mark !== undefined) {
    const x = scale.x(spec.mark);
    inside.append(svg("line", { class: "mark", x1: x, x2: x, y1: ROOM.top, y2: height - ROOM.bottom }));
  }
  root.append(inside);
  if (spec.chosen) {
    const x = scale.x(spec.chosen.x), y = scale.y(spec.chosen.y);
    root.append(svg("path", { class: "chosen", d: `M${x + 8} ${y}H${scale.x(spec.chosen.until)}m0 -5v10` }));
    root.append(svg("circle", { class: "chosen", cx: x, cy: y, r: 8 }));
  }
  return root;
}

/** Return the width of the vertical axis with its ticks and its label. */
function leftRoom(spec, height) {
  return 30 + LETTER * Math.max(...yTicks(spec, height).map(({ text }) => text.length));
}

const yTicks = (spec, height) => ticks(spec.y.range, height / 55);

function scales(spec, left, width, height) {
  const map = ([low, high], from, to) => (value) => from + ((value - low) / (high - low)) * (to - from);
  return {
    x: map(spec.x.range, left, width - ROOM.right),
    y: map(spec.y.range, height - ROOM.bottom, ROOM.top),
  };
}

function axes(spec, scale, left, width, height) {
  const bottom = height - ROOM.bottom, right = width - ROOM.right, parts = [];
  for (const { value, text } of yTicks(spec, height)) {
    const y = scale.y(value);
    parts.push(svg("line", { class: "gridline", x1: left, x2: right, y1: y, y2: y }));
    parts.push(svg("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, text));
  }
  for (const { value, text } of ticks(spec.x.range, width / 80)) {
    const x = scale.x(value);
    parts.push(svg("line", { class: "gridline", x1: x, x2: x, y1: ROOM.top, y2: bottom }));
    parts.push(svg("text", { x, y: bottom + 18, "text-anchor": "middle" }, text));
  }
  parts.push(svg("path", { class: "axis", fill: "none", d: `M${left} ${ROOM.top}V${bottom}H${right}` }));
  parts.push(svg("text", { class: "label", x: (left + right) / 2, y: height - 8, "text-anchor": "middle" }, spec.x.label));
  const middle = (ROOM.top + bottom) / 2;
  parts.push(svg("text", { class: "label", x: 13, y: middle, "text-anchor": "middle", transform: `rotate(-90 13 ${middle})` }, spec.y.label));
  return parts;
}

function drawn(series, scale) {
  const rows = series.rows.filter((row) => Number.isFinite(row.x) && Number.isFinite(row.y ?? row.low));
  const at = ({ x, y }) => `${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`;
  if (series.kind === "points") {
    const classes = ["points", `c-${series.color}`, series.hollow && "hollow", series.faint && "faint"].filter(Boolean).join(" ");
    const d = SHAPES[series.shape ?? "circle"](series.size ?? 4);
    return svg("g", { class: classes }, ...rows.map((row) =>
      svg("path", { d, transform: `translate(${at(row)})` }, svg("title", {}, row.title ?? `${significant(row.x)}, ${significant(row.y)}`))));
  }
  if (series.kind === "band") {
    const edge = (row, y) => `${scale.x(row.x).toFixed(1)} ${scale.y(y).toFixed(1)}`;
    const outline = [...rows.map((row) => edge(row, row.low)), ...[...rows].reverse().map((row) => edge(row, row.high))];
    return svg("path", { class: `band c-${series.color}`, d: outline.length ? `M${outline.join("L")}Z` : "" });
  }
  const path = rows.map((row, i) => {
    if (i === 0) return `M${at(row)}`;
    return series.kind === "steps" ? `H${scale.x(row.x).toFixed(1)}V${scale.y(row.y).toFixed(1)}` : `L${at(row)}`;
  });
  if (series.kind === "steps" && series.until !== undefined && rows.length) path.push(`H${scale.x(series.until).toFixed(1)}`);
  return svg("path", { class: `curve c-${series.color}${series.dashed ? " dashed" : ""}`, d: path.join("") });
}

function legendEntry(series) {
  const swatch = svg("svg", { width: 22, height: 14, viewBox: "0 0 22 14", "aria-hidden": "true" });
  if (series.kind === "points") {
    const classes = `points c-${series.color}${series.hollow ? " hollow" : ""}`;
    swatch.append(svg("path", { class: classes, d: SHAPES[series.shape ?? "circle"](4.5), transform: "translate(11 7)" }));
  } else if (series.kind === "band") {
    swatch.append(svg("rect", { class: `band c-${series.color}`, x: 1, y: 2, width: 20, height: 10 }));
  } else {
    swatch.append(svg("path", { class: `curve c-${series.color}${series.dashed ? " dashed" : ""}`, d: "M1 7H21" }));
  }
  return element("li", {}, swatch, series.name);
}

function diagonalEntry(name) {
  return element("li", {}, svg("svg", { width: 22, height: 14, "aria-hidden": "true" }, svg("path", { class: "diagonal", d: "M1 12L21 2" })), name);
}

/** Show the numbers of an open chart as a table. */
function showNumbers(details, spec) {
  details.querySelector(".table")?.remove();
  if (!details.open) return;
  const rows = spec.series.flatMap((series) => series.rows.map((row) => ({ series: series.name, ...row })));
  const columns = [
    { name: "series", label: "Series", text: true },
    { name: "x", label: spec.x.label, format: (value) => significant(value, 5) },
    { name: "y", label: spec.y.label, format: (value) => significant(value, 5) },
  ];
  details.append(sortableTable({ caption: spec.title, columns, rows: rows.filter((row) => row.y !== undefined) }));
}

/** Let the pointer choose an x value by pressing and dragging. */
function dragToPick(plot, spec) {
  const pick = (event) => {
    const { pick: chosen, x } = spec(), box = plot.getBoundingClientRect();
    const left = leftRoom(spec(), plot.firstChild.height.baseVal.value);
    const share = (event.clientX - box.left - left) / (box.width - left - ROOM.right);
    chosen(x.range[0] + Math.max(0, Math.min(1, share)) * (x.range[1] - x.range[0]));
  };
  plot.addEventListener("pointerdown", (event) => {
    plot.setPointerCapture(event.pointerId);
    pick(event);
  });
  plot.addEventListener("pointermove", (event) => { if (plot.hasPointerCapture(event.pointerId)) pick(event); });
}

/** Fill a figure with horizontal bars: rows of `{name, value, text}`. */
function barChart(figure, { title, summary, rows }) {
  const plot = element("div", { class: "plot" });
  figure.replaceChildren(element("h3", {}, title), plot);
  const draw = () => {
    const width = plot.clientWidth, step = 26, labels = Math.min(210, width * 0.45), most = Math.max(...rows.map((row) => row.value), 1e-9);
    if (!width) return;
    const root = svg("svg", { width, height: step * rows.length, role: "img", "aria-label": summary });
    rows.forEach((row, i) => {
      const y = i * step, length = Math.max(1.5, (row.value / most) * (width - labels - 70));
      root.append(
        svg("text", { class: "label", x: labels - 8, y: y + 17, "text-anchor": "end" }, row.name),
        svg("rect", { class: "bars c-generator", x: labels, y: y + 5, width: length, height: step - 9, rx: 2 }),
        svg("text", { x: labels + length + 6, y: y + 17 }, row.text),
      );
    });
    plot.replaceChildren(root);
  };
  new ResizeObserver(draw).observe(plot);
  window.addEventListener("beforeprint", draw);
}
