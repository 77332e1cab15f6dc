import { ComboboxOption } from '@grafana/ui';
import { getTemplateSrv } from '@grafana/runtime';

import { Catalog, CatalogFilter, CatalogItem, CatalogPath, failureText } from '../catalog';
import { t } from '../i18n';
import { BUCKETS, bucketWords } from '../texts';

const PAGE = 100;
const OFFERED = new Set(['query', 'custom', 'textbox', 'constant']);

/** The dashboard's variables that can stand in a filter, as `$name`. */
export function variableOptions(search = ''): ComboboxOption[] {
  const wanted = search.toLowerCase();
  return getTemplateSrv()
    .getVariables()
    .filter(({ type }) => OFFERED.has(type))
    .map(({ name }) => ({
      value: `$${name}`,
      label: `$${name}`,
      description: t('picker.variable', 'Dashboard variable'),
    }))
    .filter(({ value }) => value.toLowerCase().includes(wanted));
}

/** An entry of a listing as a choice; its key is shown where the name does not tell it. */
export function itemOption({ value, label, description }: CatalogItem): ComboboxOption {
  const detail = [label === value ? undefined : value, description].filter(Boolean).join(' · ');
  return { value, label, ...(detail !== '' && { description: detail }) };
}

function note(label: string): ComboboxOption {
  return { value: `note:${label}`, label, infoOption: true };
}

/** What was typed as a choice of its own, last, unless it is already among the others. */
export function withTyped(options: ComboboxOption[], typed: string, description: string): ComboboxOption[] {
  const text = typed.trim();
  const same = (other?: string) => other?.toLowerCase() === text.toLowerCase();
  const offered = options.some(({ value, label }) => value === text || same(label));
  return text === '' || offered ? options : [...options, { value: text, label: text, description }];
}

/** Choices for what was typed: variables first, then what the database has, then the text itself. */
export async function searchOptions(
  catalog: Catalog,
  path: CatalogPath,
  filter: CatalogFilter,
  search: string
): Promise<ComboboxOption[]> {
  const asTyped = t('picker.custom', 'Use as typed');
  const variables = variableOptions(search);
  if (search.startsWith('$')) {
    return withTyped(variables, search, asTyped);
  }
  try {
    const page = await catalog.list(path, { ...filter, search, limit: PAGE });
    const found = withTyped([...variables, ...page.items.map(itemOption)], search, asTyped);
    return page.truncated ? [...found, note(t('picker.more', 'There are more: type to narrow the list'))] : found;
  } catch (error) {
    return [...withTyped(variables, search, asTyped), note(failureText(error))];
  }
}

/** Choices of time steps: the usual ones, variables, and the chosen one. Any width that the back end knows can be typed. */
export function bucketOptions(chosen: string): Array<ComboboxOption<string>> {
  const usual = [...BUCKETS.map((value) => ({ value, ...bucketWords(value) })), ...variableOptions()];
  return usual.some(({ value }) => value === chosen) ? usual : [...usual, { value: chosen, ...bucketWords(chosen) }];
}
