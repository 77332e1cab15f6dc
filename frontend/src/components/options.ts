import { ComboboxOption } from '@grafana/ui';
import { getTemplateSrv } from '@grafana/runtime';

import { Catalog, CatalogFilter, CatalogItem, CatalogPath, failureText } from '../catalog';
import { t } from '../i18n';

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

/** Choices for what was typed: variables first, then what the database has. */
export async function searchOptions(
  catalog: Catalog,
  path: CatalogPath,
  filter: CatalogFilter,
  search: string
): Promise<ComboboxOption[]> {
  const variables = variableOptions(search);
  if (search.startsWith('$')) {
    return variables;
  }
  try {
    const page = await catalog.list(path, { ...filter, search, limit: PAGE });
    const more = page.truncated ? [note(t('picker.more', 'There are more: type to narrow the list'))] : [];
    return [...variables, ...page.items.map(itemOption), ...more];
  } catch (error) {
    return [...variables, note(failureText(error))];
  }
}
