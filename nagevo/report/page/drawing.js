// Drawings of architectures, by the kinds that nagevo/report/drawing.py makes.

/** Return a figure that shows an architecture. */
function architectureDrawing(drawing) {
  const kinds = { stages: stagesDrawing, graph: graphDrawing, choices: choicesDrawing };
  const { picture, caption } = kinds[drawing.kind](drawing);
  return element("figure", { class: "drawing" }, picture, caption ? element("figcaption", {}, caption) : "");
}

/** Stages of layer slots, one row each: height shows the kernel, width the expansion, dashes what is skipped. */
function stagesDrawing({ summary, dims, input, stem, stages, head }) {
  const label = 92, slot = 88, row = 47, top = 30, width = label + stages[0].layers.length * slot, height = top + stages.length * row + 28;
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": stagesSummary(summary, stages) });
  const text = (x, y, content, attributes = {}) => svg("text", { x, y, ...attributes }, content);
  const positions = (size) => (Array.isArray(size) ? size : Array(dims).fill(size)).join(" × ");
  root.append(text(0, 15, `input ${input} → stem, ${stem.width} channels, ${positions(stem.size)}`, { class: "faint" }));
  stages.forEach((stage, number) => {
    const y = top + number * row + row / 2, last = stage.layers.findLastIndex((layer) => layer !== null);
    root.append(
      text(0, y - 2, `Stage ${number + 1}${stage.squeeze_excite ? " · SE" : ""}`, { class: "head" }),
      text(0, y + 12, `${stage.width} ch, ${positions(stage.size)}`, { class: "faint" }),
      svg("path", { class: "flow", d: `M${label - 4} ${y}H${label + last * slot + 4}` }),
    );
    stage.layers.forEach((layer, position) => root.append(...layerDrawing(layer, label + position * slot + slot / 2, y)));
  });
  root.append(text(0, height - 8, `head, ${head.width} features → ${head.classes} classes`, { class: "faint" }));
  const wide = dims === 2 ? " Width: expansion (e)." : "", squeeze = dims === 2 ? " SE: squeeze-and-excite." : "";
  return { picture: root, caption: `Height and shade: kernel.${wide} Dashed: skipped.${squeeze}` };
}

function layerDrawing(layer, x, y) {
  const box = (width, height, className) =>
    svg("rect", { class: className, x: x - width / 2, y: y - height / 2, width, height, rx: 3 });
  if (layer === null) {
    return [box(50, 16, "skipped"), svg("text", { class: "faint", x, y: y + 4, "text-anchor": "middle" }, "skipped")];
  }
  const { kernel, level, expansion } = layer;
  const name = expansion ? `${kernel}×${kernel}  e${expansion}` : `kernel ${kernel}`;
  return [
    box(40 + 6.5 * (expansion ?? 3), 13 + 10 * level, `block level-${level}`),
    svg("text", { x, y: y + 4, "text-anchor": "middle", class: `on-level-${level}` }, name),
  ];
}

function stagesSummary(summary, stages) {
  const parts = stages.map((stage, i) => {
    const layers = stage.layers.map((layer) => (layer ? `kernel ${layer.kernel}${layer.expansion ? ` expansion ${layer.expansion}` : ""}` : "skipped"));
    return `Stage ${i + 1}: ${layers.join(", ")}`;
  });
  return `${summary}. ${parts.join(". ")}.`;
}

/** Nodes and edges; an edge may bend around the nodes between its ends. */
function graphDrawing({ summary, nodes, edges }) {
  const width = 440, r = 20, most = Math.max(1, ...edges.map((edge) => Math.abs(edge.bend))), lift = Math.min(46, 120 / most);
  const up = Math.max(0, ...edges.map((edge) => edge.bend)) * lift, down = Math.max(0, ...edges.map((edge) => -edge.bend)) * lift;
  const tree = nodes.some((node) => node.y !== 0.5), body = tree ? 150 : 2 * r + 8, height = up + down + body + 16;
  const place = nodes.map((node) => ({ x: r + 2 + node.x * (width - 2 * r - 4), y: 8 + up + node.y * body, label: node.label }));
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": summary });
  for (const edge of edges) {
    const a = place[edge.source], b = place[edge.target], x = (a.x + b.x) / 2, y = (a.y + b.y) / 2 - edge.bend * lift;
    const d = edge.bend ? `M${a.x} ${a.y}Q${x} ${2 * y - (a.y + b.y) / 2} ${b.x} ${b.y}` : `M${a.x} ${a.y}L${b.x} ${b.y}`;
    root.append(svg("path", { class: edge.skipped ? "skipped" : "flow", "stroke-width": edge.skipped ? 1 : 2, d }));
    if (edge.label) root.append(svg("text", { class: `edge-label${edge.skipped ? " faint" : ""}`, x, y: y + 4, "text-anchor": "middle" }, edge.label));
  }
  for (const { x, y, label } of place) {
    root.append(svg("circle", { class: "node", cx: x, cy: y, r }), svg("text", { x, y: y + 4, "text-anchor": "middle" }, label));
  }
  const caption = edges.some((edge) => edge.skipped) ? "From left to right. Dashed: does nothing." : "From left to right.";
  return { picture: root, caption };
}

/** The list of choices, for spaces without a drawing of their own. */
function choicesDrawing({ items }) {
  const list = items.map((item) => element("li", {}, `${item.name}: ${item.taken}`));
  return { picture: element("ul", { class: "choices" }, ...list) };
}
