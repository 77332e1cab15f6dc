import { Catalog, CatalogFilter, CatalogPath } from './catalog';
import { Place } from './generated/model';

type Expand = (list: string[]) => string[];

const CHILDREN = [
  ['lines', 'lines'],
  ['machines', 'machines'],
  ['sensors', 'sensors'],
] as const satisfies ReadonlyArray<readonly [keyof Place, CatalogPath]>;

const CHECKED_AT_MOST = 1000;

/** The resource filter that a place stands for, its variables replaced. */
export function placeFilter(place: Place, expand: Expand): CatalogFilter {
  return {
    plant: expand(place.plants),
    line: expand(place.lines),
    machine: expand(place.machines),
    quantity: place.quantity === '' ? undefined : expand([place.quantity])[0],
  };
}

/** The filter for the picker of one level: everything above it, nothing at its own level or below. */
export function filterAbove(level: CatalogPath, filter: CatalogFilter): CatalogFilter {
  const { plant, line, machine, quantity } = filter;
  switch (level) {
    case 'plants':
      return {};
    case 'lines':
      return { plant };
    case 'machines':
      return { plant, line };
    case 'sensors':
      return { plant, line, machine, quantity };
    case 'quantities':
      return { plant, line, machine };
    default:
      return { plant, line };
  }
}

/** A key that somebody picked or typed, as opposed to a variable or "all". */
export function isKey(value: string): boolean {
  return !value.includes('$') && value !== '*';
}

/**
 * Drops the lines, machines and sensors that do not exist under what is now chosen above them. Where the database
 * cannot tell (too many, or not reachable) everything is kept.
 */
export async function keepExisting(place: Place, catalog: Catalog, expand: Expand): Promise<Place> {
  const kept = { ...place };
  for (const [field, path] of CHILDREN) {
    if (!kept[field].some(isKey)) {
      continue;
    }
    try {
      const above = filterAbove(path, placeFilter(kept, expand));
      const page = await catalog.list(path, { ...above, limit: CHECKED_AT_MOST });
      if (!page.truncated) {
        const known = new Set(page.items.map((item) => item.value));
        kept[field] = kept[field].filter((value) => !isKey(value) || known.has(value));
      }
    } catch {
      return kept;
    }
  }
  return kept;
}
