// Mouse, pen and fingers on the pictures.

import { fit, panBy, zoomBy, zoomed } from "viewer/view";

/** Let a port be dragged, pinched, wheeled and double clicked. `size()` is [width, height] of what it shows. */
export function gestures(port, size) {
  const fingers = new Map();
  const fromMiddle = (x, y) => {
    const box = port.getBoundingClientRect();
    return [x - box.left - box.width / 2, y - box.top - box.height / 2];
  };
  port.addEventListener("pointerdown", (event) => {
    if (event.button || event.target.closest("[data-handle]")) return;
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (zoomed(port, size()) || fingers.size > 1) port.setPointerCapture(event.pointerId);
  });
  port.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const apart = (p) => Math.max(10, Math.hypot(p[0] - other[0], p[1] - other[1]));
      zoomBy(apart(now) / apart(before), port, size(), ...fromMiddle((now[0] + other[0]) / 2, (now[1] + other[1]) / 2));
      panBy((now[0] - before[0]) / 2, (now[1] - before[1]) / 2, port, size());
    } else if (zoomed(port, size())) {
      panBy(now[0] - before[0], now[1] - before[1], port, size());
    }
    fingers.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    port.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  port.addEventListener("wheel", (event) => {
    // The page scrolls under the wheel until the picture was clicked, or Ctrl is held.
    if (!event.ctrlKey && !event.metaKey && !port.closest("#stage").contains(document.activeElement)) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    zoomBy(Math.exp((-event.deltaY * lines) / 300), port, size(), ...fromMiddle(event.clientX, event.clientY));
  }, { passive: false });
  port.addEventListener("dblclick", (event) => {
    if (zoomed(port, size())) fit();
    else zoomBy(4, port, size(), ...fromMiddle(event.clientX, event.clientY));
  });
}
