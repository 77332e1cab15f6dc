import React from 'react';

import { Combobox, Field } from '@grafana/ui';

import { useChange } from './useChange';

interface Props<T extends string> {
  id: string;
  testId: string;
  label: string;
  choices: readonly T[];
  /** How a choice is called. */
  words: (choice: T) => { label: string; description?: string };
  value: T;
  onChange: (value: T) => void;
  width?: number;
  /** Why it cannot be, for people. */
  error?: string;
}

/** A box with one of some choices, and its label. */
export function Choice<T extends string>(props: Props<T>) {
  const { id, testId, label, choices, words, value, onChange, width = 24, error } = props;
  const change = useChange(value, onChange);
  return (
    <Field label={label} htmlFor={id} noMargin invalid={error !== undefined} error={error}>
      <Combobox<T>
        id={id}
        data-testid={testId}
        width={width}
        options={choices.map((choice) => ({ value: choice, ...words(choice) }))}
        value={value}
        onChange={(option) => change(option.value)}
      />
    </Field>
  );
}
