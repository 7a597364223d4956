"use strict";

const episodes = JSON.parse(document.getElementById("values").textContent);
const find = (id) => document.getElementById(id);
const slider = find("step");
const choices = [...document.querySelectorAll(".choice button")];
const sections = [...document.querySelectorAll(".episode")];
const state = { episode: 0, step: 0, timer: null };

const LEFT = 88; // room for the names of rows
const BELOW = 20; // and for the numbers of steps
const TOP = 4;
const HEAD = 16; // and for the name of a group, above it

const here = () => episodes[state.episode];
const figures = () => [...sections[state.episode].querySelectorAll(".plot")];

// Numbers: 16 bits each, between the least and the most of their panel.
function valuesOf(panel) {
  if (!panel.values) {
    const bytes = Uint8Array.from(atob(panel.data), (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const scale = (panel.high - panel.low) / 65535;
    panel.values = Float32Array.from({ length: bytes.length / 2 }, (_, i) => panel.low + scale * view.getUint16(2 * i, true));
  }
  return panel.values;
}

const written = (value) => (Math.abs(value) < 0.005 ? "0.00" : value.toFixed(2)); // no -0.00

// A panel's cells as a grid of groups of rows: over time a column is a step, in a picture it is an entry.
function grid(panel) {
  const [steps, groups, rows, columns] = panel.shape;
  const size = groups * rows;
  if (panel.across) {
    return { groups, rows, columns, at: (group, row, column) => ((state.step * groups + group) * rows + row) * columns + column };
  }
  return { groups, rows, columns: steps, at: (group, row, column) => column * size + group * rows + row };
}

function place(panel, group, row, column) {
  const name = panel.names[row] ?? (panel.rows ? `${panel.rows} ${row}` : "");
  const across = panel.across ? `${panel.across} ${column}` : "";
  return [panel.groups[group], name, across].filter(Boolean).join(", ");
}

// Colours: nothing is pale, the most is strong; below zero it is orange.
function palette() {
  const style = getComputedStyle(document.documentElement);
  const hex = (name) => [1, 3, 5].map((i) => parseInt(style.getPropertyValue(name).trim().slice(i, i + 2), 16));
  const triple = (name) => style.getPropertyValue(name).trim().split(/\s+/).map(Number);
  return { zero: hex("--grid"), above: triple("--blue"), below: triple("--orange"), text: style.getPropertyValue("--text"), soft: style.getPropertyValue("--soft") };
}

function layout(panel, width) {
  const { groups, rows, columns } = grid(panel);
  const lines = groups * rows;
  const least = panel.names.length ? 13 : lines <= 40 ? 7 : 0.25;
  const height = Math.max(least, Math.min(16, Math.max(220 / lines, 90 / rows)));
  const inside = width - LEFT - 8;
  const cell = panel.across ? Math.min(14, inside / columns) : inside / columns;
  const head = groups > 1 && rows > 1 ? HEAD : 0;
  const gap = groups > 1 && rows === 1 ? 1 : 0;
  const top = (group) => TOP + head + group * (rows * height + head + gap);
  return { groups, rows, columns, height, cell, head, top, bottom: top(groups - 1) + rows * height };
}

function paint(plot) {
  const panel = here().panels[plot.dataset.panel];
  const canvas = plot.querySelector("canvas");
  const width = plot.clientWidth;
  if (!width) return;
  const ratio = window.devicePixelRatio || 1;
  const form = layout(panel, width);
  const height = form.bottom + BELOW;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const colours = palette();
  for (let group = 0; group < form.groups; group++) paintGroup(context, panel, form, group, colours);
  label(context, panel, form, colours);
}

function paintGroup(context, panel, form, group, colours) {
  const values = valuesOf(panel);
  const { at } = grid(panel);
  const most = Math.max(-panel.low, panel.high);
  const image = new ImageData(form.columns, form.rows);
  for (let row = 0; row < form.rows; row++) {
    for (let column = 0; column < form.columns; column++) {
      const value = values[at(group, row, column)];
      const share = Math.min(1, Math.abs(value) / most);
      const ink = value < 0 ? colours.below : colours.above;
      const mixed = colours.zero.map((zero, i) => zero + (ink[i] - zero) * share);
      image.data.set([...mixed, 255], 4 * (row * form.columns + column));
    }
  }
  const small = new OffscreenCanvas(form.columns, form.rows);
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, LEFT, form.top(group), form.cell * form.columns, form.height * form.rows);
  if (form.height < 6 || form.cell < 6) return;
  context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--surface");
  context.beginPath();
  for (let row = 1; row < form.rows; row++) line(context, LEFT, form.top(group) + row * form.height, form.cell * form.columns, 0);
  for (let column = 1; column < form.columns; column++) line(context, LEFT + column * form.cell, form.top(group), 0, form.rows * form.height);
  context.stroke();
}

function line(context, x, y, across, down) {
  context.moveTo(x, y);
  context.lineTo(x + across, y + down);
}

function label(context, panel, form, colours) {
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = colours.soft;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (let group = 0; group < form.groups; group++) {
    if (form.head) heading(context, panel.groups[group], form.top(group) - form.head / 2);
    const every = Math.ceil(13 / form.height);
    const one = form.rows === 1 || every > form.rows;
    for (let row = 0; row < form.rows && !one; row += every) {
      const name = panel.names[row] ?? (panel.rows ? `${panel.rows} ${row}` : "");
      context.fillText(short(name), LEFT - 6, form.top(group) + (row + 0.5) * form.height);
    }
    if (one && !form.head) context.fillText(short(panel.groups[group] || panel.names[0] || ""), LEFT - 6, form.top(group) + (form.rows * form.height) / 2);
  }
  context.textAlign = "center";
  const every = Math.ceil(30 / form.cell);
  for (let column = 0; column < form.columns; column += every) {
    context.fillText(String(column), LEFT + (column + 0.5) * form.cell, form.bottom + 11);
  }
  context.textAlign = "right";
  context.fillText(panel.across ? short(panel.across) : "step", LEFT - 6, form.bottom + 11);
}

function heading(context, name, y) {
  context.textAlign = "left";
  context.fillText(name, LEFT, y);
  context.textAlign = "right";
}

const short = (name) => (name.length > 13 ? `${name.slice(0, 12)}\u2026` : name);

// The step that is shown, in every figure.
function mark(plot) {
  const panel = here().panels[plot.dataset.panel];
  const marker = plot.querySelector(".marker");
  marker.hidden = Boolean(panel.across);
  if (panel.across) return;
  const form = layout(panel, plot.clientWidth);
  const width = Math.max(form.cell, 3);
  marker.style.left = `${LEFT + (state.step + 0.5) * form.cell - width / 2 - 1}px`;
  marker.style.width = `${width + 2}px`;
  marker.style.top = `${TOP - 3}px`;
  marker.style.height = `${form.bottom - TOP + 6}px`;
}

function peak(plot) {
  const panel = here().panels[plot.dataset.panel];
  const { groups, rows, columns, at } = grid(panel);
  const values = valuesOf(panel);
  let best = { value: 0 };
  for (let group = 0; group < groups; group++) {
    for (let row = 0; row < rows; row++) {
      for (let column = panel.across ? 0 : state.step; column < (panel.across ? columns : state.step + 1); column++) {
        const value = values[at(group, row, column)];
        if (Math.abs(value) > Math.abs(best.value)) best = { value, group, row, column };
      }
    }
  }
  const alone = groups * rows === 1 && !panel.across;
  const most = best.group === undefined || alone ? written(best.value) : `${place(panel, best.group, best.row, best.column)} (${written(best.value)})`;
  plot.parentElement.querySelector(".peak").textContent = `Now${alone ? "" : " most"}: ${most}`;
}

function show() {
  const { steps, scenes, sees, does, gets, expects } = here();
  slider.max = steps - 1;
  slider.value = state.step;
  find("where").textContent = `step ${state.step} of ${steps - 1}`;
  slider.ariaValueText = `step ${state.step}: ${does[state.step]}`;
  const words = { sees: sees[state.step] ?? "", does: does[state.step], gets: gets[state.step], expects: expects[state.step] };
  for (const [name, text] of Object.entries(words)) {
    find(name).textContent = text;
    for (const part of [find(name).parentElement, find(name).parentElement.previousElementSibling]) part.hidden = !text;
  }
  const scene = scenes.each[scenes.at[state.step]];
  find("image").hidden = scene === undefined || scenes.kind !== "image";
  find("text").hidden = scene === undefined || scenes.kind !== "text";
  if (!find("image").hidden) {
    find("image").src = scene;
    find("image").alt = `The environment at step ${state.step}.`;
  }
  find("text").textContent = find("text").hidden ? "" : scene;
  for (const plot of figures()) {
    if (plot.classList.contains("picture")) paint(plot);
    mark(plot);
    peak(plot);
  }
}

function go(step) {
  state.step = Math.min(here().steps - 1, Math.max(0, step));
  show();
  history.replaceState(null, "", `#episode=${state.episode + 1}&step=${state.step}`);
}

function choose(episode) {
  state.episode = Math.min(episodes.length - 1, Math.max(0, episode));
  choices.forEach((button, i) => (button.ariaPressed = String(i === state.episode)));
  sections.forEach((section, i) => (section.hidden = i !== state.episode));
  repaint();
}

function repaint() {
  figures().forEach(paint);
  show();
}

// Playing: an episode takes about eight seconds, but no step is faster than a blink or slower than half a second.
function pause() {
  clearInterval(state.timer);
  state.timer = null;
  find("play").textContent = "Play";
}

function play() {
  if (state.timer !== null) return pause();
  if (state.step === here().steps - 1) go(0);
  find("play").textContent = "Pause";
  state.timer = setInterval(() => {
    go(state.step + 1);
    if (state.step === here().steps - 1) pause();
  }, Math.min(500, Math.max(60, 8000 / here().steps)));
}

const MOVES = { ArrowLeft: () => state.step - 1, ArrowRight: () => state.step + 1, Home: () => 0, End: () => here().steps - 1 };

document.addEventListener("keydown", (event) => {
  if (event.target === slider || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === " " && event.target.tagName !== "BUTTON" && event.target.tagName !== "SUMMARY") {
    event.preventDefault();
    play();
  }
  if (!MOVES[event.key]) return;
  event.preventDefault();
  pause();
  go(MOVES[event.key]());
});
slider.addEventListener("input", () => {
  pause();
  go(Number(slider.value));
});
find("play").addEventListener("click", play);
find("back").addEventListener("click", () => (pause(), go(state.step - 1)));
find("on").addEventListener("click", () => (pause(), go(state.step + 1)));
choices.forEach((button, i) => button.addEventListener("click", () => (pause(), choose(i), go(0))));

// Values of the cell that is pointed at; a click goes to its step.
function cellAt(plot, event) {
  const panel = here().panels[plot.dataset.panel];
  const form = layout(panel, plot.clientWidth);
  const box = plot.querySelector("canvas").getBoundingClientRect();
  const [x, y] = [event.clientX - box.left - LEFT, event.clientY - box.top];
  const column = Math.floor(x / form.cell);
  const group = Array.from({ length: form.groups }, (_, i) => i).findLast((i) => y >= form.top(i)) ?? -1;
  const row = Math.floor((y - form.top(group)) / form.height);
  const inside = column >= 0 && column < form.columns && group >= 0 && group < form.groups && row >= 0 && row < form.rows;
  return inside ? { panel, group, row, column, left: x < box.width / 2 } : null;
}

function tell(plot, event) {
  const cell = cellAt(plot, event);
  const values = plot.querySelector(".values");
  values.hidden = cell === null;
  if (cell === null) return;
  const { panel, group, row, column } = cell;
  const step = panel.across ? state.step : column;
  const where = place(panel, group, row, column);
  values.textContent = `step ${step}${where ? `, ${where}` : ""}: ${written(valuesOf(panel)[grid(panel).at(group, row, column)])}`;
  values.style.left = cell.left ? "auto" : `${LEFT}px`;
  values.style.right = cell.left ? "0.5rem" : "auto";
}

for (const plot of document.querySelectorAll(".plot")) {
  plot.addEventListener("pointermove", (event) => tell(plot, event));
  plot.addEventListener("pointerleave", () => (plot.querySelector(".values").hidden = true));
  plot.addEventListener("click", (event) => {
    const cell = cellAt(plot, event);
    if (cell === null || cell.panel.across) return;
    pause();
    go(cell.column);
  });
}

// An address may name an episode and a step: #episode=2&step=10.
function follow() {
  const asked = new URLSearchParams(location.hash.slice(1));
  choose(Number(asked.get("episode") ?? 1) - 1 || 0);
  state.step = Math.min(here().steps - 1, Math.max(0, Math.round(Number(asked.get("step"))) || 0));
  show();
}

for (const folded of document.querySelectorAll(".episode details")) folded.addEventListener("toggle", repaint);
addEventListener("resize", repaint);
addEventListener("hashchange", follow);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
follow();
