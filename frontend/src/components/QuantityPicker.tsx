import React from 'react';

import { Combobox, Field } from '@grafana/ui';

import { Catalog, CatalogFilter } from '../catalog';
import { t } from '../i18n';
import { searchOptions } from './options';
import { useChange } from './useChange';

interface Props {
  id: string;
  testId: string;
  catalog: Catalog;
  filter: CatalogFilter;
  value: string;
  onChange: (value: string) => void;
}

/** Picks what is measured: temperature, power, … or any. */
export function QuantityPicker({ id, testId, catalog, filter, value, onChange }: Props) {
  const change = useChange(value, onChange);
  return (
    <Field label={t('editor.quantity', 'Quantity')} htmlFor={id} noMargin>
      <Combobox
        id={id}
        data-testid={testId}
        placeholder={t('editor.quantity-placeholder', 'Any quantity')}
        width={24}
        isClearable
        options={(search) => searchOptions(catalog, 'quantities', filter, search)}
        value={value === '' ? null : { value, label: value }}
        onChange={(option) => change(option?.value.trim() ?? '')}
      />
    </Field>
  );
}
