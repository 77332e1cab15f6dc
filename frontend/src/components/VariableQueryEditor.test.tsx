import { act, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React, { useState } from 'react';

import { LotwiseDataSource } from '../datasource';
import { factoryResource, FakeTemplates, SETTINGS } from '../test/fakes';
import { LotwiseVariableQuery } from '../types';
import { VariableQueryEditor } from './VariableQueryEditor';

const mockTemplates = new FakeTemplates({ line: ['M1'] }, { plant: '*' });
jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  getTemplateSrv: () => mockTemplates,
}));

async function show(saved: unknown) {
  const datasource = new LotwiseDataSource(SETTINGS);
  datasource.getResource = factoryResource as never;
  let newest: unknown;
  function Host() {
    const [query, setQuery] = useState(saved as LotwiseVariableQuery);
    newest = query;
    return <VariableQueryEditor datasource={datasource} query={query} onChange={setQuery} onRunQuery={() => {}} />;
  }
  // The pickers look their names up at once.
  await act(async () => void render(<Host />));
  return { newest: () => newest, user: userEvent.setup({ delay: null }) };
}

describe('VariableQueryEditor', () => {
  it('makes a query of the empty text that Grafana starts with', async () => {
    const { newest, user } = await show('');
    await user.click(screen.getByLabelText('Lists'));
    await user.click(await screen.findByRole('option', { name: 'Lines' }));
    expect(newest()).toEqual({ refId: 'LotwiseVariable', kind: 'line', search: '$__searchFilter' });
  });

  it('narrows by other variables', async () => {
    const { newest, user } = await show({ refId: 'V', kind: 'lot', search: '$__searchFilter' });
    await user.click(screen.getByLabelText('Of plant'));
    await user.click(await screen.findByRole('option', { name: /\$plant/ }));
    await user.keyboard('{Escape}');
    await user.click(screen.getByLabelText('Of reference'));
    await user.click(await screen.findByRole('option', { name: /Bracket 8/ }));
    expect(newest()).toMatchObject({ kind: 'lot', plants: ['$plant'], references: ['R-08'] });
  });

  it('shows only the filters of the kind', async () => {
    await show({ refId: 'V', kind: 'operator' });
    expect(screen.getByLabelText('Of plant')).toBeInTheDocument();
    expect(screen.queryByLabelText('Of line')).not.toBeInTheDocument();
    expect(screen.queryByLabelText('Quantity')).not.toBeInTheDocument();
  });
});
