import React, { useState } from 'react';

import { Field, Input } from '@grafana/ui';

interface Props {
  id: string;
  testId: string;
  label: string;
  /** Shows what an empty field stands for. */
  placeholder: string;
  /** Bounds of what can be typed; empty is 0, the default. */
  least: number;
  most: number;
  value: number;
  onChange: (value: number) => void;
}

/** A whole number; empty is the default. Takes effect on Enter or when the field is left. */
export function NumberInput({ id, testId, label, placeholder, least, most, value, onChange }: Props) {
  const [draft, setDraft] = useState<string>();
  const commit = () => {
    if (draft === undefined) {
      return;
    }
    const typed = Math.trunc(Number(draft));
    const bounded = typed <= 0 ? 0 : Math.min(Math.max(typed, least), most);
    const next = Number.isFinite(typed) ? bounded : value;
    setDraft(undefined);
    if (next !== value) {
      onChange(next);
    }
  };
  return (
    <Field label={label} htmlFor={id} noMargin>
      <Input
        id={id}
        data-testid={testId}
        type="number"
        min={least}
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
