import { render, screen } from '@testing-library/react';
import userEvent, { UserEvent } from '@testing-library/user-event';
import React, { useState } from 'react';

import { DataSourceSettings } from '@grafana/data';

import { LotwiseOptions, LotwiseSecrets } from '../types';
import { ConfigEditor } from './ConfigEditor';
import { readerSql } from './readerSql';

type Settings = DataSourceSettings<LotwiseOptions, LotwiseSecrets>;

function show(start: Partial<Settings> = {}) {
  let settings = { id: 1, jsonData: {}, secureJsonFields: {}, ...start } as Settings;
  function Host() {
    const [options, setOptions] = useState(settings);
    settings = options;
    return <ConfigEditor options={options} onOptionsChange={setOptions} />;
  }
  render(<Host />);
  return { settings: () => settings, user: userEvent.setup({ delay: null }) };
}

async function enter(user: UserEvent, input: HTMLElement, text: string) {
  await user.click(input);
  await user.paste(text);
}

const SECRETS = [
  [/^Password/, 'pa55-word'],
  [/^Client key/, 'KEY-pem'],
  [/^Client certificate/, 'CERT-pem'],
  [/^Certificate authority/, 'CA-pem'],
] as const;

describe('ConfigEditor', () => {
  it('saves the connection', async () => {
    const { settings, user } = show();
    await enter(user, screen.getByLabelText(/^Host/), 'db.example.org');
    await enter(user, screen.getByLabelText('Port'), '6432');
    await enter(user, screen.getByLabelText(/^Database/), 'factory');
    await enter(user, screen.getByLabelText(/^User/), 'viewer');
    expect(settings().jsonData).toEqual({ host: 'db.example.org', port: 6432, database: 'factory', user: 'viewer' });
  });

  it('saves read replicas as a list of hosts', async () => {
    const { settings, user } = show({ jsonData: { host: 'primary' } });
    await user.click(screen.getByLabelText(/^Read replicas/));
    await user.paste('replica-1:5433');
    await user.click(await screen.findByRole('option', { name: /replica-1:5433/ }));
    expect(settings().jsonData).toEqual({ host: 'primary', readHosts: ['replica-1:5433'] });
  });

  it('keeps every secret out of jsonData', async () => {
    const { settings, user } = show({ jsonData: { tlsMode: 'verify-full' } });
    for (const [label, secret] of SECRETS) {
      await enter(user, screen.getByLabelText(label), secret);
    }
    expect(settings().secureJsonData).toEqual({
      password: 'pa55-word',
      tlsClientKey: 'KEY-pem',
      tlsClientCert: 'CERT-pem',
      tlsCACert: 'CA-pem',
    });
    const { secureJsonData, ...stored } = settings();
    for (const [, secret] of SECRETS) {
      expect(JSON.stringify(stored)).not.toContain(secret);
    }
  });

  it('does not show a stored secret, and forgets it on reset', async () => {
    const { settings, user } = show({ secureJsonFields: { password: true } });
    expect(screen.getByLabelText('Password')).toBeDisabled();
    await user.click(screen.getByRole('button', { name: 'Reset' }));
    expect(settings().secureJsonFields.password).toBe(false);
    await enter(user, screen.getByLabelText('Password'), 'new');
    expect(settings().secureJsonData).toEqual({ password: 'new' });
  });

  it('asks for certificates only where they are used', async () => {
    const { settings, user } = show();
    expect(screen.queryByLabelText(/^Certificate authority/)).not.toBeInTheDocument();
    expect(screen.getByLabelText('Client key')).toBeInTheDocument();
    await user.click(screen.getByLabelText(/^TLS/));
    await user.click(await screen.findByRole('option', { name: /^Check authority and host name/ }));
    expect(settings().jsonData.tlsMode).toBe('verify-full');
    expect(screen.getByLabelText(/^Certificate authority/)).toBeInTheDocument();
    await user.click(screen.getByLabelText(/^TLS/));
    await user.click(await screen.findByRole('option', { name: /^Off/ }));
    expect(screen.queryByLabelText('Client key')).not.toBeInTheDocument();
  });

  it('saves the scope as keys and a cleared number as absent', async () => {
    const { settings, user } = show({ jsonData: { maxConnections: 4 } });
    await enter(user, screen.getByLabelText(/^Plants/), 'madrid');
    await user.click(await screen.findByRole('option', { name: /madrid/ }));
    await user.keyboard('{Escape}');
    await user.clear(screen.getByLabelText(/^Connections/));
    expect(settings().jsonData).toEqual({ plants: ['madrid'], maxConnections: undefined });
  });

  it('shows how to create a user that may only read', async () => {
    const { user } = show();
    await enter(user, screen.getByLabelText(/^User/), 'viewer');
    expect(screen.getByTestId('lotwise-config-reader-sql')).toHaveTextContent('GRANT lotwise_reader TO "viewer";');
  });
});

describe('readerSql', () => {
  it('quotes names', () => {
    expect(readerSql('a"b', 'my db', 8)).toContain('GRANT CONNECT ON DATABASE "my db" TO "a""b";');
  });
});
