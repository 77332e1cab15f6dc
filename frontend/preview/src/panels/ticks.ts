/** Round numbers (1, 2, 2.5 or 5 times a power of ten) from below `min` to above `max`, about `count` of them. */
export function niceTicks(min: number, max: number, count: number): number[] {
  const rough = (max - min) / Math.max(2, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const first = Math.floor(min / step);
  const last = Math.ceil(max / step);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

const SECOND = 1;
const MINUTE = 60;
const HOUR = 3600;
const DAY = 24 * HOUR;
const STEPS = [1, 5, 10, 30]
  .map((count) => count * SECOND)
  .concat(
    [1, 2, 5, 10, 15, 30].map((count) => count * MINUTE),
    [1, 2, 3, 6, 12].map((count) => count * HOUR),
    [1, 2, 7, 14, 28].map((count) => count * DAY)
  );

/** Round times, in seconds, inside a range: at most `count` of them, at multiples of a step. */
export function timeTicks(from: number, to: number, count: number): number[] {
  const step = STEPS.find((candidate) => (to - from) / candidate <= count) ?? to - from;
  const first = Math.ceil(from / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, index) => first + index * step);
}
