import { act, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import React, { useState } from 'react';

import { LotwiseDataSource } from '../datasource';
import { complete, NEW_QUERY } from '../query';
import { factoryResource, FakeTemplates, SETTINGS } from '../test/fakes';
import { LotwiseQuery } from '../types';
import { Props, QueryEditor } from './QueryEditor';

const mockTemplates = new FakeTemplates({ line: ['M1'] }, { plant: '*' });
jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  getTemplateSrv: () => mockTemplates,
}));

/** Shows the editor as Grafana does, and keeps what it saves, in the order of its calls. */
async function show(saved: Partial<LotwiseQuery>, more: Partial<Props> = {}, resource: unknown = factoryResource) {
  const datasource = new LotwiseDataSource(SETTINGS);
  datasource.getResource = resource as never;
  const calls: Array<LotwiseQuery | 'run'> = [];
  function Host() {
    const [query, setQuery] = useState<LotwiseQuery>({ refId: 'A', ...saved });
    return (
      <QueryEditor
        datasource={datasource}
        query={query}
        onChange={(next) => {
          calls.push(next);
          setQuery(next);
        }}
        onRunQuery={() => calls.push('run')}
        {...more}
      />
    );
  }
  // The pickers look their names up at once.
  await act(async () => void render(<Host />));
  const newest = () => calls.filter((call): call is LotwiseQuery => call !== 'run').at(-1);
  return { calls, newest, user: userEvent.setup({ delay: null }) };
}

async function pick(user: ReturnType<typeof userEvent.setup>, label: string, option: string | RegExp) {
  await user.click(screen.getByLabelText(label));
  await user.click(await screen.findByRole('option', { name: option }));
  await user.tab();
}

describe('QueryEditor', () => {
  it('saves what is picked, then runs it', async () => {
    const { calls, newest, user } = await show({ type: 'kpi', kpis: ['energy'], bucket: 'day' });
    await pick(user, 'Plant', /Madrid/);
    expect(newest()).toEqual({
      ...complete({ refId: 'A', type: 'kpi', kpis: ['energy'], bucket: 'day' }),
      place: { plants: ['madrid'], lines: [], machines: [], sensors: [], quantity: '' },
    });
    expect(calls.at(-1)).toBe('run');
    expect(calls.indexOf('run')).toBe(1);
  });

  it('offers what is under the picks above, and the dashboard variables', async () => {
    const { newest, user } = await show({ type: 'runs', place: { plants: ['porto'] } });
    await user.click(screen.getByLabelText('Line'));
    await screen.findByRole('option', { name: /Pressing 1/ });
    expect(screen.queryByRole('option', { name: /Moulding/ })).not.toBeInTheDocument();
    await user.click(screen.getByRole('option', { name: /\$line/ }));
    await user.click(screen.getByRole('option', { name: /Pressing 1/ }));
    expect(newest()?.place?.lines).toEqual(['$line', 'P1']);
  });

  it('asks the database for what is typed', async () => {
    const { newest, user } = await show({ type: 'runs' });
    const lines = screen.getByLabelText('Line');
    await user.type(lines, 'ing 2');
    await user.click(await screen.findByRole('option', { name: /Moulding 2/ }));
    expect(newest()?.place?.lines).toEqual(['M2']);
  });

  it('takes a key that is not listed', async () => {
    const { newest, user } = await show({ type: 'runs' });
    await user.type(screen.getByLabelText('Lot'), 'L-9999');
    await user.click(await screen.findByRole('option', { name: /L-9999/ }));
    expect(newest()?.context?.lots).toEqual(['L-9999']);
  });

  it('drops a line that another plant does not have, and runs again', async () => {
    const { newest, user } = await show({
      type: 'runs',
      place: { plants: [], lines: ['M1', '$line'], machines: ['M1-oven'] },
    });
    await pick(user, 'Plant', /Porto/);
    await waitFor(() => expect(newest()?.place).toMatchObject({ plants: ['porto'], lines: ['$line'], machines: [] }));
  });

  it('marks a saved key that the database does not have', async () => {
    await show({ type: 'runs', place: { lines: ['M1', 'M99'] } });
    expect(await screen.findByText('Not found there: M99')).toBeInTheDocument();
  });

  it('shows what the plugin says when a listing fails', async () => {
    const failing = () => Promise.reject({ status: 503, data: { code: 'database', message: 'The database is down.' } });
    const { user } = await show({ type: 'runs' }, {}, failing);
    expect((await screen.findAllByText('The database is down.')).length).toBeGreaterThan(0);
    await user.click(screen.getByLabelText('Line'));
    expect(await screen.findByRole('option', { name: /\$line/ })).toBeInTheDocument();
  });

  it('shows only the fields of the query type, and keeps the others for the way back', async () => {
    const { newest, user } = await show({
      type: 'series',
      groupBy: 'sensor',
      place: { quantity: 'power' },
      aggregate: 'max',
    });
    expect(screen.getByLabelText('Aggregate')).toBeInTheDocument();
    expect(screen.queryByTestId('lotwise-kpis')).not.toBeInTheDocument();

    await pick(user, 'Query type', /^KPIs/);
    expect(newest()).toMatchObject({ type: 'kpi', queryType: 'kpi', groupBy: 'none', aggregate: 'max' });
    expect(screen.queryByLabelText('Aggregate')).not.toBeInTheDocument();
    expect(screen.queryByLabelText('Sensor')).not.toBeInTheDocument();
    expect(screen.getByTestId('lotwise-kpis')).toBeInTheDocument();

    await pick(user, 'Query type', /^Latest values/);
    expect(screen.queryByLabelText('Reference')).not.toBeInTheDocument();
    expect(screen.queryByLabelText('Time step')).not.toBeInTheDocument();

    await pick(user, 'Query type', /^Values over time/);
    expect(newest()).toMatchObject({ type: 'series', aggregate: 'max', place: { quantity: 'power' } });
  });

  it('picks KPIs, grouping and time step', async () => {
    const { newest, user } = await show({ type: 'kpi' });
    await user.click(screen.getByTestId('lotwise-kpis'));
    await user.click(await screen.findByRole('option', { name: /^Good units/ }));
    await user.click(screen.getByRole('option', { name: /^Energy \(kWh\)/ }));
    await user.keyboard('{Escape}');
    await pick(user, 'Group by', 'Reference');
    await pick(user, 'Time step', /^Shift/);
    expect(newest()).toMatchObject({ kpis: ['good_units', 'energy'], groupBy: 'reference', bucket: 'shift' });
    expect(screen.getByTestId('lotwise-summary')).toHaveTextContent(
      'Good units, Energy (kWh) by reference, per shift of the plant, everywhere.'
    );
    await user.click(screen.getByLabelText('Group by'));
    expect(await screen.findByRole('option', { name: 'Lot' })).toBeInTheDocument();
    expect(screen.queryByRole('option', { name: 'Sensor' })).not.toBeInTheDocument();
  });

  it('compares lots on elapsed time or progress, and drops a step that the calendar gives', async () => {
    const { newest, user } = await show({ type: 'series', bucket: 'day', groupBy: 'operator' });
    await pick(user, 'Query type', /^Compare lots/);
    expect(newest()).toMatchObject({ type: 'lots', bucket: 'auto', groupBy: 'none' });
    await pick(user, 'Aligned on', /^Progress/);
    await user.type(screen.getByLabelText('Newest lots'), '25');
    await user.tab();
    expect(newest()).toMatchObject({ align: 'progress', lastLots: 25 });
    expect(screen.getByTestId('lotwise-summary')).toHaveTextContent(
      'Mean of every quantity of the newest 25 lots, everywhere.'
    );
  });

  it('picks shifts and machine states, and drops them for a type that does not know them', async () => {
    const { newest, user } = await show({ type: 'kpi', kpis: ['energy'] });
    await user.click(screen.getByLabelText('Shift'));
    await user.click(await screen.findByRole('option', { name: /Night/ }));
    await user.keyboard('{Escape}');
    await user.click(screen.getByLabelText('Machine state'));
    await user.click(await screen.findByRole('option', { name: 'Idle' }));
    await user.keyboard('{Escape}');
    expect(newest()?.context).toMatchObject({ shifts: ['night'], states: ['idle'] });
    expect(screen.getByTestId('lotwise-summary')).toHaveTextContent(
      'Energy (kWh), in steps that fit the panel, everywhere, during shift night, machines idle.'
    );
    await pick(user, 'Query type', /^Runs/);
    expect(newest()?.context).toMatchObject({ shifts: [], states: [] });
    expect(screen.queryByLabelText('Shift')).not.toBeInTheDocument();
  });

  it('compares KPIs with another time or other lots, and shows the top ones', async () => {
    const { newest, user } = await show({ ...NEW_QUERY, groupBy: 'reference' });
    await pick(user, 'Compare with', 'A week earlier');
    await user.type(screen.getByLabelText('Only the top'), '5{Enter}');
    expect(newest()).toMatchObject({ compare: 'week', top: 5 });
    expect(screen.getByTestId('lotwise-summary')).toHaveTextContent(
      'The top 5 by the first KPI, the others as one, compared with: a week earlier.'
    );
    await pick(user, 'Compare with', /^Other lots/);
    await user.type(screen.getByLabelText('Other lots'), 'L-0009');
    await user.click(await screen.findByRole('option', { name: /L-0009/ }));
    expect(newest()).toMatchObject({ compare: 'lots', compareLots: ['L-0009'] });
    expect(screen.queryByLabelText('Gaps')).not.toBeInTheDocument();

    await pick(user, 'Query type', /^Values over time/);
    expect(newest()).toMatchObject({ compare: 'none', extremes: true });
    await user.clear(screen.getByLabelText('Only the top'));
    await user.type(screen.getByLabelText('Only the top'), '3{Enter}');
    expect(screen.getByTestId('lotwise-summary')).toHaveTextContent('nly the 3 with the highest mean');
    await user.clear(screen.getByLabelText('Only the top'));
    await user.tab();
    expect(newest()).toMatchObject({ top: 0 });
    await pick(user, 'Gaps', /^The value before/);
    await user.click(screen.getByLabelText('Show extremes'));
    expect(newest()).toMatchObject({ fill: 'previous', extremes: false });
  });

  it('marks machine states as an annotation, only some of them', async () => {
    const { newest, user } = await show({}, { annotation: { name: 'Stops', enable: true, iconColor: 'red' } });
    await pick(user, 'Query type', /^States over time/);
    await user.click(screen.getByLabelText('Machine state'));
    await user.click(await screen.findByRole('option', { name: 'Stopped' }));
    expect(newest()).toMatchObject({ type: 'states', format: 'annotations', context: { states: ['stopped'] } });
    expect(screen.queryByLabelText('Shift')).not.toBeInTheDocument();
    // States can be those of a reference's runs.
    expect(screen.getByLabelText('Reference')).toBeInTheDocument();
  });

  it('takes a typed time step, and only one that exists', async () => {
    const { newest, user } = await show({ type: 'series' });
    const step = screen.getByLabelText('Time step');
    await user.click(step);
    await user.keyboard('fortnight');
    await user.click(await screen.findByRole('option', { name: /fortnight/ }));
    expect(await screen.findByText('Type a width such as 30s, 5m, 6h or 2d')).toBeInTheDocument();
    await user.click(step);
    await user.keyboard('30s');
    await user.click(await screen.findByRole('option', { name: /30s/ }));
    expect(newest()?.bucket).toBe('30s');
  });

  it('says when a saved time step is none', async () => {
    await show({ type: 'series', bucket: 'fortnight' });
    expect(screen.getByText('Type a width such as 30s, 5m, 6h or 2d')).toBeInTheDocument();
  });

  it('offers a typed name as the key that it stands for, not as a key of its own', async () => {
    const { newest, user } = await show({ type: 'runs' });
    await user.type(screen.getByLabelText('Plant'), 'madrid');
    await user.type(screen.getByLabelText('Line'), 'moulding 1');
    const options = await screen.findAllByRole('option', { name: /moulding 1/i });
    expect(options).toHaveLength(1);
    await user.click(options[0]);
    expect(newest()?.place?.lines).toEqual(['M1']);
  });

  it('picks and clears the quantity', async () => {
    const { newest, user } = await show({ type: 'latest' });
    await pick(user, 'Quantity', /power/);
    expect(newest()?.place?.quantity).toBe('power');
    await user.click(screen.getByLabelText('Quantity'));
    await user.keyboard('{Escape}{Escape}');
    expect(newest()?.place?.quantity).toBe('');
  });

  it('saves the limit when the field is left, within bounds', async () => {
    const { newest, calls, user } = await show({ type: 'runs' });
    await user.type(screen.getByLabelText('Limit'), '250000');
    expect(calls).toEqual([]);
    await user.tab();
    expect(newest()?.limit).toBe(10_000);
    await user.clear(screen.getByLabelText('Limit'));
    await user.tab();
    expect(newest()?.limit).toBe(0);
  });

  it('asks for anomalies with the days to learn from, within what the back end takes', async () => {
    const { newest, user } = await show({ type: 'anomalies' });
    const days = screen.getByTestId('lotwise-learning-days');
    await user.type(days, '3{Enter}');
    expect(newest()).toMatchObject({ type: 'anomalies', learningDays: 10 });
    await user.clear(days);
    await user.type(days, '45{Enter}');
    expect(newest()?.learningDays).toBe(45);
    await user.clear(days);
    await user.tab();
    expect(newest()?.learningDays).toBe(0);
  });

  it('compares with the golden lot, learned from all good lots or from the best', async () => {
    const { newest, user } = await show({ type: 'golden', bucket: 'auto' });
    expect(screen.queryByTestId('lotwise-best-percent')).not.toBeInTheDocument();
    await pick(user, 'Learn from', /The best lots/);
    expect(newest()).toMatchObject({ type: 'golden', learnFrom: 'best' });
    await user.type(screen.getByLabelText('or their number'), '3{Enter}');
    expect(newest()).toMatchObject({ bestLots: 5, bestPercent: 0 });
    await user.type(screen.getByLabelText('Best lots (%)'), '40{Enter}');
    expect(newest()).toMatchObject({ bestLots: 0, bestPercent: 40 });
    expect(screen.getByTestId('lotwise-summary')).toHaveTextContent('from the best lots before it');
    await pick(user, 'Format', /^Curves/);
    expect(newest()?.format).toBe('curves');
  });

  it('marks anomalies as an annotation', async () => {
    const { newest, user } = await show({}, { annotation: { name: 'Runs', enable: true, iconColor: 'red' } });
    await pick(user, 'Query type', /^Anomalies/);
    expect(newest()).toMatchObject({ type: 'anomalies', queryType: 'anomalies', format: 'annotations' });
    await user.click(screen.getByLabelText('Query type'));
    expect(screen.queryByRole('option', { name: /^KPIs/ })).not.toBeInTheDocument();
  });

  it('edits an annotation as a query for runs', async () => {
    const { newest, user } = await show({}, { annotation: { name: 'Runs', enable: true, iconColor: 'red' } });
    await user.click(screen.getByLabelText('Query type'));
    expect(await screen.findAllByRole('option')).toHaveLength(6);
    await user.tab();
    expect(screen.queryByLabelText('Format')).not.toBeInTheDocument();
    await pick(user, 'Reference', /Bracket 7/);
    expect(newest()).toMatchObject({ type: 'runs', format: 'annotations', context: { references: ['R-07'] } });
  });

  it('warns about a query of a newer version and keeps its version', async () => {
    const { newest, user } = await show({ version: 2, type: 'runs' });
    expect(screen.getByText(/newer Lotwise/)).toBeInTheDocument();
    await pick(user, 'Operator', /Ana/);
    expect(newest()?.version).toBe(2);
  });

  it('labels every field', async () => {
    await show({ type: 'series' });
    for (const row of screen.getAllByRole('group')) {
      for (const input of within(row).queryAllByRole('combobox')) {
        expect(input).toHaveAccessibleName();
      }
    }
  });
});
