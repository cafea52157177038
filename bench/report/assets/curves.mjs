// Curves over the generations, with the current one marked.

import { report, chainOf, meanOf, value, kept } from "viewer/data";
import { byId, counted, element, show } from "viewer/format";
import { shape } from "viewer/marks";
import { state, change, rightGeneration, showLeft, lastGeneration } from "viewer/state";

const CHARTS = [["psnr", "PSNR", "dB"], ["ms_ssim_db", "MS-SSIM", "dB"], ["bpp", "Rate", "bits per pixel"], ["delta_e", "Colour ΔE", "CIEDE2000"]];
const [W, H, RIGHT, TOP, BOTTOM] = [340, 220, 12, 12, 26];
const [LEAST_LEFT, LETTER] = [44, 6.5]; // room for the labels of the axis, and of one of their letters

/** What the figures are taken from at an operating point: a chain, or the means. */
export const seriesOf = (point) =>
  state.scope === "mean" ? meanOf(report.images[state.image].dataset, point) : chainOf(state.image, point);

/** Draw all charts and the legend. */
export function draw(changed) {
  if (!["image", "left", "right", "generation", "right-generation", "scope"].some((name) => changed.has(name))) return;
  const all = report.points.map((point, i) => ({ ...point, i, series: seriesOf(i) })).filter((one) => one.series);
  // The chosen ones are drawn last, on top.
  all.sort((a, b) => chosen(a.i) - chosen(b.i));
  const last = Math.max(1, ...all.map((one) => one.series.last));
  byId("curves").replaceChildren(...CHARTS.map((what) => chart(what, all, last)));
  byId("legend").replaceChildren(...[...all].sort((a, b) => a.i - b.i).map(entry));
  byId("scope-note").textContent = scopeNote(all);
}

const chosen = (point) => (point === state.left ? 2 : point === state.right && rightGeneration() > 0 ? 1 : 0);

function scopeNote(all) {
  const { dataset, name } = report.images[state.image];
  const carriers = [...new Set(all.map((one) => one.carrier))].map((c) => (c === "uint8" ? "8-bit RGB" : c)).join(" and ");
  const between = `carrier between generations: ${carriers}`;
  if (state.scope === "image") return `${dataset}, ${name}; ${between}.`;
  return all.length ? `${dataset}, ${counted(all.map((one) => one.series))} that all codecs coded; ${report.average}; ${between}.`
    : `${dataset}: no image was coded by all codecs, so there is no mean to compare.`;
}

function chart([name, title, unit], all, last) {
  const finite = all.flatMap((one) => range(one, name)).filter((v) => Number.isFinite(v));
  const [low, high, step] = axis(Math.min(...finite), Math.max(...finite), name === "bpp" || name === "delta_e");
  const digits = finite.length ? Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) : 0;
  const left = Math.max(LEAST_LEFT, ...finite.length ? [low, high].map((v) => 8 + LETTER * v.toFixed(digits).length) : []);
  const x = (n) => left + ((n - 1) / Math.max(1, last - 1)) * (W - left - RIGHT);
  const y = (v) => (v === Infinity ? TOP : H - BOTTOM - ((v - low) / (high - low)) * (H - TOP - BOTTOM));
  const said = sides().map(([side, point, n]) => `${side} ${show(name, value(seriesOf(point), n, name))} at generation ${n}`);
  const svg = element("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": `${title} (${unit}): ${said.join(", ")}` });
  if (!finite.length) {
    svg.append(element("text", { x: W / 2, y: H / 2, class: "middle", text: "no values" }));
  } else {
    for (let v = low; v <= high + step / 2; v += step) {
      svg.append(element("line", { class: "grid", x1: left, x2: W - RIGHT, y1: y(v), y2: y(v) }));
      svg.append(element("text", { class: "end", x: left - 5, y: y(v) + 3.5, text: v.toFixed(digits) }));
    }
    for (const n of xTicks(last)) svg.append(element("text", { class: "middle", x: x(n), y: H - 9, text: n }));
    const now = Math.max(1, state.generation);
    if (now <= last) svg.append(element("line", { class: "now", x1: x(now), x2: x(now), y1: TOP, y2: H - BOTTOM }));
    all.forEach((one) => svg.append(curve(one, name, x, y)));
    for (const [side, point, n] of sides()) {
      const v = value(seriesOf(point), n, name);
      if (v !== null) svg.append(element("circle", { class: `dot ${side}`, cx: x(n), cy: y(v), r: 4.5, style: `--codec: ${report.points[point].color}` }));
    }
  }
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * W;
    const n = Math.round(1 + ((at - left) / (W - left - RIGHT)) * (last - 1));
    change({ generation: Math.min(lastGeneration(), Math.max(1, n)) });
  });
  const now = sides().map(([side, point, n]) => element("span", { class: `side ${side}`, text: show(name, value(seriesOf(point), n, name)) }));
  const heading = element("figcaption", {}, element("strong", { text: title }), ` ${unit}`, element("span", { class: "now-values" }, ...now));
  return element("figure", { class: "chart", "data-metric": name }, heading, svg);
}

const sides = () => [["left", state.left, state.generation], ["right", state.right, rightGeneration()]].filter(([, , n]) => n > 0);
const range = (one, name) => Array.from({ length: one.series.last }, (_, i) => value(one.series, i + 1, name)).filter((v) => v !== null);

function curve(one, name, x, y) {
  const group = element("g", { class: `curve ${chosen(one.i) ? "chosen" : ""}`, style: `--codec: ${one.color}` }, element("title", { text: one.label }));
  const at = (n) => value(one.series, n, name);
  const finite = (n) => at(n) !== null && Number.isFinite(at(n));
  const runs = [[]];
  for (let n = 1; n <= one.series.last; n++) {
    if (finite(n)) runs.at(-1).push(`${x(n).toFixed(1)},${y(at(n)).toFixed(1)}`);
    else if (runs.at(-1).length) runs.push([]);
  }
  for (const run of runs) {
    if (run.length) group.append(element("polyline", { points: run.join(" "), "stroke-dasharray": one.dash || null }));
  }
  // Marks where there are pixels to be seen, and what no line shows: a value without neighbours, and where equal pictures
  // begin and end, whose PSNR is infinite: a triangle at the top.
  const numbers = new Set(state.scope === "image" ? kept(state.image, one.series) : xTicks(one.series.last));
  for (let n = 1; n <= one.series.last; n++) {
    const alone = (is) => is(n) && !(is(n - 1) && is(n + 1));
    if (alone((m) => at(m) === Infinity) || (finite(n) && !finite(n - 1) && !finite(n + 1))) numbers.add(n);
  }
  for (const n of numbers) {
    const v = value(one.series, n, name);
    if (v !== null) group.append(element("path", { d: shape(v === Infinity ? "^" : one.marker), transform: `translate(${x(n).toFixed(1)} ${y(v).toFixed(1)}) scale(.8)` }));
  }
  return group;
}

/** Low, high and step of an axis with about four steps, on round numbers. */
function axis(low, high, fromZero) {
  if (fromZero) low = Math.min(0, low);
  const span = high - low || Math.abs(high) * 0.1 || 1;
  const rough = span / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  return [Math.floor(low / step + 1e-9) * step, Math.ceil((high === low ? low + span : high) / step - 1e-9) * step, step];
}

function xTicks(last) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((s) => last / s <= 6) ?? 1000;
  return [1, ...Array.from({ length: Math.floor(last / step) }, (_, i) => (i + 1) * step)].filter((n, i) => i === 0 || n > step / 2 && n > 1);
}

function entry(one) {
  const svg = element("svg", { viewBox: "0 0 36 12", width: 36, height: 12, "aria-hidden": "true" },
    element("g", { class: "curve chosen", style: `--codec: ${one.color}` },
      element("polyline", { points: "1,6 35,6", "stroke-dasharray": one.dash || null }), element("path", { d: shape(one.marker), transform: "translate(18 6)" })));
  const where = [one.i === state.left && "left", one.i === state.right && rightGeneration() > 0 && "right"].filter(Boolean);
  const button = element("button", { type: "button", title: "Show it on the left; with Shift on the right", "aria-pressed": String(one.i === state.left) }, svg, one.label,
    ...where.map((side) => element("span", { class: `side ${side}`, text: side })));
  button.addEventListener("click", (event) => (event.shiftKey ? change({ right: one.i }) : showLeft(one.i)));
  return element("li", {}, button);
}
