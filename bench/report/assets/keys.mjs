// The keyboard.

import { report, chainOf } from "viewer/data";
import { showOwnFirst, stepKept, swap } from "viewer/controls";
import { byId, element } from "viewer/format";
import { mainPort, size } from "viewer/stage";
import { GAINS, MODES, SCOPES, state, change, lastGeneration } from "viewer/state";
import { fit, oneToOne, panBy, zoomBy } from "viewer/view";

const turn = (list, current, step) => list[(list.indexOf(current) + step + list.length) % list.length];
const goTo = (n) => change({ generation: Math.min(lastGeneration(), Math.max(0, n)) });
const coded = () => report.points.map((_, i) => i).filter((i) => chainOf(state.image, i));
const codec = (side, step) => change({ [side]: turn(coded(), state[side], step) });
const image = (step) => change({ image: turn(report.images.map((_, i) => i), state.image, step) });
const wipe = (step) => change({ mode: "wipe", wipe: Math.min(1, Math.max(0, state.wipe + step)) });
const gain = (step) => change({ gain: GAINS[Math.min(GAINS.length - 1, Math.max(0, GAINS.indexOf(state.gain) + step))] });
const pan = (dx, dy) => panBy(dx, dy, mainPort, size());
const openHelp = () => byId("help").showModal();

/** Keys, what they do for a person, and for the page. */
const KEYS = [
  [["ArrowLeft", "ArrowRight"], "← →", "a generation back, on", (key) => goTo(state.generation + (key === "ArrowLeft" ? -1 : 1))],
  [["Shift+ArrowLeft", "Shift+ArrowRight"], "Shift ← →", "the kept generation before, after", (key) => stepKept(key.endsWith("Left") ? -1 : 1)],
  [["Home", "End"], "Home End", "source, last generation", (key) => goTo(key === "Home" ? 0 : lastGeneration())],
  [["PageUp", "PageDown"], "Page ↑ ↓", "image before, next image", (key) => image(key === "PageUp" ? -1 : 1)],
  [["l", "L"], "l L", "next codec on the left, the one before", (key) => codec("left", key === "l" ? 1 : -1)],
  [["r", "R"], "r R", "next codec on the right, the one before", (key) => codec("right", key === "r" ? 1 : -1)],
  [["x"], "x", "swap left and right", swap],
  [["1", "2", "3", "4"], "1 2 3 4", Object.values(MODES).join(", ").toLowerCase(), (key) => change({ mode: Object.keys(MODES)[key - 1] })],
  [["[", "]"], "[ ]", "move the wipe", (key) => wipe(key === "[" ? -0.05 : 0.05)],
  [["g", "G"], "g G", "more gain of the difference, less", (key) => gain(key === "g" ? 1 : -1)],
  [["s", "o", "f"], "s o f", "right side shows: same generation, the source (original), generation 1",
    (key) => change({ "right-generation": { s: "same", o: 0, f: 1 }[key] })],
  [["e"], "e", "right side shows the codec on the left at its own generation 1", showOwnFirst],
  [["+", "=", "-"], "+ −", "zoom", (key) => zoomBy(key === "-" ? 0.5 : 2, mainPort, size())],
  [["0", "9"], "0 9", "the whole picture, one pixel on one pixel", (key) => (key === "0" ? fit() : oneToOne(mainPort, size()))],
  [["w", "a", "z", "d"], "w a z d", "move the picture up, left, down, right", (key) => pan({ a: 60, d: -60 }[key] ?? 0, { w: 60, z: -60 }[key] ?? 0)],
  [["m"], "m", "figures of this image, or mean over images", () => change({ scope: turn(Object.keys(SCOPES), state.scope, 1) })],
  [["?"], "?", "this help", openHelp],
];

/** Listen to the keyboard, and fill in the help. */
export function start() {
  byId("keys").append(...KEYS.map(([, shown, what]) => element("tr", {}, element("th", { scope: "row" }, ...shown.split(" ").map((key) => element("kbd", { text: key }))), element("td", { text: what }))));
  byId("help-open").addEventListener("click", openHelp);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    const target = event.target;
    const moves = event.key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(event.key);
    // Lists and choices need their own keys; the slider's are ours.
    if (target.matches("select") || (target.matches("input[type=radio]") && moves) || (moves && target.closest(".scroll"))) return;
    if (target.id === "wipe" && /^Arrow|^Home$|^End$/.test(event.key)) {
      wipe({ ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1 }[event.key]);
    } else {
      const key = event.shiftKey && moves ? `Shift+${event.key}` : event.key;
      const found = KEYS.find(([keys]) => keys.includes(key));
      if (!found) return;
      found[3](key);
    }
    event.preventDefault();
  });
}
