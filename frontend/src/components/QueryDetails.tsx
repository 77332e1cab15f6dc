import { css } from '@emotion/css';
import React from 'react';

import { GrafanaTheme2, PanelData } from '@grafana/data';
import { useStyles2 } from '@grafana/ui';

import { t } from '../i18n';

/** What the back end says of an answer (`meta.custom` of its frames). */
interface Provenance {
  source?: string;
  reason?: string;
  estimatedRows?: number | null;
  coverage?: number | null;
}

/** How a query was answered: where its figures come from, why, and the SQL. Nothing before there is an answer. */
export function QueryDetails({ data, refId }: { data?: PanelData; refId: string }) {
  const styles = useStyles2(getStyles);
  const meta = data?.series.find((frame) => frame.refId === refId && frame.meta?.executedQueryString)?.meta;
  if (!meta) {
    return null;
  }
  const { source, reason, estimatedRows, coverage }: Provenance = meta.custom ?? {};
  const facts: Array<[string, string | undefined]> = [
    [t('details.source', 'Read from'), source],
    [t('details.reason', 'Why'), reason],
    [t('details.rows', 'Rows read, estimated'), estimatedRows == null ? undefined : estimatedRows.toLocaleString()],
    [t('details.coverage', 'Coverage'), coverage == null ? undefined : `${(coverage * 100).toFixed(1)} %`],
  ];
  return (
    <details className={styles} data-testid="lotwise-details">
      <summary>{t('details.title', 'How it was answered')}</summary>
      <dl>
        {facts.map(
          ([name, value]) =>
            value && (
              <React.Fragment key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </React.Fragment>
            )
        )}
      </dl>
      {/* Focusable, so that a long statement can be scrolled by keyboard. */}
      <pre tabIndex={0} aria-label={t('details.sql', 'SQL, with its parameters')}>
        {meta.executedQueryString}
      </pre>
    </details>
  );
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    marginTop: theme.spacing(1),
    fontSize: theme.typography.bodySmall.fontSize,
    summary: { cursor: 'pointer', color: theme.colors.text.secondary },
    dl: {
      display: 'grid',
      gridTemplateColumns: 'max-content auto',
      gap: theme.spacing(0.5, 2),
      margin: theme.spacing(1, 0),
    },
    dt: { fontWeight: theme.typography.fontWeightMedium },
    pre: { maxHeight: 300, overflow: 'auto', margin: 0 },
  });
