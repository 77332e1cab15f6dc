import { render, screen } from '@testing-library/react';
import React from 'react';

import { createDataFrame, getDefaultTimeRange, LoadingState, PanelData } from '@grafana/data';

import { QueryDetails } from './QueryDetails';

const answer = (custom: object): PanelData => ({
  state: LoadingState.Done,
  timeRange: getDefaultTimeRange(),
  series: [
    createDataFrame({ refId: 'A', fields: [] }),
    createDataFrame({ refId: 'A', fields: [], meta: { executedQueryString: 'SELECT 1', custom } }),
  ],
});

test('says where the figures come from, and how', () => {
  const data = answer({ source: 'hours', reason: 'a long range', estimatedRows: 12345, coverage: 0.9876 });
  render(<QueryDetails data={data} refId="A" />);
  const details = screen.getByTestId('lotwise-details');
  expect(details).toHaveTextContent(/Read from.*hours.*Why.*a long range.*12,345.*98\.8 %/);
  expect(screen.getByLabelText('SQL, with its parameters')).toHaveTextContent('SELECT 1');
});

test('is not there before the answer, nor for what was not said', () => {
  const { rerender } = render(<QueryDetails refId="A" />);
  expect(screen.queryByTestId('lotwise-details')).toBeNull();
  rerender(<QueryDetails data={answer({})} refId="B" />);
  expect(screen.queryByTestId('lotwise-details')).toBeNull();
  rerender(<QueryDetails data={answer({ coverage: null })} refId="A" />);
  expect(screen.getByTestId('lotwise-details')).not.toHaveTextContent('Coverage');
});
