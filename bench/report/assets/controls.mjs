// Lists, buttons and the slider over generations.

import { report, chainOf, failure, hasPictures, kept } from "viewer/data";
import { byId, element } from "viewer/format";
import { size, mainPort } from "viewer/stage";
import { GAINS, MODES, SCOPES, TABLES, state, change, comparesOwn, lastGeneration, rightGeneration, showLeft, writeAddress } from "viewer/state";
import { fit, oneToOne, zoomBy } from "viewer/view";

const OWN = "own";

/** Build the controls. */
export function start() {
  for (const dataset of report.datasets) {
    const options = report.images.map((image, i) => [image, i]).filter(([image]) => image.dataset === dataset);
    byId("image").append(element("optgroup", { label: dataset }, ...options.map(([image, i]) => option(i, image.name))));
  }
  byId("gain").append(...GAINS.map((gain) => option(gain, `${gain}×`)));
  radios("modes", MODES, "mode");
  radios("scopes", SCOPES, "scope");
  radios("tables", TABLES, "table");
  byId("left").addEventListener("change", (event) => showLeft(Number(event.target.value)));
  for (const name of ["image", "right", "gain"]) {
    byId(name).addEventListener("change", (event) => change({ [name]: Number(event.target.value) }));
  }
  byId("right-generation").addEventListener("change", ({ target: { value } }) =>
    (value === OWN ? showOwnFirst() : change({ "right-generation": value === "same" ? value : Number(value) })));
  byId("generation").addEventListener("input", (event) => change({ generation: Number(event.target.value) }));
  const click = (id, work) => byId(id).addEventListener("click", work);
  click("before", () => stepKept(-1));
  click("after", () => stepKept(1));
  click("swap", swap);
  click("zoom-in", () => zoomBy(2, mainPort, size()));
  click("zoom-out", () => zoomBy(0.5, mainPort, size()));
  click("zoom-fit", fit);
  click("zoom-one", () => oneToOne(mainPort, size()));
  click("copy", copyLink);
}

const option = (value, text, disabled = false) => element("option", { value, text, disabled });

function radios(id, choices, name) {
  byId(id).append(...Object.entries(choices).map(([value, text]) =>
    element("label", {}, element("input", { type: "radio", name, value, onchange: () => change({ [name]: value }) }), element("span", { text }))));
}

/** Make the controls say what the state says. */
export function draw(changed) {
  if (changed.has("image")) ["left", "right"].forEach(listPoints);
  const last = lastGeneration();
  if (state.generation > last) change({ generation: last });
  if (["image", "left", "right", "right-generation"].some((name) => changed.has(name))) {
    byId("generation").max = last;
    listGenerations(last);
    ticks(last);
  }
  for (const name of ["image", "left", "right", "gain", "right-generation", "generation"]) byId(name).value = state[name];
  if (comparesOwn()) byId("right-generation").value = OWN;
  for (const name of ["mode", "scope", "table"]) document.querySelector(`input[name=${name}][value=${state[name]}]`).checked = true;
  const pixels = hasPictures(state.image);
  for (const id of ["stage", "zoom", "modes", "before", "after"]) byId(id).hidden = !pixels;
  byId("no-pixels").hidden = pixels;
  byId("gain-label").hidden = !pixels || state.mode !== "difference";
  byId("generation").setAttribute("aria-valuetext", state.generation === 0 ? "source" : `generation ${state.generation}`);
  byId("number").textContent = state.generation === 0 ? "source" : `${state.generation} of ${byId("generation").max}`;
}

function listPoints(side) {
  byId(side).replaceChildren(...report.points.map((point, i) => {
    const chain = chainOf(state.image, i);
    const failed = failure(chain);
    const note = !chain ? " (not run)" : failed ? ` (failed at ${failed.generation})` : "";
    return option(i, point.label + note, !chain && i !== state[side]);
  }));
}

function listGenerations(last) {
  const numbers = new Set([1, ...keptHere(["right"]), last]);
  if (state["right-generation"] !== "same") numbers.add(state["right-generation"]);
  numbers.delete(0);
  byId("right-generation").replaceChildren(
    option("same", "same generation"), option(0, "the source"), option(OWN, "same codec, generation 1"),
    ...[...numbers].sort((a, b) => a - b).map((n) => option(n, `generation ${n}`)),
  );
}

const keptHere = (sides = ["left", "right"]) => {
  const numbers = new Set(sides.flatMap((side) => kept(state.image, chainOf(state.image, state[side]))));
  return [...numbers].sort((a, b) => a - b);
};

function ticks(last) {
  byId("ticks").replaceChildren(...keptHere().filter((n) => n <= last).map((n) => element("i", { style: `--at: ${n / last}` })));
}

/** Go to the next generation with pixels, or the one before. */
export function stepKept(step) {
  const numbers = keptHere();
  const found = step > 0 ? numbers.find((n) => n > state.generation) : numbers.findLast((n) => n < state.generation);
  if (found !== undefined) change({ generation: found });
}

/** Show, on the right, what the codec on the left gave at generation 1. */
export const showOwnFirst = () => change({ right: state.left, "right-generation": 1 });

/** Exchange left and right: the codecs and, where the right side does not follow the slider, the generations. */
export function swap() {
  const own = state["right-generation"] === "same" ? {} : { generation: rightGeneration(), "right-generation": state.generation };
  change({ left: state.right, right: state.left, ...own });
}

async function copyLink() {
  writeAddress();
  let done = "Copied";
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    done = "It is in the address bar";
  }
  byId("copy").textContent = done;
  setTimeout(() => (byId("copy").textContent = "Copy link"), 2000);
}
