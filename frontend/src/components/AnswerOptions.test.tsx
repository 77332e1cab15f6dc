import { act, render, screen } from '@testing-library/react';
import React from 'react';

import { Catalog } from '../catalog';
import { complete } from '../query';
import { factoryResource, FakeTemplates } from '../test/fakes';
import { LotwiseQuery } from '../types';
import { AnswerOptions } from './AnswerOptions';

jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  getTemplateSrv: () => new FakeTemplates(),
}));

async function show(query: Partial<LotwiseQuery>) {
  const catalog = new Catalog({ getResource: factoryResource as never });
  const whole = complete({ refId: 'A', ...query });
  await act(
    async () => void render(<AnswerOptions id="a" query={whole} onChange={() => {}} catalog={catalog} lots={{}} />)
  );
}

describe('AnswerOptions', () => {
  it('says beside the field what the back end would refuse', async () => {
    await show({ type: 'series', aggregate: 'max', fill: 'zero' });
    expect(screen.getByText('Zero is for amounts, not for levels')).toBeInTheDocument();
    await show({ type: 'kpi', compare: 'lots' });
    expect(screen.getByText('Choose the lots to compare with')).toBeInTheDocument();
  });

  it('says nothing where nothing is wrong', async () => {
    await show({ type: 'series', aggregate: 'sum', fill: 'zero' });
    expect(screen.queryByText('Zero is for amounts, not for levels')).not.toBeInTheDocument();
  });

  it('shows nothing for types that have none of these options', async () => {
    await show({ type: 'latest' });
    expect(screen.queryByRole('group')).not.toBeInTheDocument();
  });
});
