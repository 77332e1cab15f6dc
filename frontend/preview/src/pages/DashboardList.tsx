import { css } from '@emotion/css';
import { GrafanaTheme2 } from '@grafana/data';
import { getBackendSrv } from '@grafana/runtime';
import { Card, useStyles2 } from '@grafana/ui';

import { preferredLanguage } from '../boot/preferences';
import { texts } from '../boot/texts';
import { Loaded } from './Loaded';

interface Entry {
  uid: string;
  title: string;
  description?: string;
  tags?: string[];
  url: string;
}

/** Ours are there in each language, and say in a tag which. */
const isOfLanguage = ({ tags = [] }: Entry) => !tags.includes(preferredLanguage() === 'es-ES' ? 'english' : 'español');

const load = () => getBackendSrv().get<Entry[]>('/api/search');

export function DashboardList() {
  const styles = useStyles2(getStyles);
  return (
    <Loaded load={load}>
      {(dashboards) => (
        <div className={styles}>
          <h2>{texts.dashboards}</h2>
          {dashboards.length === 0 && <p>{texts.noDashboards}</p>}
          {dashboards.filter(isOfLanguage).map(({ uid, title, description, url }) => (
            <Card key={uid} href={url} noMargin>
              <Card.Heading>{title}</Card.Heading>
              {description && <Card.Description>{description}</Card.Description>}
            </Card>
          ))}
        </div>
      )}
    </Loaded>
  );
}

const getStyles = (theme: GrafanaTheme2) =>
  css({ display: 'grid', gap: theme.spacing(1), maxWidth: 900, margin: '0 auto', padding: theme.spacing(3) });
