"use strict";
// What every page shares: elements, numbers, the theme, copying, and tables that can be sorted.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

/** Return an element with attributes and children; texts stay texts. */
function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Return an SVG element with attributes and children. */
function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Return a radio button or a checkbox with its label; `change` is called when it is pressed. */
function option(type, name, label, checked, change) {
  return element("label", {}, element("input", { type, name, value: label, checked, change }), element("span", {}, label));
}

/** Return a number with so many significant digits, without an exponent. */
function significant(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { minimumFractionDigits: Math.min(decimals, 12), maximumFractionDigits: Math.min(decimals, 12) });
}

/** Return a number with so many decimals. */
function fixed(value, decimals = 2) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const percent = (value) => `${fixed(value)} %`;
const amount = (value, unit) => (unit ? `${significant(value)} ${unit}` : count(value));

/** Return a count in thousands or millions. */
function count(value) {
  if (value >= 1e9) return `${significant(value / 1e9, 3)} G`;
  if (value >= 1e6) return `${significant(value / 1e6, 3)} M`;
  if (value >= 1e4) return `${significant(value / 1e3, 3)} k`;
  return value.toLocaleString("en-US");
}

/** Return the rows of a table that is given by its columns. */
function rowsOf(columns) {
  const names = Object.keys(columns);
  return names.length ? columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]]))) : [];
}

/** Let a button switch between the theme of the system, light and dark; the choice is kept where the browser allows. */
function themeButton(button) {
  const themes = ["auto", "light", "dark"];
  const stored = () => { try { return localStorage.getItem("nagevo-theme"); } catch { return null; } };
  let theme = themes.includes(stored()) ? stored() : "auto";
  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
  };
  button.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("nagevo-theme", theme); } catch { /* pages from disk may have no storage */ }
    apply();
  });
  apply();
}

/** Copy a text; where the clipboard is closed to pages, through a selection. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { class: "visually-hidden" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/** Return the words of a text so that lines break between them, and inside one only where it is too long. */
function unbroken(text) {
  return text.split(" ").flatMap((word, i) => [i ? " " : "", element("span", { class: "word" }, word)]);
}

/** Return a line of code with a button that copies it. */
function codeLine(text, what) {
  const button = element("button", { type: "button", "aria-label": `Copy the ${what}` }, "Copy");
  button.addEventListener("click", async () => {
    await copy(text);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return element("div", { class: "code" }, element("code", {}, ...unbroken(text)), button);
}

/**
 * Return a table whose columns can be sorted by the buttons in its head.
 *
 * `columns` have `name`, `label`, and perhaps `format` (from value and row to text), `text` (left-aligned), `long` (may wrap)
 * and `best` ("high" or "low": the best value of the table, or of its `group`, is set off).
 */
function sortableTable({ caption, columns, rows, group }) {
  const body = element("tbody");
  const best = bestValues(columns, rows, group);
  const cell = (row, column) => {
    const value = row[column.name];
    const isBest = column.best && value === best.get(`${group ? row[group] : ""}/${column.name}`);
    const classes = [column.text && "text", column.long && "long", isBest && "best"].filter(Boolean).join(" ");
    const text = column.format && value !== null && value !== undefined ? column.format(value, row) : (value ?? "–");
    return element(column === columns[0] ? "th" : "td", { class: classes || null, scope: column === columns[0] ? "row" : null }, String(text));
  };
  const fill = (sorted) => body.replaceChildren(...sorted.map((row) => element("tr", {}, ...columns.map((column) => cell(row, column)))));
  const heads = columns.map((column) => {
    const head = element("th", { scope: "col", class: column.text ? "text" : null, "aria-sort": "none" });
    head.append(element("button", { type: "button", click: () => sort(column, head) }, column.label));
    return head;
  });
  function sort(column, head) {
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.setAttribute("aria-sort", other === head ? direction : "none"));
    const sign = direction === "ascending" ? 1 : -1;
    fill([...rows].sort((a, b) => sign * compared(a[column.name], b[column.name])));
  }
  fill(rows);
  const table = element("table", {}, element("caption", {}, element("span", {}, caption)), element("thead", {}, element("tr", {}, ...heads)), body);
  return element("div", { class: "table", role: "region", "aria-label": caption, tabindex: 0 }, table);
}

/** Order values; what is absent comes last when ascending. */
function compared(a, b) {
  if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
  if (b === null || b === undefined) return -1;
  return typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b;
}

function bestValues(columns, rows, group) {
  const best = new Map();
  for (const column of columns.filter((candidate) => candidate.best)) {
    for (const row of rows) {
      const key = `${group ? row[group] : ""}/${column.name}`, value = row[column.name], known = best.get(key);
      if (value === null || value === undefined) continue;
      if (known === undefined || (column.best === "high" ? value > known : value < known)) best.set(key, value);
    }
  }
  return best;
}
