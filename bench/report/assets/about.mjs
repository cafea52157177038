// What the page says about itself: where its figures come from, and what failed.

import { report, failure } from "viewer/data";
import { byId, element } from "viewer/format";

const plural = (n, thing) => `${n} ${thing}${n === 1 ? "" : "s"}`;

/** Fill in heading, failed chains and provenance. */
export function start() {
  byId("title").textContent = report.title;
  const last = Math.max(...report.chains.map((chain) => chain.last));
  const codecs = new Set(report.points.map((point) => point.system)).size;
  byId("about").textContent =
    `${plural(report.images.length, "image")}, ${plural(codecs, "codec")}, up to ${plural(last, "generation")}: each one encodes the decoded pixels of the one before.`;
  const failed = report.chains.map((chain) => [chain, failure(chain)]).filter(([, found]) => found);
  byId("failures").hidden = !failed.length;
  byId("failed").append(...failed.map(([chain, { generation, reason }]) => {
    const { dataset, name } = report.images[chain.image];
    return element("li", { text: `${dataset}, ${name}, ${report.points[chain.point].label}: generation ${generation}: ${reason}` });
  }));
  byId("provenance").append(...paragraphs().map((text) => element("p", { text })), ...codecList());
}

function paragraphs() {
  const runs = report.runs.map((run) => `${run.name} (${[run.when, run.status].filter(Boolean).join(", ")})`);
  return [
    `Pictures are exact, pixel for pixel${report.bases.some((base) => base !== null) ? "; most are stored as the difference to the generation kept before, without loss, and put together here" : ""}. ${report.notes.join(" ")}`,
    `Averages: ${report.average}, over the images that all codecs coded.`,
    ...report.left_out,
    ...(runs.length ? [`Runs: ${runs.join("; ")}.`] : []),
  ];
}

function codecList() {
  return report.points.filter((point) => point.identity).map((point) =>
    element("p", {}, element("strong", { text: `${point.label}: ` }), element("code", { text: point.identity.map((one) => JSON.stringify(one)).join(" → ") })));
}
