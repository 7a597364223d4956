"use strict";

// Legends: a method is hidden in every figure at once; while a button is pointed at, the others fade.
const drawn = [...document.querySelectorAll("svg [data-method]")];
const buttons = [...document.querySelectorAll(".legend [data-method]")];

function show(method, visible) {
  for (const button of buttons) if (button.dataset.method === method) button.ariaPressed = String(visible);
  for (const lines of drawn) if (lines.dataset.method === method) lines.style.display = visible ? "" : "none";
}

function fade(method) {
  for (const lines of drawn) {
    lines.classList.toggle("pale", method !== null && lines.dataset.method !== method);
    lines.classList.toggle("lit", lines.dataset.method === method);
  }
}

const isVisible = (method) => !buttons.some((one) => one.dataset.method === String(method) && one.ariaPressed === "false");

for (const button of buttons) {
  button.addEventListener("click", () => show(button.dataset.method, button.ariaPressed !== "true"));
  for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => fade(button.dataset.method));
  for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => fade(null));
}
for (const every of document.querySelectorAll("[data-every]")) {
  every.addEventListener("click", () => buttons.forEach((one) => show(one.dataset.method, every.dataset.every === "show")));
}

// Panels: values at the place that is pointed at, or that the arrow keys have gone to.
const panels = JSON.parse(document.getElementById("values").textContent);

function written(value) {
  const [size, unit] = [[1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([least]) => Math.abs(value) >= least) ?? [1, ""];
  return unit ? Number((value / size).toPrecision(3)) + unit : value.toFixed(2);
}

function nearest(places, x) {
  let best = 0;
  for (let i = 1; i < places.length; i++) if (Math.abs(places[i] - x) < Math.abs(places[best] - x)) best = i;
  return best;
}

function at(panel, x) {
  const step = (panel.x[1] - panel.x[0]) / 50;
  return panel.lines
    .filter((line) => isVisible(line.method) && x >= line.x[0] - step && x <= line.x.at(-1) + step)
    .map((line) => ({ line, i: nearest(line.x, x) }))
    .sort((one, other) => other.line.y[other.i] - one.line.y[one.i]);
}

function row({ line, i }) {
  const name = document.createElement("span");
  const value = document.createElement("span");
  const whole = document.createElement("div");
  const bounds = line.low ? ` [${written(line.low[i])}, ${written(line.high[i])}]` : "";
  name.textContent = line.name;
  value.textContent = ` ${written(line.y[i])}${bounds}`;
  whole.className = `m${line.method}`;
  whole.append(name, value);
  return whole;
}

function ask(plot, share) {
  const panel = panels[plot.dataset.panel];
  const values = plot.querySelector(".values");
  const cursor = plot.querySelector(".cursor");
  const [left, right] = panel.place;
  const x = panel.x[0] + share * (panel.x[1] - panel.x[0]);
  const place = left + share * (right - left);
  const head = document.createElement("b");
  head.textContent = `${written(x)} ${panel.title}`;
  const found = at(panel, x);
  values.replaceChildren(head, ...found.map(row));
  values.classList.toggle("below", found.length > 8);
  values.hidden = false;
  values.style.left = place < 0.5 ? "auto" : `${100 * left + 1}%`;
  values.style.right = place < 0.5 ? `${100 * (1 - right) + 1}%` : "auto";
  cursor.setAttribute("transform", `translate(${place * cursor.ownerSVGElement.viewBox.baseVal.width} 0)`);
  plot.classList.add("asked");
  plot.dataset.share = share;
}

function leave(plot) {
  plot.classList.remove("asked");
  plot.querySelector(".values").hidden = true;
}

function point(plot, event) {
  const [left, right] = panels[plot.dataset.panel].place;
  const box = plot.querySelector("svg").getBoundingClientRect();
  const share = ((event.clientX - box.left) / box.width - left) / (right - left);
  ask(plot, Math.min(1, Math.max(0, share)));
}

const MOVES = { ArrowLeft: (s) => s - 0.02, ArrowRight: (s) => s + 0.02, Home: () => 0, End: () => 1 };

for (const plot of document.querySelectorAll(".plot")) {
  plot.addEventListener("pointermove", (event) => point(plot, event));
  plot.addEventListener("pointerdown", (event) => point(plot, event));
  plot.addEventListener("pointerleave", () => leave(plot));
  plot.addEventListener("blur", () => leave(plot));
  plot.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leave(plot);
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    ask(plot, Math.min(1, Math.max(0, move(Number(plot.dataset.share ?? 1)))));
  });
}

// Tables: a click on a heading sorts by its column, a second one the other way round; numbers begin with the largest.
function compare(one, other) {
  if (one === undefined || other === undefined) return (one === undefined) - (other === undefined);
  const [a, b] = [Number(one), Number(other)];
  return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other) : a - b;
}

function sort(heading) {
  const table = heading.closest("table");
  const column = heading.cellIndex;
  const text = (cell) => (cell.textContent === "\u2013" ? undefined : cell.textContent);
  const key = (row) => row.cells[column].dataset.key ?? text(row.cells[column]);
  const first = heading.classList.contains("number") ? "descending" : "ascending";
  const order = heading.ariaSort === null ? first : heading.ariaSort === "ascending" ? "descending" : "ascending";
  for (const other of heading.parentElement.cells) other.ariaSort = null;
  heading.ariaSort = order;
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  // What is not known stays at the end, whichever way round.
  rows.sort((one, other) => {
    const [a, b] = [key(one), key(other)];
    return a === undefined || b === undefined ? compare(a, b) : sign * compare(a, b);
  });
  table.tBodies[0].append(...rows);
}

for (const heading of document.querySelectorAll(".sorts thead th")) {
  heading.querySelector("button").addEventListener("click", () => sort(heading));
}
