import { css } from '@emotion/css';
import { DataSourceApi, DataSourceSettings, GrafanaTheme2 } from '@grafana/data';
import { getBackendSrv, getDataSourceSrv, isFetchError } from '@grafana/runtime';
import { Alert, Button, useStyles2 } from '@grafana/ui';
import { useCallback, useState } from 'react';
import { useParams } from 'react-router-dom';

import { texts } from '../boot/texts';
import { importDataSourcePlugin } from '../host/pluginLoader';
import { Loaded } from './Loaded';
import { column } from './styles';

interface Outcome {
  status: 'success' | 'error' | 'testing';
  message: string;
}

export function DataSourceEditPage() {
  const { uid } = useParams();
  const load = useCallback(async () => {
    const known = getDataSourceSrv().getInstanceSettings(uid);
    if (!known) {
      throw new Error(texts.notFound);
    }
    const [settings, plugin] = await Promise.all([
      getBackendSrv().get<DataSourceSettings>(`/api/datasources/uid/${known.uid}`),
      importDataSourcePlugin(known.meta),
    ]);
    return { settings, ConfigEditor: plugin.components.ConfigEditor };
  }, [uid]);
  return (
    <Loaded load={load}>
      {({ settings, ConfigEditor }) =>
        ConfigEditor ? (
          <Editor saved={settings} ConfigEditor={ConfigEditor} />
        ) : (
          <Alert title={texts.noConfig} severity="warning" />
        )
      }
    </Loaded>
  );
}

type ConfigEditorComponent = NonNullable<
  Awaited<ReturnType<typeof importDataSourcePlugin>>['components']['ConfigEditor']
>;

function Editor({ saved, ConfigEditor }: { saved: DataSourceSettings; ConfigEditor: ConfigEditorComponent }) {
  const styles = useStyles2(getStyles);
  const [settings, setSettings] = useState(saved);
  const [outcome, setOutcome] = useState<Outcome>();

  const saveAndTest = async () => {
    setOutcome({ status: 'testing', message: texts.testing });
    try {
      const url = `/api/datasources/uid/${settings.uid}`;
      const answer = await getBackendSrv().put<{ datasource: DataSourceSettings }>(url, settings);
      // Secrets that were typed are saved now, and are not shown again.
      setSettings({ ...answer.datasource, secureJsonData: {} });
      await getDataSourceSrv().reload();
      setOutcome(await test(await getDataSourceSrv().get(settings.uid)));
    } catch (error) {
      setOutcome({ status: 'error', message: describe(error) });
    }
  };
  return (
    <form
      className={styles}
      onSubmit={(event) => {
        event.preventDefault();
        void saveAndTest();
      }}
    >
      <h1>{settings.name}</h1>
      <p>{texts.savedInMemory}</p>
      <ConfigEditor options={settings} onOptionsChange={setSettings} />
      {outcome && (
        <Alert
          title={outcome.message}
          severity={outcome.status === 'testing' ? 'info' : outcome.status}
          data-testid="data-testid Alert health"
        />
      )}
      <Button
        type="submit"
        disabled={outcome?.status === 'testing'}
        data-testid="data-testid Data source settings page Save and Test button"
      >
        {texts.saveAndTest}
      </Button>
    </form>
  );
}

async function test(datasource: DataSourceApi): Promise<Outcome> {
  const { status, message } = await datasource.testDatasource();
  return { status: status === 'success' ? 'success' : 'error', message };
}

/** The health check fails with an object that has a message; HTTP with one that has the answer; the rest with errors. */
function describe(error: unknown): string {
  if (isFetchError(error)) {
    return error.data?.message ?? error.statusText ?? '';
  }
  if (typeof error === 'object' && error !== null && 'message' in error) {
    return String(error.message);
  }
  return String(error);
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    ...column(theme),
    justifyItems: 'stretch',
    p: { color: theme.colors.text.secondary, margin: 0 },
    '> button': { justifySelf: 'start' },
  });
