// The report's data, and what it says of a chain at a generation.

export const report = JSON.parse(document.getElementById("data").textContent);

const chains = new Map(report.chains.map((chain) => [`${chain.image} ${chain.point}`, chain]));
const means = new Map(report.means.map((mean) => [`${mean.dataset} ${mean.point}`, mean]));

/** The chain of an image at an operating point, undefined where none was run. */
export const chainOf = (image, point) => chains.get(`${image} ${point}`);

/** The means over a dataset's images at an operating point, undefined where there are none. */
export const meanOf = (dataset, point) => means.get(`${dataset} ${point}`);

/** A value of a record: a number (Infinity included), a text, or null. A column that never changes is one value. */
export function value(chain, generation, name) {
  const column = chain?.records[name];
  if (column === undefined || generation < 1 || generation > chain.last) return null;
  const found = Array.isArray(column) ? column[generation - 1] : column;
  return found === "inf" ? Infinity : found === "-inf" ? -Infinity : found;
}

/** Generations whose pixels are there, in order, the source included. */
export function kept(image, chain) {
  const numbers = Object.keys(chain?.kept ?? {}).map(Number).filter((n) => there(chain.kept[n]));
  return (there(report.images[image].source) ? [0, ...numbers] : numbers).sort((a, b) => a - b);
}

/** Whether any pixels of an image are there. */
export const hasPictures = (image) => report.points.some((_, point) => kept(image, chainOf(image, point)).length);

const there = (place) => place !== null && place !== undefined && report.pictures[place] !== null;

/** The generation a chain failed at, with its reason; null where it did not. */
export function failure(chain) {
  for (let n = 1; n <= (chain?.last ?? 0); n++) {
    if (value(chain, n, "status") === "failed") return { generation: n, reason: value(chain, n, "reason") };
  }
  return null;
}

/** Whether two generations have the same pixels because the chain had settled in a fixed point or cycle before both. */
function same(chain, a, b) {
  for (let n = 2; n <= chain.last; n++) {
    if (!value(chain, n, "fixed_point")) continue;
    const cycle = value(chain, n, "cycle") || 1;
    return Math.min(a, b) >= n - cycle && (a - b) % cycle === 0;
  }
  return false;
}

/**
 * What can be shown of two chains for one generation: where one of them has no such pixels, of both the nearest generation
 * whose pixels both have.
 */
export function pair(image, left, right, asked) {
  const found = [left, right].map((point) => picture(image, point, asked));
  if (found.some(({ problem }) => problem) || found.every(({ exact }) => exact)) return found;
  const numbers = [left, right].flatMap((point) => kept(image, chainOf(image, point))).filter((n) => n > 0);
  for (const n of numbers.sort((a, b) => Math.abs(a - asked) - Math.abs(b - asked))) {
    const both = [left, right].map((point) => picture(image, point, n));
    if (both.every(({ exact }) => exact)) return both.map((one) => ({ ...one, asked, exact: false }));
  }
  return found;
}

/**
 * What can be shown of a chain for a generation.
 * @returns {{asked, generation, place, exact, problem}} the generation whose pixels come nearest, whether they are those of
 *   the one asked for, and a sentence where there is nothing to be shown.
 */
export function picture(image, point, asked) {
  const chain = chainOf(image, point);
  const { source } = report.images[image];
  if (asked === 0 && there(source)) return { asked, generation: 0, place: source, exact: true };
  if (!chain) return { asked, problem: "This image was not coded so." };
  const failed = failure(chain);
  if (failed && asked >= failed.generation) return { asked, problem: `Failed at generation ${failed.generation}: ${failed.reason}` };
  if (asked > chain.last) return { asked, problem: `This chain ends at generation ${chain.last}.` };
  const numbers = kept(image, chain).filter((n) => n > 0);
  if (!numbers.length) return { asked, problem: "No pixels were kept of this chain." };
  const twin = numbers.find((n) => n === asked) ?? numbers.find((n) => same(chain, n, asked));
  if (twin !== undefined) return { asked, generation: asked, place: chain.kept[twin], exact: true };
  const nearest = numbers.reduce((best, n) => (Math.abs(n - asked) < Math.abs(best - asked) ? n : best));
  return { asked, generation: nearest, place: chain.kept[nearest], exact: false };
}
