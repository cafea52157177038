// The records behind what is shown.

import { report, value } from "viewer/data";
import { seriesOf } from "viewer/curves";
import { NAMES, byId, counted, element, settled, show } from "viewer/format";
import { state, change, rightGeneration, showLeft } from "viewer/state";

const COLUMNS = [
  "codec", "quality", "target_bpp", "bytes", "bpp", "psnr", "ms_ssim", "ms_ssim_db", "psnr_step", "psnr_first", "delta_e",
  "shift_r", "shift_g", "shift_b", "fixed_point", "status",
];

/** Draw the table: all generations of one side, or all codecs at the current generation. */
export function draw(changed) {
  if (!["image", "left", "right", "generation", "right-generation", "scope", "table"].some((name) => changed.has(name))) return;
  const rows = state.table === "all" ? codecs() : generations(state[state.table]);
  const columns = COLUMNS.filter((name) => rows.some(({ series, n }) => tells(series, n, name)));
  const first = state.table === "all" ? "codec, schedule" : "generation";
  const heads = [first, ...columns].map((name) => element("th", { scope: "col", title: about(name), text: NAMES[name] ?? name }));
  const body = rows.map(({ series, n, label, now, pick }) => {
    const name = element("button", { type: "button", text: label, onclick: pick });
    const cells = columns.map((column) => element("td", { text: cell(column, series, n), title: column === "status" ? value(series, n, "reason") : null }));
    return element("tr", { "aria-current": now ? "true" : null }, element("th", { scope: "row" }, name), ...cells);
  });
  byId("table").replaceChildren(element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...body));
  byId("table-note").textContent = note(rows);
  follow();
}

/** Whether there is something to say; the codec only where it changes from generation to generation. */
const tells = (series, n, name) => (name === "codec" ? Array.isArray(series.records.codec) : value(series, n, name) !== null);

/** Of means, what has settled is a share of images. */
function cell(column, series, n) {
  const found = value(series, n, column);
  if (column !== "fixed_point" || found === null) return show(column, found);
  return state.scope === "mean" ? `${Math.round(100 * found)} %` : settled(found, value(series, n, "cycle"));
}

const about = (name) => (report.columns[name] ? `${report.columns[name].meaning}${report.columns[name].unit ? ` (${report.columns[name].unit})` : ""}` : null);

function generations(point) {
  const series = seriesOf(point);
  const current = state.table === "right" ? rightGeneration() : state.generation;
  return Array.from({ length: series?.last ?? 0 }, (_, i) => ({
    series, n: i + 1, label: String(i + 1), now: i + 1 === current,
    pick: () => change(state.table === "right" && state["right-generation"] !== "same" ? { "right-generation": i + 1 } : { generation: i + 1 }),
  }));
}

function codecs() {
  const n = Math.max(1, state.generation);
  return report.points.map((point, i) => ({ series: seriesOf(i), n, label: point.label, now: i === state.left || i === state.right, pick: () => showLeft(i) }))
    .filter(({ series }) => series);
}

function note(rows) {
  const { dataset, name } = report.images[state.image];
  const of = state.scope === "mean" ? `${dataset}, ${rows.length ? `mean over ${counted(rows.map(({ series }) => series))} (${report.average})` : "means"}` : `${dataset}, ${name}`;
  const what = state.table === "all" ? `generation ${Math.max(1, state.generation)}` : report.points[state[state.table]].label;
  return rows.length ? `${what}; ${of}.` : `${what}; ${of}: there are no records.`;
}

/** Keep the current row in sight without moving the page. */
function follow() {
  const box = document.querySelector(".scroll");
  const row = byId("table").querySelector("tr[aria-current]");
  if (row && state.table !== "all") box.scrollTop = Math.max(0, row.offsetTop - box.clientHeight / 2);
}
