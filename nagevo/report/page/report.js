// The report of one experiment.

// The generator is drawn last, small and filled: equal answers lie on top of one another.
const METHODS = {
  best_measured: { name: "Best measured network", color: "best-measured", shape: "square", hollow: true, size: 5 },
  generator: { name: "Generator", color: "generator", shape: "circle", size: 3.2 },
};

// ---- Asking for a network ----

const LIMIT_STEPS = 200;

const state = { device: data.devices[0], confidence: data.confidence, budget: 0, limit: "none", most: Infinity };
const grid = { step: 1, decimals: 0 };
let redrawFrontier;

const entry = () => state.device.answers.find(({ confidence }) => confidence === state.confidence);

/** Return what each budget is answered with while a cost stays below a limit, the smallest bound first. */
function stepsOf(offers, cost = "none", most = Infinity) {
  const holding = rowsOf(offers).filter((row) => cost === "none" || row[cost] <= most);
  holding.sort((a, b) => a.bound - b.bound || b.accuracy - a.accuracy);
  let best = -Infinity;
  return holding.filter(({ accuracy }) => accuracy > best && ((best = accuracy), true));
}

/** Return what the device measures, with its unit. */
const own = (value, device = state.device) => amount(value, device.quantity.unit);

const steps = () => stepsOf(entry().offers, state.limit, state.most);

/** Return the answer to the budget, or null where it is refused: the last step whose bound the budget holds. */
function answerTo(budget) {
  const rows = steps(), row = rows.findLastIndex((step) => step.bound <= budget);
  return row < 0 ? null : { row, ...rows[row] };
}

/** Return the best measured network within the budget, without a margin, or null. */
function bestMeasured(budget) {
  return rowsOf(state.device.best_measured).filter((row) => row.value <= budget).pop() ?? null;
}

/** Return budget and text of the smallest round budget that is at least so large, and below `limit` where given. */
function roundedUp(value, limit = Infinity) {
  for (let decimals = grid.decimals; decimals < 15; decimals += 1) {
    const rounded = Number((Math.ceil(value * 10 ** decimals - 1e-9) / 10 ** decimals).toFixed(decimals));
    if (rounded >= value && rounded < limit) return rounded;
  }
  return value;
}

/** Return the confidence with which a device is answered that is nearest to the asked one. */
function nearestConfidence(device, asked) {
  const distance = ({ confidence }) => Math.abs(confidence - asked);
  return device.answers.reduce((a, b) => (distance(b) < distance(a) ? b : a)).confidence;
}

function chooseDevice(device) {
  state.device = device;
  const offered = device.answers.map(({ confidence }) => confidence);
  state.confidence = nearestConfidence(device, state.confidence);
  byId("unit").textContent = device.quantity.unit;
  byId("budget").setAttribute("aria-label", `Budget in ${device.quantity.unit}`);
  if (!limitOf()) state.limit = "none";
  byId("limited").hidden = !device.limits.length;
  segments("limits", "limit", ["none", ...device.limits.map(({ name }) => name)], limitName, chooseLimit);
  segments("confidences", "confidence", offered, (value) => `${significant(100 * value, 3).replace(/\.0+$/, "")} %`, chooseConfidence);
  chooseLimit(state.limit, null);
}

function chooseConfidence(confidence) {
  state.confidence = confidence;
  layOut(state.budget);
}

/** Set the range of budgets and the chart for device and confidence; without a budget start in the middle. */
function layOut(budget) {
  const bounds = stepsOf(entry().offers).map((step) => step.bound), lowest = bounds[0], highest = bounds[bounds.length - 1];
  const low = 0.92 * lowest, high = Math.max(highest, ...state.device.best_measured.value) * 1.04;
  grid.decimals = Math.max(0, -Math.floor(Math.log10((high - low) / 300)));
  grid.step = 10 ** -grid.decimals;
  const slider = byId("slider");
  slider.min = Math.floor(low / grid.step);
  slider.max = Math.ceil(high / grid.step);
  slider.step = 1;
  byId("budget").step = grid.step.toFixed(grid.decimals);
  const frontier = frontierSpec(state.device, state.confidence, state.limit, state.most);
  frontier.x.range = [Math.min(frontier.x.range[0], low), Math.max(frontier.x.range[1], high)];
  if (redrawFrontier) redrawFrontier(frontier);
  else redrawFrontier = chart(byId("frontier"), { ...frontier, pick: (x) => setBudget(Number((Math.round(x / grid.step) * grid.step).toFixed(grid.decimals))) });
  setBudget(budget ?? roundedUp(bounds[Math.floor(bounds.length / 2)]));
}

function setBudget(budget) {
  state.budget = budget;
  byId("slider").value = Math.round(budget / grid.step);
  byId("slider").setAttribute("aria-valuetext", `${budget} ${state.device.quantity.unit}`);
  if (document.activeElement !== byId("budget")) byId("budget").value = budget;
  showAnswer();
}

function showAnswer() {
  const { device, budget } = state, rows = steps(), answer = answerTo(budget);
  byId("previous").disabled = !answer || answer.row === 0;
  byId("next").disabled = !rows.length || answer?.row === rows.length - 1;
  byId("answer").replaceChildren(...(answer ? answerFacts(answer) : [refusal()]));
  byId("answer").dataset.architecture = answer?.architecture ?? "";
  byId("details").replaceChildren(...(answer ? answerDetails(answer) : []));
  redrawFrontier({
    mark: budget,
    chosen: answer && { x: answer.value, y: answer.accuracy, until: answer.bound },
    title: `Frontier on ${device.name}`,
    summary: frontierSummary(device, state.confidence, rows),
  });
}

function refusal() {
  const [fastest] = steps();
  if (!fastest) {
    const least = Math.min(...entry().offers[state.limit]);
    return element("div", { class: "refusal" },
      element("p", {}, `No network keeps this limit on ${costName(state.limit)}. The least is ${limitText(least)}.`),
      element("button", { type: "button", click: () => setMost(least) }, `Ask for ${limitText(least)}`));
  }
  const least = fastest.bound, budget = roundedUp(least);
  const also = state.limit === "none" ? "" : ` with at most ${limitText(state.most)} of ${costName(state.limit)}`;
  return element("div", { class: "refusal" },
    element("p", {}, `No network${also} can be promised within ${own(state.budget)} on ${state.device.name} at ${confidenceText()} confidence. The smallest budget is ${own(least)}.`),
    element("button", { type: "button", click: () => setBudget(budget) }, `Ask for ${budget} ${state.device.quantity.unit}`));
}

/** Return what is known of a limit that can be set beside the budget; undefined for none. */
const limitOf = (name = state.limit) => state.device.limits.find((limit) => limit.name === name);

const limitName = (name) => limitOf(name)?.words ?? "None";

const costName = (name) => limitName(name).toLowerCase();

const limitText = (value) => amount(value, limitOf().unit);

/** Limit a cost, or none, to the middle of its range; without a budget start in the middle of these too. */
function chooseLimit(cost, budget = state.budget) {
  state.limit = cost;
  byId("second").hidden = cost === "none";
  if (cost === "none") {
    setMost(Infinity, budget);
    return;
  }
  const { unit } = limitOf();
  byId("most-label").textContent = `The most of ${costName(cost)} that it may have${unit && ` (${unit})`}`;
  byId("most").setAttribute("aria-label", `Most of ${costName(cost)}`);
  const costs = stepsOf(entry().offers).map((row) => row[cost]);
  setMost(limitAbove(Math.sqrt(Math.min(...costs) * Math.max(...costs))), budget);
}

/** Return the least and the largest limit of the second slider. */
function limits() {
  const costs = entry().offers[state.limit];
  const least = limitOf().unit ? 1e-9 : 1;
  return [Math.max(least, Math.min(...costs)), Math.max(least, ...costs)];
}

/** Return a limit for people that is at least so large: a whole number of what has no unit, else four digits. */
function limitAbove(value) {
  if (!limitOf().unit) return Math.ceil(value);
  const scale = 10 ** (3 - Math.floor(Math.log10(value)));
  return Number((Math.ceil(value * scale - 1e-9) / scale).toPrecision(12));
}

function setMost(most, budget = state.budget) {
  state.most = most;
  if (state.limit !== "none") {
    const [low, high] = limits();
    byId("limit-slider").value = Math.round(LIMIT_STEPS * Math.log(most / low) / (Math.log(high / low) || 1));
    byId("limit-slider").setAttribute("aria-valuetext", `${limitText(most)} of ${costName(state.limit)}`);
    if (document.activeElement !== byId("most")) byId("most").value = most;
  }
  layOut(budget);
}

function slideMost(place) {
  const [low, high] = limits();
  setMost(place >= LIMIT_STEPS ? limitAbove(high) : limitAbove(low * (high / low) ** (place / LIMIT_STEPS)));
}

const confidenceText = () => `${+(100 * state.confidence).toFixed(2)} %`;

function answerFacts(answer) {
  const { words, unit } = state.device.quantity;
  const facts = [
    ["Accuracy", fixed(answer.accuracy), "%", answer.measured ? "measured" : "predicted"],
    [capital(words), significant(answer.value), unit, answer.verified ? "verified" : "expected"],
    ["Bound", significant(answer.bound), unit, `at ${confidenceText()}${state.device.condition ? `, ${state.device.condition.stated}` : ""}`],
  ];
  return [element("dl", { class: "facts" }, ...facts.flatMap(([name, value, unit, note]) => [
    element("dt", {}, name),
    element("dd", {}, value, element("small", {}, ` ${unit}`)),
    element("dd", { class: "note" }, note),
  ]))];
}

function answerDetails(answer) {
  const { device, confidence, budget } = state, described = data.architectures[answer.architecture];
  const words = { parameters: "parameters", macs: "multiply–accumulates", peak_memory_kb: "kB of activations at most", weights_kb: "kB of weights" };
  const shown = (name) => (name.endsWith("_kb") ? significant(described[name], 4) : count(described[name]));
  const costs = Object.keys(words).filter((name) => described[name] !== undefined).map((name) => `${shown(name)} ${words[name]}`);
  const again = rowsOf(device.again).find((row) => row.architecture === answer.architecture && row.measured !== null);
  const remeasured = again ? `Measured again at the end: ${percent(again.test_accuracy)} on the test split, ${own(again.measured)}.` : null;
  const limited = state.limit !== "none", option = limited ? ` --limit ${state.limit}=${state.most}` : "";
  const asked = limited ? `{"${device.quantity.name}": ${budget}, "${state.limit}": ${state.most}}` : budget;
  const command = `nagevo generate --bundle ${data.bundle} --budget ${budget}${option} --device ${device.name} --confidence ${confidence}`;
  const python = `nagevo.generate(${asked}, device="${device.name}", confidence=${confidence}, bundle="${data.bundle}")`;
  return [
    architectureDrawing(described.drawing),
    costs.length ? element("p", { class: "small" }, `${costs.join(", ")}.`) : "",
    remeasured ? element("p", { class: "small" }, remeasured) : "",
    device.condition ? element("p", { class: "small" }, `${capital(device.condition.text)}.`) : "",
    limited ? "" : rival(answer),
    element("h3", {}, "The same by hand"),
    codeLine(command, "command"),
    codeLine(python, "Python line"),
    codeLine(answer.architecture, "architecture"),
  ];
}

function rival(answer) {
  const best = bestMeasured(state.budget);
  if (!best) return element("div", { class: "rival" }, element("p", {}, "No measured network holds this budget."));
  const difference = answer.accuracy - best.accuracy, same = best.architecture === answer.architecture;
  const compared = same ? "the same network" : Math.abs(difference) < 0.005 ? "as accurate" : `${fixed(Math.abs(difference))} points ${difference > 0 ? "less" : "more"}`;
  const details = element("details", {}, element("summary", {}, "Its network"));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) {
      details.append(architectureDrawing(data.architectures[best.architecture].drawing), codeLine(best.architecture, "architecture of the best measured network"));
    }
  });
  return element("div", { class: "rival" },
    element("p", {}, `Without a margin, the best measured network for this budget: ${percent(best.accuracy)} expected in ${own(best.value)}, ${compared}. ${brokenWithoutMargin(state.device)}`),
    same ? "" : details);
}

/** Return how often budgets were broken by the best measured networks, which promise no bound. */
function brokenWithoutMargin(device) {
  const rate = device.metrics.best_measured.violation_rate;
  return device.exact ? "" : `Of such answers, ${fixed(100 * rate, 0)} % broke their budget when they were measured again.`;
}

/** Return the answers of each method that were measured again: those that kept their budget, then those that broke it. */
function againSeries(device, x, y, look = {}) {
  const known = rowsOf(device.again).filter((row) => row[x] !== null && row[y] !== null);
  return Object.entries(METHODS).flatMap(([method, { name, ...usual }]) => {
    const points = (broken) => known.filter((row) => row.method === method && row.measured > row.budget === broken).map((row) => ({
      x: row[x], y: row[y],
      title: `${name} for ${own(row.budget, device)}, measured again: ${percent(row.test_accuracy)} on the test split, ${own(row.measured, device)}\n${row.architecture}`,
    }));
    const kept = { ...usual, ...look, name: `${name.toLowerCase()}, measured again`, kind: "points", rows: points(false) }, broken = points(true);
    return broken.length ? [kept, { ...kept, name: `${name.toLowerCase()}, budget broken`, shape: "cross", hollow: true, rows: broken }] : [kept];
  });
}

function frontierSpec(device, confidence, cost, most) {
  const steps = stepsOf(device.answers.find((candidate) => candidate.confidence === confidence).offers, cost, most);
  const points = (columns) => rowsOf(columns).map((row) => ({
    x: row.value, y: row.accuracy, title: `${percent(row.accuracy)}, ${own(row.value, device)}\n${row.architecture}`,
  }));
  const bounds = steps.map((row) => ({ x: row.bound, y: row.accuracy }));
  const ranges = { x: [...device.view.value], y: device.view.accuracy };
  const outside = device.measured.accuracy.filter((y, i) =>
    y < ranges.y[0] || device.measured.value[i] > ranges.x[1] || device.measured.value[i] < ranges.x[0]).length;
  const measured = outside ? `measured (${outside} outside of the picture)` : "measured";
  return {
    title: `Frontier on ${device.name}`,
    x: { label: `${device.quantity.words} or budget on ${device.name} (${device.quantity.unit})`, range: ranges.x },
    y: { label: "accuracy (%)", range: ranges.y },
    summary: frontierSummary(device, confidence, steps),
    series: [
      { name: measured, kind: "points", color: "measured", size: 3.2, rows: points(device.measured) },
      { name: "predicted frontier", kind: "points", color: "predicted", shape: "diamond", hollow: true, size: 3.4, rows: points(device.frontier) },
      { name: "best measured network, no margin", kind: "steps", color: "best-measured", rows: points(device.best_measured), until: ranges.x[1] },
      { name: "generator’s answer to each budget", kind: "steps", color: "generator", rows: bounds, until: ranges.x[1] },
      ...againSeries(device, "measured", "test_accuracy", { hollow: false, size: 3.6 }),
    ],
  };
}

function frontierSummary(device, confidence, steps) {
  const measured = `Accuracy over ${device.quantity.words} on ${device.name}: ${device.measured.accuracy.length} measured networks, and ${steps.length} answers at confidence ${confidence}`;
  if (!steps.length) return `${measured}.`;
  const first = steps[0], last = steps[steps.length - 1];
  return `${measured}, from ${percent(first.accuracy)} for a budget of ${own(first.bound, device)} `
    + `to ${percent(last.accuracy)} for ${own(last.bound, device)}.`;
}

/** Fill a fieldset with one radio button for each value. */
function segments(id, name, values, label, choose) {
  byId(id).replaceChildren(...values.map((value) => option("radio", name, label(value), value === state[name], () => choose(value))));
}

function jump(direction) {
  const bounds = steps().map((step) => step.bound), row = (answerTo(state.budget)?.row ?? -1) + direction;
  if (row >= 0 && row < bounds.length) setBudget(roundedUp(bounds[row], bounds[row + 1]));
}

function ask() {
  segments("devices", "device", data.devices, (device) => device.name, chooseDevice);
  byId("slider").addEventListener("input", (event) => setBudget(Number((event.target.value * grid.step).toFixed(grid.decimals))));
  byId("budget").addEventListener("input", (event) => { if (event.target.value > 0) setBudget(Number(event.target.value)); });
  byId("budget").addEventListener("change", () => { byId("budget").value = state.budget; });
  byId("limit-slider").max = LIMIT_STEPS;
  byId("limit-slider").addEventListener("input", (event) => slideMost(Number(event.target.value)));
  byId("most").addEventListener("input", (event) => { if (event.target.value > 0) setMost(Number(event.target.value)); });
  byId("most").addEventListener("change", () => { byId("most").value = state.most; });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("previous").addEventListener("click", () => jump(-1));
  byId("next").addEventListener("click", () => jump(1));
  chooseDevice(data.devices[0]);
  if (data.devices.length > 1) {
    byId("all-devices").before(element("h3", {}, "All devices"));
    byId("all-devices").append(...data.devices.map((device) => {
      const confidence = nearestConfidence(device, data.confidence);
      return chartFigure({ ...frontierSpec(device, confidence), text: `Answers at confidence ${confidence}.` });
    }));
  }
}

// ---- The answers, measured again ----

function measuredAgain() {
  const columns = [
    { name: "device", label: "Device", text: true },
    { name: "method", label: "Answered by", text: true, format: (method) => METHODS[method].name },
    { name: "hypervolume_ratio", label: "Hypervolume ratio", format: (value) => fixed(value, 4), best: "high" },
    { name: "mean_regret", label: "Mean regret (points)", format: (value) => fixed(value), best: "low" },
    { name: "max_regret", label: "Largest regret (points)", format: (value) => fixed(value), best: "low" },
    { name: "violations", label: "Budgets violated (%)", format: (value) => fixed(value, 1), best: "low" },
    { name: "overshoot_percent", label: "Overshoot (%)", format: (value) => fixed(value, 1) },
    { name: "use", label: "Budget used (%)", format: (value) => fixed(value, 1) },
  ];
  const rows = data.devices.flatMap((device) => Object.entries(device.metrics).map(([method, metrics]) => ({
    device: device.name, method, ...metrics, violations: 100 * metrics.violation_rate, use: 100 * metrics.budget_use,
  })));
  const asked = `the generator was asked at confidence ${data.confidence}`;
  byId("again-metrics").append(...[...data.failures, ...data.verdicts].map((sentence) => element("p", { class: "verdict" }, sentence)), sortableTable({
    caption: `Quality of the answers to the same budgets (${asked}). Regret: points of test accuracy below the best network known that holds the budget.`,
    columns, rows, group: "device",
  }));
  byId("again-charts").append(...data.devices.flatMap((device) => [againLatency(device), againAccuracy(device)]).map(chartFigure));
}


function againLatency(device) {
  const series = againSeries(device, "budget", "measured"), all = series.flatMap((one) => one.rows);
  return {
    title: `Does the budget hold on ${device.name}?`,
    text: `Above the dashed line the network is slower than its budget: a broken promise, drawn as a cross.${device.condition_again ? ` The machine was ${device.condition_again.state}.` : ""}`,
    x: { label: `budget (${device.quantity.unit})`, range: rangeOf(all.map(({ x }) => x)) },
    y: { label: `${device.quantity.words} on ${device.name} (${device.quantity.unit})`, range: rangeOf(all.flatMap(({ x, y }) => [x, y])) },
    series, diagonal: "the budget",
  };
}

function againAccuracy(device) {
  const series = againSeries(device, "budget", "test_accuracy"), all = series.flatMap((one) => one.rows);
  return {
    title: `What is it worth on ${device.name}?`,
    text: "Test accuracy of the network that each method gives for the budget.",
    x: { label: `budget (${device.quantity.unit})`, range: rangeOf(all.map(({ x }) => x)) },
    y: { label: "test accuracy (%)", range: rangeOf(all.map(({ y }) => y)) },
    series,
  };
}

// ---- The networks that were delivered ----

function delivered() {
  const networks = data.delivered;
  byId("delivered").hidden = document.querySelector('a[href="#delivered"]').hidden = !networks.length;
  const quantityOf = ({ device }) => data.devices.find(({ name }) => name === device).quantity;
  const columns = [
    { name: "folder", label: "Network", text: true, long: true },
    { name: "asked", label: "Asked", text: true },
    { name: "promised", label: "Promised", text: true },
    { name: "measured", label: "Measured", text: true },
    { name: "kept", label: "Held", text: true },
    { name: "about", label: "Statistic, condition", text: true },
    { name: "before", label: "Test accuracy before (%)", format: (value) => fixed(value) },
    { name: "after", label: "after fine-tuning (%)", format: (value) => fixed(value) },
    { name: "exported", label: "of the ONNX file (%)", format: (value) => fixed(value) },
  ];
  const rows = networks.map((network) => {
    const { unit } = quantityOf(network), { test_before: before, test: after, exported } = network.accuracy;
    const about = network.statistic ? `${network.statistic}, ${network.condition}` : "–";
    const [asked, promised, measured] = ["asked", "promised", "measured"].map((name) => (network[name] === null ? "failed" : amount(network[name], unit)));
    return { folder: network.folder, asked, promised, measured, kept: network.kept ? "yes" : "no", about, before, after, exported };
  });
  byId("delivered-table").append(sortableTable({ caption: "Timed once more when they were delivered.", columns, rows }));
}

// ---- The layers of the delivered networks ----

const signed = (value) => `${value < 0 ? "−" : "+"}${significant(Math.abs(value), 3)}`;

function layers() {
  byId("layers").hidden = byId("layers-link").hidden = !data.networks.length;
  const change = (words, device, other) => other && element("p", {},
    `${words}: ${signed(other.value)} ${device.quantity.unit}, ${signed(other.points)} points. ${other.changes.join("; ")}`);
  byId("layer-tables").append(...data.networks.map((network) => {
    const device = data.devices.find(({ name }) => name === network.device), rows = network.layers;
    const kept = network.kept ? "" : ", budget broken";
    return element("div", {},
      sortableTable({
        caption: `${network.device}, budget ${own(network.asked, device)}: measured ${own(network.measured, device)}${kept}; ${rows.length} of ${network.n_layers} layers`,
        columns: [
          { name: "layer", label: "Layer", text: true, long: true },
          { name: "operator", label: "Operator", text: true },
          { name: "ms", label: `Time (${device.quantity.unit})`, format: (value) => significant(value, 3) },
          { name: "share", label: "Share (%)", format: (value) => fixed(value, 1) },
        ],
        rows: rows.map((row) => ({ ...row, share: 100 * row.ms / network.measured })),
      }),
      network.elsewhere.length ? element("p", { class: "verdict" }, `Not where ${network.device} runs networks: ${network.elsewhere.join(", ")}`) : null,
      change("Next faster", device, network.faster),
      change("Next more accurate", device, network.better));
  }));
}

// ---- The search, the surrogates, the measurements, the stages ----

function searchCharts() {
  byId("search-charts").append(...data.devices.map(({ name, hypervolume }) => {
    const search = {
      name: `search (${data.strategy})`, kind: "steps", color: "generator",
      rows: hypervolume.evaluations.map((x, i) => ({ x, y: hypervolume.ratio[i] })),
    };
    const ends = search.rows.filter(({ x }) => hypervolume.rounds.includes(x));
    return chartFigure({
      title: `Hypervolume on ${name}`,
      x: { label: "evaluations (networks whose accuracy was read)", range: [0, Math.max(...search.rows.map(({ x }) => x)) * 1.03] },
      y: { label: "share of the hypervolume of all that was measured", range: rangeOf(search.rows.map(({ y }) => y)) },
      series: [search, { name: "end of a round", kind: "points", color: "generator", size: 3.5, rows: ends.map((row, i) => ({ ...row, title: `round ${i + 1}: ${fixed(row.y, 4)}` })) }],
    });
  }));
  byId("evolution-charts").append(...data.devices.map(({ name, evolution, quantity }) => chartFigure({
    title: `Evolution for ${name}`,
    x: { label: "generation", range: [0, Math.max(...evolution.generation, 1)] },
    y: { label: `hypervolume (points × ${quantity.unit})`, range: rangeOf(evolution.hypervolume) },
    series: [{ name: "of everything predicted so far", kind: "line", color: "predicted", rows: evolution.generation.map((x, i) => ({ x, y: evolution.hypervolume[i] })) }],
  })));
}

function predictions() {
  byId("supernet").hidden = !data.supernet;
  byId("supernet").textContent = data.supernet ?? "";
  const all = [
    { quantity: "accuracy", unit: "%", places: "points", prediction: data.prediction },
    ...data.devices.map(({ name, prediction, quantity: { words, unit } }) => ({ quantity: `${words} on ${name}`, unit, places: unit, prediction })),
  ];
  byId("prediction-charts").append(...all.map(({ quantity, unit, places, prediction }) => {
    const rows = prediction.measured.map((x, i) => ({ x, y: prediction.predicted[i] }));
    const range = rangeOf([...prediction.measured, ...prediction.predicted]);
    return chartFigure({
      title: capital(quantity),
      text: `Mean error ${significant(prediction.mean_error, 3)} ${places}; ${prediction.n} networks.`,
      x: { label: `measured (${unit})`, range },
      y: { label: `predicted (${unit})`, range },
      series: [{ name: "left out of the fit", kind: "points", color: "generator", faint: true, size: 3.2, rows }],
      diagonal: "equal",
    });
  }));
  byId("prediction-table").append(sortableTable({
    caption: "Errors of the surrogates on networks left out of their fits.",
    columns: [
      { name: "quantity", label: "Quantity", text: true },
      { name: "n", label: "Networks" },
      { name: "error", label: "Mean error", text: true },
      { name: "median_error_percent", label: "Median error (% of the value)", format: (value) => fixed(value) },
      { name: "kendall_tau", label: "Kendall’s τ of the order", format: (value) => fixed(value, 3) },
    ],
    rows: all.map(({ quantity, places, prediction }) => ({ quantity, ...prediction, error: `${significant(prediction.mean_error, 3)} ${places}` })),
  }));
}

function measurements() {
  const columns = [
    { name: "architecture", label: "Architecture", text: true, long: true },
    { name: "round", label: "Round", format: (round) => String(round + 1) },
    { name: "accuracy", label: "Accuracy (%)", format: (value) => fixed(value) },
    ...(data.measurements.standard_error ? [{ name: "standard_error", label: "Its standard error (points)", format: (value) => fixed(value) }] : []),
    ...data.devices.map(({ name, quantity: { name: quantity, words, unit } }) => ({ name: `${quantity}_${name}`, label: `${capital(words)} on ${name} (${unit})`, format: (value) => significant(value) })),
  ];
  const rows = rowsOf(data.measurements);
  byId("measurements").append(sortableTable({ caption: `The ${rows.length} evaluations of the search.`, columns, rows }));
}

const duration = (s) => (s >= 90 ? `${fixed(s / 60, 1)} min` : `${significant(s, 2)} s`);

function stages() {
  const rows = rowsOf(data.stages), total = rows.reduce((sum, row) => sum + row.wall_s, 0);
  barChart(byId("stage-chart"), {
    title: `${duration(total)} in all, of every job by itself`,
    summary: rows.map((row) => `${row.stage} ${duration(row.wall_s)}`).join(", "),
    rows: rows.slice(0, 14).map((row) => ({ name: row.stage, value: row.wall_s, text: duration(row.wall_s) })),
  });
  byId("stage-table").append(sortableTable({
    caption: "Sums over the jobs of each stage, from Snakemake’s benchmark files; memory is the most that one job held.",
    columns: [
      { name: "stage", label: "Stage", text: true },
      { name: "jobs", label: "Jobs" },
      { name: "wall_s", label: "Time (s)", format: (value) => fixed(value, 1) },
      { name: "cpu_s", label: "Processor time (s)", format: (value) => fixed(value, 1) },
      { name: "memory_mb", label: "Memory (MB)", format: (value) => fixed(value, 0) },
    ],
    rows,
  }));
}

function origin() {
  const facts = (caption, entries) => sortableTable({
    caption, columns: [{ name: "what", label: "What", text: true }, { name: "value", label: "Value", text: true, long: true }],
    rows: entries.map(([what, value]) => ({ what, value: String(value) })),
  });
  byId("machine").append(facts("The experiment and the machine that distilled the generator.", [
    ["experiment", data.experiment], ["seed", data.seed], ["space", `${data.space.name}, ${data.space.size} architectures`],
    ["accuracies from", data.evaluator], ["strategy", data.strategy], ["effort", `${data.effort}, in ${data.rounds} rounds`],
    ...data.devices.map(({ name, backend }) => [`device ${name}`, backend]),
    ...Object.entries(data.machine),
  ]));
  byId("versions").append(facts("Versions of the packages.", Object.entries(data.versions)));
  byId("config").textContent = JSON.stringify(data.config, null, 2);
}

function lead() {
  const devices = data.devices.map(({ name }) => name).join(" and ");
  byId("experiment").textContent = data.experiment;
  byId("lead").textContent = `nagevo measured ${data.evaluations} of the ${data.space.size} architectures of ${data.space.name} and learned which one `
    + `to deploy for any budget on ${devices}. Choose a budget; the answer is the one that nagevo generate gives.`;
}

themeButton(byId("theme"));
lead();
ask();
measuredAgain();
delivered();
layers();
searchCharts();
predictions();
measurements();
stages();
origin();
document.documentElement.dataset.ready = "true";
