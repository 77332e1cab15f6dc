import { css } from '@emotion/css';
import { GrafanaTheme2 } from '@grafana/data';
import { getBackendSrv } from '@grafana/runtime';
import { UrlSyncContextProvider } from '@grafana/scenes';
import { useStyles2 } from '@grafana/ui';
import { useCallback, useMemo } from 'react';
import { useParams } from 'react-router-dom';

import { DashboardLinks } from '../dashboard/Links';
import { DashboardJson } from '../dashboard/model';
import { dashboardScene } from '../dashboard/scene';
import { Loaded } from './Loaded';

export function DashboardPage() {
  const { uid = '' } = useParams();
  const load = useCallback(
    () => getBackendSrv().get<{ dashboard: DashboardJson }>(`/api/dashboards/uid/${encodeURIComponent(uid)}`),
    [uid]
  );
  return <Loaded load={load}>{({ dashboard }) => <Dashboard dashboard={dashboard} />}</Loaded>;
}

function Dashboard({ dashboard }: { dashboard: DashboardJson }) {
  const styles = useStyles2(getStyles);
  const scene = useMemo(() => dashboardScene(dashboard), [dashboard]);
  return (
    <div className={styles}>
      <title>{dashboard.title}</title>
      <div>
        <h1>{dashboard.title}</h1>
        <DashboardLinks dashboard={dashboard} />
      </div>
      <UrlSyncContextProvider scene={scene} updateUrlOnInit createBrowserHistorySteps>
        <scene.Component model={scene} />
      </UrlSyncContextProvider>
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    padding: theme.spacing(2),
    '> div:first-child': { display: 'flex', alignItems: 'baseline', gap: theme.spacing(3) },
    h1: { fontSize: theme.typography.h3.fontSize, margin: theme.spacing(0, 0, 1) },
  });
