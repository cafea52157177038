// The marker shapes of the figures of bench.plots, around (0, 0), about 8 units wide.

const star = Array.from({ length: 10 }, (_, i) => {
  const r = i % 2 ? 2 : 5;
  return `${(r * Math.sin((i * Math.PI) / 5)).toFixed(2)},${(-r * Math.cos((i * Math.PI) / 5)).toFixed(2)}`;
}).join("L");
const polygon = (corners, turned = 0) => {
  const at = (i) => (2 * i * Math.PI) / corners + turned;
  return `M${Array.from({ length: corners }, (_, i) => `${(4 * Math.sin(at(i))).toFixed(2)},${(-4 * Math.cos(at(i))).toFixed(2)}`).join("L")}Z`;
};

const SHAPES = {
  o: "M-3.5,0a3.5,3.5 0 1 0 7,0a3.5,3.5 0 1 0 -7,0Z",
  s: "M-3.2,-3.2h6.4v6.4h-6.4Z",
  "^": "M0,-4.2L4,3.2H-4Z",
  v: "M0,4.2L4,-3.2H-4Z",
  "<": "M-4.2,0L3.2,4V-4Z",
  ">": "M4.2,0L-3.2,4V-4Z",
  D: "M0,-4.6L4.6,0L0,4.6L-4.6,0Z",
  d: "M0,-5L3,0L0,5L-3,0Z",
  P: "M-1.4,-4h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6Z",
  X: "M0,-1.8L2.4,-4.2L4.2,-2.4L1.8,0L4.2,2.4L2.4,4.2L0,1.8L-2.4,4.2L-4.2,2.4L-1.8,0L-4.2,-2.4L-2.4,-4.2Z",
  x: "M-3.4,-3.4L3.4,3.4M3.4,-3.4L-3.4,3.4",
  "*": `M${star}Z`,
  p: polygon(5),
  h: polygon(6),
  H: polygon(6, Math.PI / 6),
  8: polygon(8),
};

/** The path of a marker. */
export const shape = (marker) => SHAPES[marker] ?? SHAPES.o;
