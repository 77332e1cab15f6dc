import { GrafanaTheme2 } from '@grafana/data';

/** A page of one column, read from top to bottom. */
export const column = (theme: GrafanaTheme2) => ({
  display: 'grid',
  gap: theme.spacing(2),
  maxWidth: 900,
  margin: '0 auto',
  padding: theme.spacing(3),
  h1: { fontSize: theme.typography.h3.fontSize, margin: 0 },
});

/** A part of a page that stands out from its ground. */
export const box = (theme: GrafanaTheme2) => ({
  padding: theme.spacing(2),
  background: theme.colors.background.primary,
  border: `1px solid ${theme.colors.border.weak}`,
  borderRadius: theme.shape.radius.default,
});
