import { colorManipulator, DataFrame, GrafanaTheme2 } from '@grafana/data';
import { UPlotConfigBuilder } from '@grafana/ui';
import { useEffect, useLayoutEffect, useRef } from 'react';
import type uPlot from 'uplot';

/** An annotation as it is drawn: a line, or a region when it has an end. */
export interface Mark {
  from: number;
  to?: number;
  title: string;
  color: string;
}

/** Reads the annotation frames of a panel. */
export function annotationMarks(frames: DataFrame[], theme: GrafanaTheme2): Mark[] {
  return frames.flatMap((frame) => {
    const column = (name: string) => frame.fields.find((field) => field.name === name)?.values;
    const [time, timeEnd, title, text, color] = ['time', 'timeEnd', 'title', 'text', 'color'].map(column);
    const rows = Array.from({ length: time ? frame.length : 0 }, (_, row) => row);
    return rows.map((row) => ({
      from: time![row],
      to: timeEnd?.[row] > time![row] ? timeEnd?.[row] : undefined,
      title: plainText(title?.[row] || text?.[row] || ''),
      color: theme.visualization.getColorByName(color?.[row] || 'blue'),
    }));
  });
}

/** Draws the marks onto a graph: regions as a tint with their title on top, moments as a dashed line. */
export function Annotations({ config, marks }: { config: UPlotConfigBuilder; marks: Mark[] }) {
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(marks);
  useEffect(() => {
    latest.current = marks;
    plot.current?.redraw(false);
  }, [marks]);
  // Before the graph is made, which happens in an effect of the parent.
  useLayoutEffect(() => {
    config.addHook('init', (made) => {
      plot.current = made;
    });
    // Under the series, which must stay readable where many runs overlap.
    config.addHook('drawClear', (made) => draw(made, latest.current));
    config.addHook('destroy', () => {
      plot.current = null;
    });
  }, [config]);
  return null;
}

function draw(plot: uPlot, marks: Mark[]) {
  const { ctx, bbox } = plot;
  const pixels = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.font = `${11 * pixels}px sans-serif`;
  ctx.textBaseline = 'top';
  for (const { from, to, title, color } of marks) {
    const left = plot.valToPos(from, 'x', true);
    const right = to === undefined ? left : plot.valToPos(to, 'x', true);
    ctx.strokeStyle = right > left ? colorManipulator.alpha(color, 0.4) : color;
    ctx.lineWidth = pixels;
    ctx.setLineDash([4 * pixels, 3 * pixels]);
    for (const x of new Set([left, right])) {
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    if (right > left) {
      ctx.fillStyle = colorManipulator.alpha(color, 0.08);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.fillStyle = color;
      ctx.fillRect(left, bbox.top + bbox.height - 3 * pixels, right - left, 3 * pixels);
      const start = Math.max(left, bbox.left) + 4 * pixels;
      if (ctx.measureText(title).width < right - start - 4 * pixels) {
        ctx.fillText(title, start, bbox.top + 3 * pixels);
      }
    }
  }
  ctx.restore();
}

function plainText(html: string): string {
  return new DOMParser().parseFromString(html, 'text/html').body.textContent ?? '';
}
