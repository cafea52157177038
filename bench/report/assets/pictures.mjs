// Pictures are loaded when they are needed, put together where they are differences, and the most recent ones held.

import { report } from "viewer/data";
import { sum } from "viewer/sum";

const HELD = 64e6; // pixels, 4 bytes each
const LEAST = 4;
const held = new Map();
const areas = new Map();

/** A promise of a picture, an image or a canvas, by its place in the report. */
export function load(place) {
  const found = held.get(place);
  held.delete(place);
  const promise = found ?? start(place);
  held.set(place, promise); // the last one in a Map is the one used last
  return promise;
}

function makeRoom() {
  const area = () => [...held.keys()].reduce((sum, place) => sum + (areas.get(place) ?? 0), 0);
  while (held.size > LEAST && area() > HELD) held.delete(held.keys().next().value);
}

async function start(place) {
  const base = report.bases[place];
  try {
    const [picture, before] = await Promise.all([decoded(report.pictures[place]), base === null ? null : load(base)]);
    areas.set(place, picture.width * picture.height);
    makeRoom();
    return before ? sum(before, picture) : picture;
  } catch (error) {
    held.delete(place); // it may be there the next time
    throw error;
  }
}

async function decoded(url) {
  const picture = new Image();
  picture.src = url;
  try {
    await picture.decode();
  } catch {
    throw new Error(`${url} can't be shown: is the folder of this page complete?`);
  }
  return picture;
}

/** Load what may be wanted next, when there is nothing else to do. */
export function prefetch(places) {
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 200));
  idle(() => places.forEach((place) => load(place).catch(() => {})));
}
