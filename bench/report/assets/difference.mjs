// The absolute difference of two pictures, times a gain. Drawn by compositing alone: a page opened from disk may not
// read a picture's pixels, but it may draw with them.

/** Draw min(255, gain · |a − b|) for every channel; `gain` is a power of two. The pictures are equally large. */
export function drawDifference(canvas, a, b, gain) {
  canvas.width = a.width;
  canvas.height = a.height;
  const context = canvas.getContext("2d", { willReadFrequently: true }); // in memory, where 8 bits are exact
  context.drawImage(a, 0, 0);
  context.globalCompositeOperation = "difference";
  context.drawImage(b, 0, 0);
  context.globalCompositeOperation = "lighter"; // adds, and stops at 255
  for (let g = 1; g < gain; g *= 2) context.drawImage(canvas, 0, 0);
  context.globalCompositeOperation = "source-over";
}
