import { css } from '@emotion/css';
import { GrafanaTheme2 } from '@grafana/data';
import { getBackendSrv } from '@grafana/runtime';
import { useStyles2 } from '@grafana/ui';
import { useEffect, useState } from 'react';
import { Link } from 'react-router-dom';

import { DashboardJson } from './model';

interface Entry {
  uid: string;
  title: string;
  tags?: string[];
  url: string;
}

/** The dashboards that a dashboard links to: those that have all tags of one of its links. */
export function DashboardLinks({ dashboard }: { dashboard: DashboardJson }) {
  const styles = useStyles2(getStyles);
  const [found, setFound] = useState<Entry[]>([]);
  useEffect(() => {
    const wanted = (dashboard.links ?? []).filter(({ type }) => type === 'dashboards');
    if (wanted.length > 0) {
      getBackendSrv()
        .get<Entry[]>('/api/search')
        .then((all) =>
          setFound(all.filter((entry) => wanted.some((link) => link.tags?.every((tag) => entry.tags?.includes(tag)))))
        );
    }
  }, [dashboard]);
  return (
    <nav className={styles}>
      {found
        .filter(({ uid }) => uid !== dashboard.uid)
        .map(({ uid, title, url }) => (
          <Link key={uid} to={url}>
            {title}
          </Link>
        ))}
    </nav>
  );
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    display: 'flex',
    flexWrap: 'wrap',
    gap: theme.spacing(0, 2),
    fontSize: theme.typography.bodySmall.fontSize,
    a: { color: theme.colors.text.link },
  });
