// Numbers and names as people read them.

const DIGITS = {
  bytes: 0, psnr: 2, ms_ssim: 5, ms_ssim_db: 2, bpp: 3, target_bpp: 3, delta_e: 2, psnr_step: 2, psnr_first: 2, shift_r: 2, shift_g: 2, shift_b: 2,
};
export const NAMES = {
  generation: "generation", codec: "codec", quality: "quality", target_bpp: "target bpp", bytes: "bytes", bpp: "bpp",
  psnr: "PSNR dB", ms_ssim: "MS-SSIM", ms_ssim_db: "MS-SSIM dB", delta_e: "ΔE00", psnr_step: "PSNR to n − 1",
  psnr_first: "PSNR to 1", shift_r: "shift R", shift_g: "shift G", shift_b: "shift B", fixed_point: "settled", status: "status",
};

/** Of how many images means are: "2 images", "2 or an unknown number of images", where a table does not tell. */
export function counted(all) {
  const known = [...new Set(all.map((one) => one.images).filter((n) => n !== null))].sort((a, b) => a - b);
  const texts = [...known.map(String), ...all.some((one) => one.images === null) ? ["an unknown number of"] : []];
  return `${texts.join(" or ")} ${texts.length === 1 && texts[0] === "1" ? "image" : "images"}`;
}

/** A value of a column as text; "–" where it is missing. */
export function show(name, value) {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const text = name in DIGITS ? value.toFixed(DIGITS[name]) : String(+value.toPrecision(7));
  const rounded = Number(text); // −0.004 is neither −0.00 nor +0.00
  const sign = rounded < 0 ? "−" : name.startsWith("shift_") && rounded > 0 ? "+" : "";
  return sign + text.replace("-", "");
}

/** Whether a chain has settled, and in what; `cycle` is its length. */
export const settled = (fixed, cycle) => (!fixed ? "no" : cycle > 1 ? `cycle of ${cycle}` : "fixed point");

/** Zoom as text: `scale` is pixels of the screen per pixel of the image. */
export function zoomText(scale) {
  const times = (v) => String(+v.toFixed(v < 10 ? 1 : 0));
  const percent = `${Math.round(100 * scale)} %`;
  if (Math.abs(scale - 1) < 0.005) return `${percent}: one image pixel is one screen pixel`;
  return scale > 1 ? `${percent}: one image pixel is ${times(scale)} screen pixels wide` : `${percent}: one screen pixel is ${times(1 / scale)} image pixels wide`;
}

/** An element with attributes and children; `text` sets its text. */
export function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "line", "g", "circle", "text", "title", "polyline"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export const byId = (id) => document.getElementById(id);
