import { RawTimeRange } from '@grafana/data';
import { DataQuery } from '@grafana/schema';

/** Address of the Explore page with a query and a time range. */
export function exploreUrl(query: DataQuery, range: { from: string; to: string }): string {
  return `/explore?${new URLSearchParams({ query: JSON.stringify(query), ...range })}`;
}

/** The query and time range of an address of the Explore page. */
export function parseExploreUrl(search: string): { query?: DataQuery; range: RawTimeRange } {
  const parameters = new URLSearchParams(search);
  const range = { from: parameters.get('from') ?? 'now-24h', to: parameters.get('to') ?? 'now' };
  try {
    return { query: JSON.parse(parameters.get('query') ?? 'null') ?? undefined, range };
  } catch {
    return { range };
  }
}
