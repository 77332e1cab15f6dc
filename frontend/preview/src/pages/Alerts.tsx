import { css } from '@emotion/css';
import { AppEvents, GrafanaTheme2 } from '@grafana/data';
import { Alert, useStyles2 } from '@grafana/ui';
import { useEffect, useState } from 'react';

import { appEvents } from '../host/appEvents';

type Severity = 'error' | 'warning' | 'success';

interface Note {
  id: number;
  severity: Severity;
  title: string;
}

const events = {
  error: AppEvents.alertError,
  warning: AppEvents.alertWarning,
  success: AppEvents.alertSuccess,
} as const;

/** Shows what is published as an alert, in the corner, for some seconds. */
export function Alerts() {
  const styles = useStyles2(getStyles);
  const [notes, setNotes] = useState<Note[]>([]);
  useEffect(() => {
    let next = 0;
    const forget = (id: number) => setNotes((shown) => shown.filter((note) => note.id !== id));
    const listeners = (Object.keys(events) as Severity[]).map((severity) => {
      const listener = (payload: unknown) => {
        const note = { id: next++, severity, title: String([payload].flat()[0]) };
        setNotes((shown) => [...shown, note]);
        setTimeout(() => forget(note.id), 6000);
      };
      appEvents.on(events[severity], listener);
      return () => appEvents.off(events[severity], listener);
    });
    return () => listeners.forEach((stop) => stop());
  }, []);
  return (
    <div className={styles}>
      {notes.map(({ id, severity, title }) => (
        <Alert key={id} title={title} severity={severity} elevated />
      ))}
    </div>
  );
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    position: 'fixed',
    top: theme.spacing(6),
    right: theme.spacing(2),
    zIndex: theme.zIndex.portal,
    maxWidth: 420,
  });
