// The pictures: left and right, beside each other, one wiped over the other, or their difference.

import { report, pair, picture, chainOf, kept, value } from "viewer/data";
import { drawDifference } from "viewer/difference";
import { byId, element, show, zoomText } from "viewer/format";
import { gestures } from "viewer/gestures";
import { load, prefetch } from "viewer/pictures";
import { state, change, rightGeneration } from "viewer/state";
import { place, scaleOf, zoomed } from "viewer/view";

const SIDES = ["left", "right"];
const ports = { left: byId("port-left"), right: byId("port-right") };
const layers = Object.fromEntries([...SIDES, "difference"].map((name) => [name, layer(name)]));
const message = { left: element("p", { class: "message" }), right: element("p", { class: "message" }) };
const handle = element("div", {
  id: "wipe", "data-handle": "", role: "slider", tabindex: "0", "aria-label": "Wipe", "aria-valuemin": 0, "aria-valuemax": 100,
});
let drawn = 0;
let shown = {};

function layer(name) {
  const canvas = element("canvas", { role: "img", width: 1, height: 1 });
  return element("div", { class: "layer", id: `layer-${name}` }, canvas);
}
const canvasOf = (name) => layers[name].firstChild;

/** Width and height of the frame that both sides lie in, so that they have one scale; of the image where neither is there. */
export function size() {
  const there = Object.values(shown.pictures ?? {});
  if (there.length) return ["width", "height"].map((side) => Math.max(...there.map((one) => one[side])));
  const { width, height } = report.images[state.image];
  return width ? [width, height] : [3, 2]; // of what failed at once nothing is known
}

/** The port that is always there. */
export const mainPort = ports.left;

/** Build the stage. */
export function start() {
  ports.left.append(layers.left, layers.difference, message.left, handle);
  ports.right.append(layers.right, message.right);
  SIDES.forEach((side) => gestures(ports[side], size));
  new ResizeObserver(arrange).observe(ports.left);
  let dragged = false;
  handle.addEventListener("pointerdown", (event) => {
    dragged = true;
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    const box = ports.left.getBoundingClientRect();
    if (dragged) change({ wipe: Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) });
  });
  for (const end of ["pointerup", "pointercancel"]) handle.addEventListener(end, () => (dragged = false));
}

/** Show what the state asks for. */
export async function draw(changed) {
  if (["zoom", "x", "y", "wipe"].some((name) => changed.has(name))) arrange();
  if (!["image", "left", "right", "generation", "right-generation", "mode", "gain"].some((name) => changed.has(name))) return;
  const turn = ++drawn;
  const [left, right] = state["right-generation"] === "same"
    ? pair(state.image, state.left, state.right, state.generation)
    : [picture(state.image, state.left, state.generation), picture(state.image, state.right, rightGeneration())];
  const found = { left, right };
  const pictures = {};
  await Promise.all(SIDES.map(async (side) => {
    if (found[side].place === undefined) return;
    try {
      pictures[side] = await load(found[side].place);
    } catch (error) {
      found[side] = { asked: found[side].asked, problem: error.message };
    }
  }));
  if (turn !== drawn) return; // something else was asked for meanwhile
  shown = { found, pictures };
  SIDES.forEach((side) => paint(side, found[side], pictures[side]));
  paintDifference();
  arrange();
  byId("stage").dataset.ready = `${state.image} ${state.left} ${state.right} ${state.generation} ${state["right-generation"]}`;
  byId("live").textContent = SIDES.map((side) => byId(`caption-${side}`).textContent).join("; ");
  prefetch(SIDES.flatMap((side) => near(state[side])));
}

function paint(side, found, loaded) {
  const canvas = canvasOf(side);
  if (loaded) {
    canvas.width = loaded.width;
    canvas.height = loaded.height;
    canvas.getContext("2d").drawImage(loaded, 0, 0);
  }
  layers[side].hidden = !loaded;
  message[side].textContent = found.problem ?? "";
  message[side].hidden = !found.problem;
  byId(`caption-${side}`).replaceChildren(...caption(side, found));
  canvas.setAttribute("aria-label", byId(`caption-${side}`).textContent);
}

function paintDifference() {
  const { left, right } = shown.pictures ?? {};
  if (state.mode !== "difference") return;
  const alike = left && right && left.width === right.width && left.height === right.height;
  layers.difference.hidden = !alike;
  message.left.hidden = Boolean(alike);
  if (alike) {
    drawDifference(canvasOf("difference"), left, right, state.gain);
    canvasOf("difference").setAttribute("aria-label", `Difference of left and right, ${state.gain} times`);
  } else if (left && right) {
    message.left.textContent = "Left and right have different sizes: there is no difference to show.";
  } else {
    message.left.textContent = shown.found.left.problem ?? shown.found.right.problem;
  }
}

function caption(side, found) {
  const point = report.points[state[side]];
  const name = element("strong", { text: found.generation === 0 ? "source" : point.label });
  if (found.problem || found.generation === 0) return [mark(side), name];
  const chain = chainOf(state.image, state[side]);
  const figure = (column, unit) => `${show(column, value(chain, found.generation, column))} ${unit}`;
  const figures = [figure("psnr", "dB"), figure("bpp", "bpp"), `ΔE ${show("delta_e", value(chain, found.generation, "delta_e"))}`];
  const turn = point.codecs.length > 1 ? ` by ${value(chain, found.generation, "codec")}` : "";
  const parts = [mark(side), name, ` generation ${found.generation}${turn}`];
  if (!found.exact) parts.push(element("span", { class: "nearest", text: ` (${found.asked} was not kept)` }));
  parts.push(["", ...figures].join(" · "));
  if (point.edited && found.generation > 1) {
    parts.push(element("span", { class: "nearest", text: " against the source edited alike", title: "The image was edited before this generation and every one before it but the first; the figures compare it with the source after the same edits." }));
  }
  if (point.carrier !== "uint8") parts.push(element("span", { class: "nearest", text: ` ${point.carrier} carrier` }));
  return parts;
}

const mark = (side) => element("span", { class: `side ${side}`, text: `${side === "left" ? "Left" : "Right"}: ` });

/** Pictures one step from here. */
function near(point) {
  const chain = chainOf(state.image, point);
  const numbers = kept(state.image, chain);
  const here = numbers.findIndex((n) => n >= state.generation);
  return [numbers[here - 1], numbers[here + 1]].filter((n) => n !== undefined).map((n) => picture(state.image, point, n).place).filter((place) => place !== undefined);
}

/** Put everything where mode, zoom, wipe and the window's size want it. */
function arrange() {
  const stage = byId("stage");
  stage.dataset.mode = state.mode;
  const beside = state.mode === "side";
  const home = beside ? ports.right : ports.left;
  if (layers.right.parentNode !== home) home.prepend(layers.right);
  if (message.right.parentNode !== home) home.append(message.right);
  if (!beside) ports.left.insertBefore(layers.right, layers.difference);
  const frame = size();
  stage.style.setProperty("--ratio", frame.join(" / "));
  stage.classList.toggle("zoomed", zoomed(ports.left, frame));
  layers.left.style.visibility = state.mode === "difference" ? "hidden" : "";
  layers.right.style.visibility = state.mode === "difference" || state.mode === "left" ? "hidden" : "";
  layers.difference.style.visibility = state.mode === "difference" ? "" : "hidden";
  layers.right.style.clipPath = state.mode === "wipe" ? `inset(0 0 0 ${100 * state.wipe}%)` : "";
  layers.left.style.clipPath = state.mode === "wipe" ? `inset(0 ${100 * (1 - state.wipe)}% 0 0)` : "";
  handle.hidden = state.mode !== "wipe";
  handle.style.left = `${100 * state.wipe}%`;
  handle.setAttribute("aria-valuenow", Math.round(100 * state.wipe));
  if (state.mode !== "difference" && shown.found) message.left.hidden = !shown.found.left.problem;
  message.right.hidden = !shown.found?.right.problem || !["side", "wipe"].includes(state.mode);
  const cut = state.mode === "wipe" ? `${100 * state.wipe}%` : "";
  message.left.style.right = cut && `calc(100% - ${cut})`;
  message.right.style.left = cut;
  for (const name of [...SIDES, "difference"]) place(layers[name].parentNode, canvasOf(name), frame);
  byId("zoom-text").textContent = zoomText(scaleOf(ports.left, frame) * devicePixelRatio);
}
