// Zoom and pan, the same for all pictures: `zoom` times the size that fits, and the point (x, y) in the middle.

import { state, change, MAX_ZOOM } from "viewer/state";

const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

/** CSS pixels per image pixel where the whole picture just fits. */
const fitting = (port, width, height) => Math.min(port.clientWidth / width, port.clientHeight / height);

/** CSS pixels per image pixel. */
export const scaleOf = (port, width, height) => state.zoom * fitting(port, width, height);

/** The smallest zoom: the whole picture, or one pixel on one pixel where that is smaller. */
const leastZoom = (port, size) => Math.min(1, 1 / devicePixelRatio / fitting(port, ...size));

/** The nearest whole pixel of the screen, so that one pixel on one pixel is not blurred. */
const snap = (length) => Math.round(length * devicePixelRatio) / devicePixelRatio;

/** Place a canvas in its port. */
export function place(port, canvas) {
  const { width, height } = canvas;
  const scale = scaleOf(port, width, height);
  const left = port.clientWidth / 2 - middle(state.x, width * scale, port.clientWidth);
  const top = port.clientHeight / 2 - middle(state.y, height * scale, port.clientHeight);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.style.transform = `translate(${snap(left)}px, ${snap(top)}px) scale(${scale})`;
  canvas.style.imageRendering = scale * devicePixelRatio >= 2 ? "pixelated" : "auto";
}

/** Where in a picture of `size` the port's middle is: never so that the picture leaves a gap it could fill. */
function middle(part, size, port) {
  return size <= port ? size / 2 : clamp(part * size, port / 2, size - port / 2);
}

/** Zoom by a factor, so that what lies at (dx, dy) from the port's middle stays there. */
export function zoomBy(factor, port, size, dx = 0, dy = 0) {
  const before = scaleOf(port, ...size);
  const zoom = clamp(state.zoom * factor, leastZoom(port, size), MAX_ZOOM);
  const after = (before * zoom) / state.zoom;
  const move = (part, length, room, d) => {
    const at = middle(part, length * before, room) + d;
    return clamp(((at / before) * after - d) / (length * after), 0, 1);
  };
  const [w, h] = size;
  change({ zoom, x: move(state.x, w, port.clientWidth, dx), y: move(state.y, h, port.clientHeight, dy) });
}

/** Move the pictures by CSS pixels. */
export function panBy(dx, dy, port, size) {
  const scale = scaleOf(port, ...size);
  const move = (part, length, room, d) => {
    const whole = length * scale;
    return clamp((middle(part, whole, room) - d) / whole, 0, 1);
  };
  change({ x: move(state.x, size[0], port.clientWidth, dx), y: move(state.y, size[1], port.clientHeight, dy) });
}

export const fit = () => change({ zoom: 1, x: 0.5, y: 0.5 });

/** One image pixel on one pixel of the screen. */
export const oneToOne = (port, size) => zoomBy(1 / devicePixelRatio / scaleOf(port, ...size), port, size);
