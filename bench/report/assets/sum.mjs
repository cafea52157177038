// A picture from the one before it and their difference plus 128. Drawn by compositing alone: a page opened from disk
// may not read a picture's pixels, but it may draw with them.

/** A canvas with `base` + `difference` − 128 in every channel; no sum leaves 0 to 255. */
export function sum(base, difference) {
  const { width, height } = difference;
  const [canvas, context] = blank(width, height);
  context.drawImage(base, 0, 0);
  context.globalCompositeOperation = "lighter";
  context.drawImage(excess(difference, ["difference", 255], ["lighter", 128], ["difference", 255]), 0, 0); // max(0, d − 128)
  context.globalCompositeOperation = "difference";
  context.drawImage(excess(difference, ["lighter", 127], ["difference", 255]), 0, 0); // max(0, 128 − d)
  return canvas;
}

/** `picture` after steps with a grey each; "lighter" adds and stops at 255, "difference" from 255 inverts. */
function excess(picture, ...steps) {
  const [canvas, context] = blank(picture.width, picture.height);
  context.drawImage(picture, 0, 0);
  for (const [operation, grey] of steps) {
    context.globalCompositeOperation = operation;
    context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  return canvas;
}

function blank(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  return [canvas, canvas.getContext("2d", { willReadFrequently: true })]; // in memory, where 8 bits are exact
}
