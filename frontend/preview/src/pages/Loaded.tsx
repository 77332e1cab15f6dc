import { isFetchError } from '@grafana/runtime';
import { Alert, LoadingPlaceholder } from '@grafana/ui';
import { ReactNode } from 'react';
import { useAsync } from 'react-use';

import { texts } from '../boot/texts';

/** Shows what `load` gives, or that it is loading, or why it failed. `load` is called anew when it changes. */
export function Loaded<T>({ load, children }: { load: () => Promise<T>; children: (value: T) => ReactNode }) {
  const { loading, error, value } = useAsync(load, [load]);
  if (error) {
    return <Alert title={message(error)} severity="error" />;
  }
  if (loading || value === undefined) {
    return <LoadingPlaceholder text={texts.loading} />;
  }
  return children(value);
}

function message(error: unknown): string {
  if (isFetchError(error)) {
    return error.data?.message ?? error.statusText ?? '';
  }
  return error instanceof Error ? error.message : String(error);
}
