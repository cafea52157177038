// What is being looked at. It lives in the address, so that a link restores it.

import { report, chainOf, kept } from "viewer/data";

export const MODES = { side: "Side by side", wipe: "Wipe", difference: "Difference", left: "Left only" };
export const SCOPES = { image: "this image", mean: "mean over images" };
export const TABLES = { left: "left", right: "right", all: "all codecs here" };
export const GAINS = [1, 2, 4, 8, 16, 32, 64];
export const MAX_ZOOM = 64;
const MIN_ZOOM = 1 / 256; // in an address; what is shown stops at one pixel on one pixel

const imageName = (i) => `${report.images[i].dataset}/${report.images[i].name}`;
const pointName = (i) => `${report.points[i].system}|${report.points[i].schedule}`;
const count = (list, name) => new Map(list.map((_, i) => [name(i), i]));
const images = count(report.images, imageName);
const points = count(report.points, pointName);

const among = (known) => ({ write: (v) => v, read: (text) => (Object.hasOwn(known, text) ? text : undefined) });
const number = (low, high, whole = false) => ({
  write: (v) => String(whole ? v : +v.toFixed(5)),
  read: (text) => {
    const v = Number(text);
    return text.trim() !== "" && v >= low && v <= high && (!whole || Number.isInteger(v)) ? v : undefined;
  },
});
const generation = number(0, 1e6, true);
const zoom = number(MIN_ZOOM, MAX_ZOOM);

/** Name in the address, how it is written there, and read: what can't be read is left at its default. */
const FIELDS = {
  image: { write: imageName, read: (text) => images.get(text) },
  left: { write: pointName, read: (text) => points.get(text) },
  right: { write: pointName, read: (text) => points.get(text) },
  generation,
  "right-generation": { write: String, read: (text) => (text === "same" ? text : generation.read(text)) },
  mode: among(MODES),
  gain: { write: String, read: (text) => GAINS.find((gain) => String(gain) === text) },
  wipe: number(0, 1),
  zoom: { write: (v) => (v === "1:1" ? v : zoom.write(v)), read: (text) => (text === "1:1" ? text : zoom.read(text)) },
  x: number(0, 1),
  y: number(0, 1),
  scope: among(SCOPES),
  table: among(TABLES),
};

function defaults() {
  const here = report.points.map((_, i) => i).filter((point) => chainOf(0, point));
  const left = here[0] ?? 0;
  const last = kept(0, chainOf(0, left)).findLast((n) => n > 0) ?? chainOf(0, left)?.last ?? 1;
  // One operating point alone is compared with its own generation 1.
  const alone = here.length < 2;
  return {
    image: 0, left, right: here[1] ?? left, generation: last, "right-generation": alone ? 1 : "same",
    // Beside each other two pictures do not fit on a phone.
    mode: innerWidth < 700 ? "wipe" : "side", gain: 8, wipe: 0.5, zoom: 1, x: 0.5, y: 0.5, scope: "image", table: "left",
  };
}

export const state = defaults();
const listeners = [];
let pending = 0;

/** Call `listener(changed)` after every change, with the names of what changed. */
export const onChange = (listener) => listeners.push(listener);

/** Change some of the state. */
export function change(values) {
  const changed = new Set(Object.keys(values).filter((name) => values[name] !== undefined && values[name] !== state[name]));
  if (!changed.size) return;
  for (const name of changed) state[name] = values[name];
  if (changed.has("image")) standIns().forEach((side) => changed.add(side));
  listeners.forEach((listener) => listener(changed));
  clearTimeout(pending); // browsers refuse an address that changes at every frame
  pending = setTimeout(writeAddress, 150);
}

/** Show, in the place of what was coded of other images but not of this one, the first that was; return the sides. */
function standIns() {
  const here = report.points.map((_, i) => i).filter((point) => chainOf(state.image, point));
  const sides = ["left", "right"].filter((side) => here.length && !here.includes(state[side]));
  for (const side of sides) state[side] = here.find((point) => side === "left" || point !== state.left) ?? here[0];
  return sides;
}

/** Write the state into the address now. */
export function writeAddress() {
  clearTimeout(pending);
  const text = Object.keys(FIELDS).map((name) => `${name}=${encode(FIELDS[name].write(state[name]))}`).join("&");
  history.replaceState(null, "", `#${text}`);
}

/** Take the state from the address. */
export function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const values = defaults();
  for (const [name, field] of Object.entries(FIELDS)) {
    const read = given.has(name) ? field.read(given.get(name)) : undefined;
    if (read !== undefined) values[name] = read;
  }
  change(values);
}

const encode = (text) => encodeURIComponent(text).replace(/%(2F|3A|2C|40)/g, decodeURIComponent);
addEventListener("hashchange", readAddress);

/** The generation the right side is asked for. */
export const rightGeneration = () => (state["right-generation"] === "same" ? state.generation : state["right-generation"]);

/** Whether the right side shows what the codec on the left gave at generation 1. */
export const comparesOwn = () => state.left === state.right && state["right-generation"] === 1;

/** Show a codec on the left; a right side that shows the same one's generation 1 goes along. */
export const showLeft = (point) => change(comparesOwn() ? { left: point, right: point } : { left: point });

/** The last generation the slider goes to: that of the longer chain. */
export const lastGeneration = () =>
  Math.max(1, ...[state.left, state.right].map((point) => chainOf(state.image, point)?.last ?? 1));
