import React from 'react';

import { t } from '../i18n';
import { NumberInput } from './NumberInput';

interface Props {
  id: string;
  testId: string;
  value: number;
  onChange: (value: number) => void;
}

/** The most rows or series of an answer. */
export function LimitInput(props: Props) {
  return <NumberInput label={t('editor.limit', 'Limit')} placeholder="1000" least={1} most={10_000} {...props} />;
}
