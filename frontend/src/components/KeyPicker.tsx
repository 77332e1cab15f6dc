import React, { useMemo } from 'react';

import { ComboboxOption, Field, MultiCombobox } from '@grafana/ui';

import { Catalog, CatalogFilter, CatalogPath, catalogUrl } from '../catalog';
import { t } from '../i18n';
import { isKey } from '../place';
import { itemOption, searchOptions } from './options';
import { useListing } from './useListing';

const LISTED = 1000;

interface Props {
  id: string;
  testId: string;
  label: string;
  placeholder: string;
  catalog: Catalog;
  path: CatalogPath;
  /** What is chosen above this level, free of variables. */
  filter: CatalogFilter;
  value: string[];
  onChange: (value: string[]) => void;
  /** Marks keys that the database does not have. Not for lots: there are too many, and they depend on the time. */
  marksUnknown?: 'marked' | 'accepted';
  width?: number;
}

/** Picks several keys of one kind: by search, by typing one that is not listed, or as dashboard variables. */
export function KeyPicker({
  id,
  testId,
  label,
  placeholder,
  catalog,
  path,
  filter,
  value,
  onChange,
  marksUnknown = 'marked',
  width = 30,
}: Props) {
  const listing = useListing(catalog, catalogUrl(path, { ...filter, limit: LISTED }));
  const known = useMemo(
    () => new Map((listing.page?.items ?? []).map((item) => [item.value, itemOption(item)])),
    [listing.page]
  );
  const selected = value.map((key): ComboboxOption => {
    if (key === '*') {
      return { value: key, label: t('picker.all', 'All') };
    }
    return known.get(key) ?? { value: key, label: key };
  });
  const unknown =
    marksUnknown === 'marked' && listing.page && !listing.page.truncated
      ? value.filter((key) => isKey(key) && !known.has(key))
      : [];
  const problem =
    listing.failure ??
    (unknown.length > 0 ? t('picker.unknown', 'Not found there: {{keys}}', { keys: unknown.join(', ') }) : undefined);

  return (
    <Field label={label} htmlFor={id} noMargin invalid={problem !== undefined} error={problem}>
      <MultiCombobox
        id={id}
        data-testid={testId}
        placeholder={placeholder}
        width={width}
        isClearable
        options={(search) => searchOptions(catalog, path, filter, search)}
        value={selected}
        onChange={(options) => onChange(options.map((option) => option.value.trim()).filter((key) => key !== ''))}
      />
    </Field>
  );
}
