import React, { ComponentType, lazy, Suspense } from 'react';

import { LoadingPlaceholder } from '@grafana/ui';

import { translationsReady } from './i18n';

/** A component whose code and translations are loaded when it is first shown, to keep dashboards quick to open. */
export function lazily<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  const Loaded = lazy(async () => {
    const [component] = await Promise.all([load(), translationsReady()]);
    return { default: component };
  });
  return function Lazily(props: P) {
    return (
      <Suspense fallback={<LoadingPlaceholder text="…" />}>
        <Loaded {...props} />
      </Suspense>
    );
  };
}
