import { DataSourceWithBackend } from '@grafana/runtime';

import { Language } from './generated/model';
import { spokenLanguage } from './i18n';

/** What the plugin's resource endpoints list. */
export type CatalogPath =
  | 'plants'
  | 'lines'
  | 'machines'
  | 'sensors'
  | 'quantities'
  | 'references'
  | 'lots'
  | 'operators'
  | 'shifts'
  | 'states';

/** Narrows a listing. Lists are already free of variables. */
export interface CatalogFilter {
  plant?: string[];
  line?: string[];
  machine?: string[];
  reference?: string[];
  quantity?: string;
  search?: string;
  from?: string;
  to?: string;
  limit?: number;
  language?: Language;
}

export interface CatalogItem {
  value: string;
  label: string;
  description?: string;
}

export interface CatalogPage {
  items: CatalogItem[];
  truncated: boolean;
}

type Source = Pick<DataSourceWithBackend, 'getResource'>;

const FRESH_MS = 30_000;
const KEPT = 200;
const ALL = new Set(['*', '$__all']);

/** The address of a listing; filters that mean "all" are left out, and the same filter always gives the same text. */
export function catalogUrl(path: CatalogPath, filter: CatalogFilter = {}): string {
  const query = new URLSearchParams();
  for (const name of ['plant', 'line', 'machine', 'reference'] as const) {
    const values = filter[name] ?? [];
    if (!values.some((value) => ALL.has(value))) {
      [...values].sort().forEach((value) => query.append(name, value));
    }
  }
  for (const name of ['quantity', 'search', 'from', 'to', 'limit', 'language'] as const) {
    const value = filter[name];
    if (value !== undefined && value !== '' && !ALL.has(String(value))) {
      query.append(name, String(value));
    }
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}

/**
 * Lists plants, lines, lots and so on through the plugin's resource endpoints. Answers are kept for half a minute,
 * so that the pickers of an editor and the variables of a dashboard ask once.
 */
export class Catalog {
  private readonly answers = new Map<string, { at: number; page: Promise<CatalogPage> }>();

  constructor(
    private readonly source: Source,
    private readonly now: () => number = Date.now
  ) {}

  async list(path: CatalogPath, filter?: CatalogFilter): Promise<CatalogPage> {
    // Of all that is listed, only the states have names of the plugin's own.
    const language = path === 'states' ? await spokenLanguage() : undefined;
    return this.get(catalogUrl(path, { ...filter, language }));
  }

  /** The listing at an address made by `catalogUrl`. */
  get(url: string): Promise<CatalogPage> {
    const known = this.answers.get(url);
    if (known && this.now() - known.at < FRESH_MS) {
      return known.page;
    }
    // The pickers show a failure themselves; Grafana's own toast would come on top of it.
    const page = this.source.getResource<CatalogPage>(url, undefined, { showErrorAlert: false });
    this.answers.delete(url);
    this.answers.set(url, { at: this.now(), page });
    page.catch(() => this.answers.delete(url));
    const oldest = this.answers.keys().next();
    if (this.answers.size > KEPT && !oldest.done) {
      this.answers.delete(oldest.value);
    }
    return page;
  }
}

/** What to tell the user when a listing failed: the plugin's own message where there is one. */
export function failureText(error: unknown): string {
  if (typeof error === 'object' && error !== null) {
    const { data, message, statusText } = error as {
      data?: { message?: unknown };
      message?: unknown;
      statusText?: unknown;
    };
    for (const text of [data?.message, message, statusText]) {
      if (typeof text === 'string' && text !== '') {
        return text;
      }
    }
  }
  return String(error);
}
