import { css } from '@emotion/css';
import { GrafanaTheme2 } from '@grafana/data';
import { getDataSourceSrv } from '@grafana/runtime';
import { Badge, RadioButtonGroup, ToolbarButton, useStyles2 } from '@grafana/ui';
import { ReactNode } from 'react';
import { NavLink } from 'react-router-dom';

import { chooseLanguage, Language, preferredLanguage } from '../boot/preferences';
import { texts } from '../boot/texts';

const languages: Array<{ value: Language; label: string }> = [
  { value: 'en-US', label: 'EN' },
  { value: 'es-ES', label: 'ES' },
];

/** What is round every page: navigation, and the label that says what this is. */
export function Shell({ onToggleTheme, children }: { onToggleTheme: () => void; children: ReactNode }) {
  const styles = useStyles2(getStyles);
  const uid = getDataSourceSrv().getInstanceSettings()?.uid;
  return (
    <>
      <header className={styles}>
        <nav>
          <NavLink to="/" end>
            {texts.dashboards}
          </NavLink>
          <NavLink to="/explore">{texts.explore}</NavLink>
          <NavLink to="/alerting">{texts.alertRules}</NavLink>
          {uid && <NavLink to={`/datasources/edit/${uid}`}>{texts.dataSource}</NavLink>}
        </nav>
        <Badge text={texts.badge} color="orange" tooltip={texts.badgeHint} />
        <RadioButtonGroup options={languages} value={preferredLanguage()} onChange={chooseLanguage} size="sm" />
        <ToolbarButton icon="adjust-circle" tooltip={texts.theme} aria-label={texts.theme} onClick={onToggleTheme} />
      </header>
      <main>{children}</main>
    </>
  );
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(2),
    padding: theme.spacing(0.5, 2),
    background: theme.colors.background.primary,
    borderBottom: `1px solid ${theme.colors.border.weak}`,
    nav: { display: 'flex', gap: theme.spacing(2), marginRight: 'auto' },
    'nav a': { color: theme.colors.text.secondary, padding: theme.spacing(0.5, 0) },
    'nav a.active': { color: theme.colors.text.primary, borderBottom: `2px solid ${theme.colors.primary.main}` },
  });
