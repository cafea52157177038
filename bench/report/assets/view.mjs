// Zoom and pan, the same for all pictures: `zoom` times the size that fits, or "1:1", and the point (x, y) in the middle.
// `size` is [width, height] of the frame that all pictures lie in.

import { state, change, MAX_ZOOM } from "viewer/state";

const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

/** CSS pixels per image pixel where the whole picture just fits; a hidden port is 0 wide, which nothing may be divided by. */
const fitting = (port, [width, height]) => Math.min(Math.max(1, port.clientWidth) / width, Math.max(1, port.clientHeight) / height);

/** CSS pixels per image pixel; at least the whole picture, or one pixel on one pixel where that is smaller. */
export function scaleOf(port, size, zoom = state.zoom) {
  const whole = fitting(port, size);
  const one = 1 / devicePixelRatio;
  return zoom === "1:1" ? one : clamp(zoom * whole, Math.min(whole, one), MAX_ZOOM * whole);
}

/** Whether more is there than fits, so that it can be moved. */
export const zoomed = (port, size) => scaleOf(port, size) > fitting(port, size);

/** The nearest whole pixel of the screen, so that one pixel on one pixel is not blurred. */
const snap = (length) => Math.round(length * devicePixelRatio) / devicePixelRatio;

/** Place a canvas in its port, at the frame's bottom right: `--edit crop` takes off the top and the left. */
export function place(port, canvas, size) {
  const { width, height } = canvas;
  const scale = scaleOf(port, size);
  const start = (at, frame, length, room) => snap(room / 2 - middle(at, frame * scale, room)) + (frame - length) * scale;
  const left = start(state.x, size[0], width, port.clientWidth);
  const top = start(state.y, size[1], height, port.clientHeight);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
  canvas.style.imageRendering = scale * devicePixelRatio >= 2 ? "pixelated" : "auto";
}

/** Where in a picture of `size` the port's middle is: never so that the picture leaves a gap it could fill. */
function middle(part, size, port) {
  return size <= port ? size / 2 : clamp(part * size, port / 2, size - port / 2);
}

/** Zoom by a factor, so that what lies at (dx, dy) from the port's middle stays there. */
export function zoomBy(factor, port, size, dx = 0, dy = 0) {
  const whole = fitting(port, size);
  const wanted = (factor * scaleOf(port, size)) / whole;
  zoomTo(scaleOf(port, size, wanted) / whole, port, size, dx, dy); // what is out of reach is not remembered either
}

function zoomTo(zoom, port, size, dx, dy) {
  const before = scaleOf(port, size);
  const after = scaleOf(port, size, zoom);
  const move = (part, length, room, d) => {
    const at = middle(part, length * before, room) + d;
    return clamp(((at / before) * after - d) / (length * after), 0, 1);
  };
  const [w, h] = size;
  change({ zoom, x: move(state.x, w, port.clientWidth, dx), y: move(state.y, h, port.clientHeight, dy) });
}

/** Move the pictures by CSS pixels. */
export function panBy(dx, dy, port, size) {
  const scale = scaleOf(port, size);
  const move = (part, length, room, d) => {
    const whole = length * scale;
    return clamp((middle(part, whole, room) - d) / whole, 0, 1);
  };
  change({ x: move(state.x, size[0], port.clientWidth, dx), y: move(state.y, size[1], port.clientHeight, dy) });
}

export const fit = () => change({ zoom: 1, x: 0.5, y: 0.5 });

/** One image pixel on one pixel of the screen, of whatever is shown until the next zoom. */
export const oneToOne = (port, size) => zoomTo("1:1", port, size, 0, 0);
