import { css } from '@emotion/css';
import React, { ReactNode } from 'react';

import { GrafanaTheme2 } from '@grafana/data';
import { useStyles2 } from '@grafana/ui';

const styles = (theme: GrafanaTheme2) => ({
  row: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'flex-start',
    gap: theme.spacing(2),
    padding: theme.spacing(1),
    marginBottom: theme.spacing(0.5),
    background: theme.colors.background.secondary,
    borderRadius: theme.shape.radius.default,
  }),
});

/** One row of an editor; its fields wrap on a narrow screen. */
export function Row({ label, children }: { label: string; children: ReactNode }) {
  const { row } = useStyles2(styles);
  return (
    <div className={row} role="group" aria-label={label}>
      {children}
    </div>
  );
}
