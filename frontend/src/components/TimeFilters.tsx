import React from 'react';

import { ComboboxOption, Field, MultiCombobox } from '@grafana/ui';

import { Catalog } from '../catalog';
import { Context } from '../generated/model';
import { t } from '../i18n';
import { STATES, stateWords } from '../texts';
import { KeyPicker } from './KeyPicker';
import { variableOptions } from './options';
import { Row } from './Row';

interface Props {
  id: string;
  catalog: Catalog;
  /** Keys of the plants whose shifts are offered, free of variables. */
  plants?: string[];
  value: Pick<Context, 'shifts' | 'states'>;
  /** Whether the type of query knows shifts too. */
  shifts: boolean;
  onChange: (value: Partial<Context>) => void;
}

/** Picks the shifts and machine states whose time counts. */
export function TimeFilters({ id, catalog, plants, value, shifts, onChange }: Props) {
  const states: ComboboxOption[] = STATES.map((state) => ({ value: state, ...stateWords(state) }));
  return (
    <Row label={t('editor.time', 'Only during')}>
      {shifts && (
        <KeyPicker
          id={`${id}-shifts`}
          testId="lotwise-shifts"
          label={t('editor.shifts', 'Shift')}
          placeholder={t('editor.shifts-placeholder', 'All shifts')}
          catalog={catalog}
          path="shifts"
          filter={{ plant: plants }}
          value={value.shifts}
          onChange={(next) => onChange({ shifts: next })}
        />
      )}
      <Field label={t('editor.states', 'Machine state')} htmlFor={`${id}-states`} noMargin>
        <MultiCombobox
          id={`${id}-states`}
          data-testid="lotwise-states"
          placeholder={t('editor.states-placeholder', 'Any state')}
          width={30}
          isClearable
          options={[...states, ...variableOptions()]}
          value={value.states.map((key) => states.find((state) => state.value === key) ?? { value: key, label: key })}
          onChange={(options) => onChange({ states: options.map((option) => option.value) })}
        />
      </Field>
    </Row>
  );
}
