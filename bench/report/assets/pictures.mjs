// Pictures are loaded when they are needed, and the most recent ones are held.

const HELD = 24;
const held = new Map();

/** A promise of the decoded picture of a URL. */
export function load(url) {
  const found = held.get(url);
  held.delete(url);
  const promise = found ?? start(url);
  held.set(url, promise); // the last one in a Map is the one used last
  if (held.size > HELD) held.delete(held.keys().next().value);
  return promise;
}

async function start(url) {
  const picture = new Image();
  picture.src = url;
  try {
    await picture.decode();
  } catch {
    held.delete(url); // it may be there the next time
    throw new Error(`${url} can't be shown: is the folder of this page complete?`);
  }
  return picture;
}

/** Load what may be wanted next, when there is nothing else to do. */
export function prefetch(urls) {
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 200));
  idle(() => urls.forEach((url) => load(url).catch(() => {})));
}
