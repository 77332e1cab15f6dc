/** Round numbers (1, 2, 2.5 or 5 times a power of ten) from below `min` to above `max`, about `count` of them. */
export function niceTicks(min: number, max: number, count: number): number[] {
  const rough = (max - min) / Math.max(2, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const first = Math.floor(min / step);
  const last = Math.ceil(max / step);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}
