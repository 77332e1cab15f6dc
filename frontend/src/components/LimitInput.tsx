import React, { useState } from 'react';

import { Field, Input } from '@grafana/ui';

interface Props {
  id: string;
  testId: string;
  label: string;
  /** What an empty field stands for. */
  placeholder: string;
  /** Least number but 0, which is the default. */
  least?: number;
  most: number;
  value: number;
  onChange: (value: number) => void;
}

const bounded = (typed: number, least: number, most: number) =>
  typed <= 0 ? 0 : Math.min(Math.max(typed, least), most);

/** A number within bounds; empty, which is 0, is the default. Takes effect on Enter or when the field is left. */
export function LimitInput({ id, testId, label, placeholder, least = 1, most, value, onChange }: Props) {
  const [draft, setDraft] = useState<string>();
  const commit = () => {
    if (draft !== undefined) {
      const typed = Math.trunc(Number(draft));
      const next = Number.isFinite(typed) ? bounded(typed, least, most) : value;
      setDraft(undefined);
      if (next !== value) {
        onChange(next);
      }
    }
  };
  return (
    <Field label={label} htmlFor={id} noMargin>
      <Input
        id={id}
        data-testid={testId}
        type="number"
        min={0}
        max={most}
        width={12}
        placeholder={placeholder}
        value={draft ?? (value === 0 ? '' : String(value))}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(event) => event.key === 'Enter' && commit()}
      />
    </Field>
  );
}
