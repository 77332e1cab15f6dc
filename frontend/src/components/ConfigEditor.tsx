import React, { ChangeEvent, useId } from 'react';

import { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import {
  Alert,
  ClipboardButton,
  Combobox,
  Field,
  FieldSet,
  Input,
  MultiCombobox,
  SecretInput,
  SecretTextArea,
} from '@grafana/ui';

import { t } from '../i18n';
import { tlsWords } from '../texts';
import { LotwiseOptions, LotwiseSecrets, TlsMode } from '../types';
import { readerSql } from './readerSql';

const WIDE = 60;
const TLS_MODES: TlsMode[] = ['verify-full', 'verify-ca', 'require', 'disable'];
const DEFAULT_TLS: TlsMode = 'require';
const DEFAULT_CONNECTIONS = 8;

type Props = DataSourcePluginOptionsEditorProps<LotwiseOptions, LotwiseSecrets>;
type Texts = 'host' | 'database' | 'user';
type Numbers = 'port' | 'maxConnections' | 'statementTimeoutSeconds' | 'maxPoints';
type Lists = 'plants' | 'lines' | 'readHosts';

/** Settings of the data source. Secrets go to `secureJsonData` only, which Grafana encrypts and never sends back. */
export function ConfigEditor({ options, onOptionsChange }: Props) {
  const id = useId();
  const { jsonData, secureJsonData, secureJsonFields } = options;
  const tlsMode = jsonData.tlsMode ?? DEFAULT_TLS;
  const sql = readerSql(jsonData.user, jsonData.database, jsonData.maxConnections ?? DEFAULT_CONNECTIONS);

  const set = (part: Partial<LotwiseOptions>) => onOptionsChange({ ...options, jsonData: { ...jsonData, ...part } });

  const text = (field: Texts) => ({
    id: `${id}-${field}`,
    'data-testid': `lotwise-config-${field}`,
    width: WIDE,
    value: jsonData[field] ?? '',
    onChange: (event: ChangeEvent<HTMLInputElement>) => set({ [field]: event.currentTarget.value }),
  });

  const number = (field: Numbers, least: number, most: number, usual: number) => ({
    id: `${id}-${field}`,
    'data-testid': `lotwise-config-${field}`,
    type: 'number',
    min: least,
    max: most,
    width: 20,
    placeholder: String(usual),
    value: jsonData[field] ?? '',
    onChange: (event: ChangeEvent<HTMLInputElement>) => {
      const typed = event.currentTarget.valueAsNumber;
      set({ [field]: Number.isFinite(typed) ? Math.trunc(typed) : undefined });
    },
  });

  const list = (field: Lists) => ({
    id: `${id}-${field}`,
    'data-testid': `lotwise-config-${field}`,
    width: WIDE,
    isClearable: true,
    createCustomValue: true,
    customValueDescription:
      field === 'readHosts' ? t('config.host-add', 'Add this host') : t('config.key', 'Add this key'),
    noOptionsMessage: field === 'readHosts' ? t('config.host-type', 'Type a host') : t('config.key-type', 'Type a key'),
    options: (jsonData[field] ?? []).map((value) => ({ value })),
    value: jsonData[field] ?? [],
    onChange: (chosen: Array<{ value: string }>) =>
      set({ [field]: chosen.map(({ value }) => value.trim()).filter((value) => value !== '') }),
  });

  const secret = (field: keyof LotwiseSecrets) => ({
    id: `${id}-${field}`,
    'data-testid': `lotwise-config-${field}`,
    isConfigured: Boolean(secureJsonFields?.[field]),
    value: secureJsonData?.[field] ?? '',
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      onOptionsChange({ ...options, secureJsonData: { ...secureJsonData, [field]: event.currentTarget.value } }),
    onReset: () =>
      onOptionsChange({
        ...options,
        secureJsonFields: { ...secureJsonFields, [field]: false },
        secureJsonData: { ...secureJsonData, [field]: '' },
      }),
  });

  return (
    <div data-testid="lotwise-config-editor">
      <Alert severity="info" title={t('config.reader-title', 'Connect with a user that may only read')}>
        <p>
          {t(
            'config.reader-text',
            'Whoever may see a dashboard can send queries through this data source. Let the database administrator create a user for it that can read, and nothing else:'
          )}
        </p>
        <pre data-testid="lotwise-config-reader-sql">{sql}</pre>
        <ClipboardButton variant="secondary" size="sm" icon="copy" getText={() => sql}>
          {t('config.reader-copy', 'Copy')}
        </ClipboardButton>
      </Alert>

      <FieldSet label={t('config.connection', 'Connection')}>
        <Field label={t('config.host', 'Host')} htmlFor={`${id}-host`} required>
          <Input {...text('host')} placeholder="timescale.example.org" />
        </Field>
        <Field label={t('config.port', 'Port')} htmlFor={`${id}-port`}>
          <Input {...number('port', 1, 65_535, 5432)} />
        </Field>
        <Field
          label={t('config.read-hosts', 'Read replicas')}
          description={t(
            'config.read-hosts-description',
            'Hosts (or host:port) that are asked by turns instead of the host above, which answers when they do not. Same database, user and encryption'
          )}
          htmlFor={`${id}-readHosts`}
        >
          <MultiCombobox {...list('readHosts')} placeholder={t('config.read-hosts-placeholder', 'None')} />
        </Field>
        <Field label={t('config.database', 'Database')} htmlFor={`${id}-database`} required>
          <Input {...text('database')} placeholder="lotwise" />
        </Field>
        <Field label={t('config.user', 'User')} htmlFor={`${id}-user`} required>
          <Input {...text('user')} placeholder="lotwise_grafana" autoComplete="off" />
        </Field>
        <Field label={t('config.password', 'Password')} htmlFor={`${id}-password`}>
          <SecretInput {...secret('password')} width={WIDE} autoComplete="new-password" />
        </Field>
      </FieldSet>

      <FieldSet label={t('config.tls', 'Encryption')}>
        <Field
          label={t('config.tls-mode', 'TLS')}
          description={tlsWords(tlsMode).description}
          htmlFor={`${id}-tls-mode`}
        >
          <Combobox<TlsMode>
            id={`${id}-tls-mode`}
            data-testid="lotwise-config-tls-mode"
            width={WIDE}
            options={TLS_MODES.map((value) => ({ value, ...tlsWords(value) }))}
            value={tlsMode}
            onChange={({ value }) => set({ tlsMode: value })}
          />
        </Field>
        {tlsMode.startsWith('verify') && (
          <Field
            label={t('config.ca', 'Certificate authority')}
            description={t('config.ca-description', "PEM. Empty: the authorities that Grafana's machine trusts")}
            htmlFor={`${id}-tlsCACert`}
          >
            <SecretTextArea {...secret('tlsCACert')} rows={5} cols={WIDE} placeholder="-----BEGIN CERTIFICATE-----" />
          </Field>
        )}
        {tlsMode !== 'disable' && (
          <>
            <Field
              label={t('config.client-cert', 'Client certificate')}
              description={t('config.client-description', 'PEM. Only where the database asks for one')}
              htmlFor={`${id}-tlsClientCert`}
            >
              <SecretTextArea
                {...secret('tlsClientCert')}
                rows={5}
                cols={WIDE}
                placeholder="-----BEGIN CERTIFICATE-----"
              />
            </Field>
            <Field label={t('config.client-key', 'Client key')} htmlFor={`${id}-tlsClientKey`}>
              <SecretTextArea
                {...secret('tlsClientKey')}
                rows={5}
                cols={WIDE}
                placeholder="-----BEGIN PRIVATE KEY-----"
              />
            </Field>
          </>
        )}
      </FieldSet>

      <FieldSet label={t('config.scope', 'Scope')}>
        <Field
          label={t('config.plants', 'Plants')}
          description={t('config.plants-description', 'Keys of the plants that may be shown. Empty: all')}
          htmlFor={`${id}-plants`}
        >
          <MultiCombobox {...list('plants')} placeholder={t('editor.plants-placeholder', 'All plants')} />
        </Field>
        <Field
          label={t('config.lines', 'Lines')}
          description={t('config.lines-description', 'Keys of the lines that may be shown. Empty: all')}
          htmlFor={`${id}-lines`}
        >
          <MultiCombobox {...list('lines')} placeholder={t('editor.lines-placeholder', 'All lines')} />
        </Field>
      </FieldSet>

      <FieldSet label={t('config.limits', 'Limits')}>
        <Field
          label={t('config.max-connections', 'Connections')}
          description={t('config.max-connections-description', 'The most that are open at a time')}
          htmlFor={`${id}-maxConnections`}
        >
          <Input {...number('maxConnections', 1, 100, DEFAULT_CONNECTIONS)} />
        </Field>
        <Field
          label={t('config.timeout', 'Statement timeout (seconds)')}
          description={t('config.timeout-description', 'After this time the database gives a query up')}
          htmlFor={`${id}-statementTimeoutSeconds`}
        >
          <Input {...number('statementTimeoutSeconds', 1, 3600, 30)} />
        </Field>
        <Field
          label={t('config.max-points', 'Points in an answer')}
          description={t('config.max-points-description', 'A query that would send more is refused')}
          htmlFor={`${id}-maxPoints`}
        >
          <Input {...number('maxPoints', 1000, 5_000_000, 1_000_000)} />
        </Field>
      </FieldSet>
    </div>
  );
}
