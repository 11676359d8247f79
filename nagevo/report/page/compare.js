// The comparison of strategies.

const MOST_BANDS = 4;
const COLORS = 8;
const state = { effort: data.efforts[data.efforts.length - 1], strategies: new Set() };
const redraws = [];

/** Return color and dashes of a strategy: eight colors, then the same dashed. */
function look(strategy) {
  const position = data.strategies.indexOf(strategy);
  return { color: (position % COLORS) + 1, dashed: position >= COLORS };
}

function metricsTable() {
  const withSpread = (name, decimals) => (_, row) => `${fixed(row[name], decimals)} ± ${fixed(row[`${name}_spread`], decimals)}`;
  const metric = (name, label, decimals, best) => ({ name, label, best, format: withSpread(name, decimals) });
  const rows = data.metrics.map((row) => ({ ...row, group: `${row.device}/${row.evaluations}` }));
  byId("metrics").append(sortableTable({
    caption: `Mean ± standard deviation over ${data.seeds} seeds, against ${data.reference}. Best for each device and effort in color.`,
    columns: [
      { name: "strategy", label: "Strategy", text: true },
      { name: "device", label: "Device", text: true },
      { name: "evaluations", label: "Evaluations" },
      metric("hypervolume_ratio", "Hypervolume ratio", 4, "high"),
      metric("mean_regret", "Mean regret (points)", 2, "low"),
      metric("max_regret", "Largest regret (points)", 2, "low"),
      metric("igd_plus", "IGD+", 4, "low"),
      metric("gd_plus", "GD+", 4, "low"),
      metric("flatness", "Flatness (points)", 2, "low"),
      metric("seconds", "Time (s)", 0, "low"),
    ],
    rows, group: "group",
  }));
}

function curveSpec(device, curves, labels) {
  const chosen = curves.filter((curve) => curve.device === device && curve.evaluations === state.effort && state.strategies.has(curve.strategy));
  const lines = chosen.map((curve) => ({
    ...look(curve.strategy), name: curve.strategy, kind: "line", rows: curve.x.map((x, i) => ({ x, y: curve.median[i] })),
  }));
  const bands = chosen.length > MOST_BANDS ? [] : chosen.map((curve) => ({
    ...look(curve.strategy), kind: "band", unnamed: true, rows: curve.x.map((x, i) => ({ x, low: curve.low[i], high: curve.high[i] })),
  }));
  const values = chosen.flatMap((curve) => (bands.length ? [...curve.low, ...curve.high] : curve.median));
  return {
    title: `${labels.title} on ${device}`, summary: `${labels.title} on ${device} for ${[...state.strategies].join(", ")}`,
    x: { label: labels.x, range: rangeOf(chosen.flatMap(({ x }) => x), 0.02) },
    y: { label: labels.y, range: rangeOf(values) },
    series: [...bands, ...lines],
  };
}

function charts(id, curves, labels) {
  for (const device of data.devices) {
    const figure = element("figure", { class: "card" });
    byId(id).append(figure);
    const redraw = chart(figure, curveSpec(device, curves, labels));
    redraws.push(() => redraw(curveSpec(device, curves, labels)));
  }
}

/** Begin with the four strategies that reach the largest hypervolume at the largest effort, and with random search. */
function bestStrategies() {
  const reached = (strategy) => {
    const rows = data.metrics.filter((row) => row.strategy === strategy && row.evaluations === state.effort);
    return rows.reduce((sum, row) => sum + row.hypervolume_ratio, 0) / Math.max(rows.length, 1);
  };
  const others = data.strategies.filter((strategy) => strategy !== "random").sort((a, b) => reached(b) - reached(a));
  return data.strategies.includes("random") ? [...others.slice(0, MOST_BANDS - 1), "random"] : others.slice(0, MOST_BANDS);
}

function controls() {
  byId("efforts").append(...data.efforts.map((effort) => option("radio", "effort", String(effort), effort === state.effort, () => {
    state.effort = effort;
    redraws.forEach((redraw) => redraw());
  })));
  byId("strategies").append(...data.strategies.map((strategy) => option("checkbox", "strategy", strategy, state.strategies.has(strategy), (event) => {
    if (event.target.checked) state.strategies.add(strategy);
    else state.strategies.delete(strategy);
    redraws.forEach((redraw) => redraw());
  })));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
}

themeButton(byId("theme"));
byId("experiment").textContent = data.experiment;
byId("lead").textContent = `${data.strategies.length} strategies, ${data.efforts.join(", ")} evaluations, ${data.seeds} seeds each, `
  + `measured against ${data.reference} on ${data.devices.join(" and ")}.`;
state.strategies = new Set(bestStrategies());
metricsTable();
controls();
charts("hypervolume-charts", data.hypervolume, { title: "Hypervolume", x: "evaluations (networks whose accuracy was read)", y: "share of the reference’s hypervolume" });
charts("regret-charts", data.regret, { title: "Regret", x: data.unit ? `budget (${data.unit})` : "budget", y: "regret (points of accuracy)" });
document.documentElement.dataset.ready = "true";
