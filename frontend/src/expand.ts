import { ScopedVars } from '@grafana/data';
import { TemplateSrv } from '@grafana/runtime';

// Control characters that no key holds mark the values of a variable inside the replaced text.
const OPEN = '\u0001';
const BETWEEN = '\u0002';
const CLOSE = '\u0003';
const MARKED = new RegExp(`${OPEN}([^${CLOSE}]*)${CLOSE}`);

function mark(value: unknown): string {
  const values = Array.isArray(value) ? value : [value];
  return OPEN + values.map(String).join(BETWEEN) + CLOSE;
}

function unfold(text: string): string[] {
  const found = MARKED.exec(text);
  if (!found) {
    return [text];
  }
  const before = text.slice(0, found.index);
  const after = text.slice(found.index + found[0].length);
  return found[1].split(BETWEEN).flatMap((value) => unfold(before + value + after));
}

/**
 * Replaces the variables in a list of keys. A variable with several values becomes several entries,
 * never one joined string, so that no key has to be parsed or escaped further on.
 */
export function expandList(list: string[] | undefined, templates: TemplateSrv, scopedVars?: ScopedVars): string[] {
  const expanded = (list ?? []).flatMap((entry) => unfold(templates.replace(entry, scopedVars, mark)));
  return [...new Set(expanded.filter((entry) => entry !== ''))];
}

/** Replaces the variables in a single value. Several values stay visible, so that the back end can refuse them. */
export function expandText(text: string | undefined, templates: TemplateSrv, scopedVars?: ScopedVars): string {
  return unfold(templates.replace(text ?? '', scopedVars, mark)).join(', ');
}
