import React, { useEffect, useId, useMemo, useRef } from 'react';

import { AnnotationQuery, QueryEditorProps } from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';
import { Alert, Combobox, Field, MultiCombobox, Text } from '@grafana/ui';

import { LotwiseDataSource } from '../datasource';
import { expandList } from '../expand';
import { Aggregate, Align, Context, Kpi, MODEL_VERSION, Place } from '../generated/model';
import { t } from '../i18n';
import { filterAbove, keepExisting, placeFilter } from '../place';
import {
  ANNOTATION_TYPES,
  asAnnotation,
  complete,
  CompleteQuery,
  formats,
  groupings,
  isBucket,
  isTable,
  QUERY_TYPES,
  uses,
  withGroup,
  withType,
} from '../query';
import { summarize } from '../summary';
import { aggregateWords, alignWords, formatWords, groupWords, kpiWords, queryTypeWords } from '../texts';
import { LotwiseOptions, LotwiseQuery } from '../types';
import { AnswerOptions } from './AnswerOptions';
import { BaselineRow } from './BaselineRow';
import { GoldenFrom } from './GoldenFrom';
import { KeyPicker } from './KeyPicker';
import { LimitInput } from './LimitInput';
import { bucketOptions } from './options';
import { QuantityPicker } from './QuantityPicker';
import { QueryDetails } from './QueryDetails';
import { Choice } from './Choice';
import { Row } from './Row';
import { SpcRow } from './SpcRow';
import { TimeFilters } from './TimeFilters';
import { useChange } from './useChange';

const KPIS: Kpi[] = [
  'energy',
  'energy_per_good_unit',
  'cost',
  'cost_per_good_unit',
  'co2',
  'co2_per_good_unit',
  'co2_market_based',
  'good_units',
  'scrap_units',
  'mean_temperature',
  'availability',
  'machine_hours',
];
const AGGREGATES: Aggregate[] = ['mean', 'min', 'max', 'first', 'last', 'sum', 'count', 'raw'];
const ALIGNMENTS: Align[] = ['elapsed', 'progress', 'time'];
const MINUTE_MS = 60_000;

export interface Props extends QueryEditorProps<LotwiseDataSource, LotwiseQuery, LotwiseOptions> {
  /** Given where Grafana edits an annotation: then the query is one for marked regions. */
  annotation?: AnnotationQuery<LotwiseQuery>;
}

const expand = (list: string[]) => expandList(list, getTemplateSrv());

/** Edits one query by picking. Every change is saved and run at once. */
export function QueryEditor({ datasource, query: saved, onChange, onRunQuery, range, annotation, data }: Props) {
  const query = complete(annotation ? asAnnotation(saved) : saved);
  const { catalog } = datasource;
  const id = useId();
  const edits = useRef(0);
  useEffect(
    () => () => {
      edits.current += 1;
    },
    []
  );

  const change = (next: CompleteQuery) => {
    edits.current += 1;
    onChange(next);
    onRunQuery();
  };

  const changePlace = async (part: Partial<Place>) => {
    const place = { ...query.place, ...part };
    change({ ...query, place });
    const edit = edits.current;
    const kept = await keepExisting(place, catalog, expand);
    // A later pick checks for itself, and a closed editor changes nothing.
    if (edits.current === edit && JSON.stringify(kept) !== JSON.stringify(place)) {
      change({ ...query, place: kept });
    }
  };
  const changeContext = (part: Partial<Context>) => change({ ...query, context: { ...query.context, ...part } });

  const above = placeFilter(query.place, expand);
  // Whole minutes, so that a dashboard that refreshes does not ask for the lots anew each time.
  const span = useMemo(() => {
    const rounded = (ms: number) => new Date(Math.floor(ms / MINUTE_MS) * MINUTE_MS).toISOString();
    return range ? { from: rounded(range.from.valueOf()), to: rounded(range.to.valueOf() + MINUTE_MS) } : {};
  }, [range]);

  const changeBucket = useChange(query.bucket, (bucket) => change({ ...query, bucket }));
  const uncertainBucket = !isBucket(query.bucket);

  return (
    <div data-testid="lotwise-query-editor">
      {query.version > MODEL_VERSION && (
        <Alert
          severity="warning"
          title={t('editor.newer', 'This query was saved by a newer Lotwise: update the plugin')}
        />
      )}
      <Row label={t('editor.query', 'Query')}>
        <Choice
          id={`${id}-type`}
          testId="lotwise-type"
          label={t('editor.type', 'Query type')}
          choices={annotation ? ANNOTATION_TYPES : QUERY_TYPES}
          words={queryTypeWords}
          value={query.type}
          onChange={(type) => change(withType(query, type))}
        />
      </Row>

      <Row label={t('editor.place', 'Place')}>
        <KeyPicker
          id={`${id}-plants`}
          testId="lotwise-plants"
          label={t('editor.plants', 'Plant')}
          placeholder={t('editor.plants-placeholder', 'All plants')}
          catalog={catalog}
          path="plants"
          filter={filterAbove('plants', above)}
          value={query.place.plants}
          onChange={(plants) => changePlace({ plants })}
        />
        <KeyPicker
          id={`${id}-lines`}
          testId="lotwise-lines"
          label={t('editor.lines', 'Line')}
          placeholder={t('editor.lines-placeholder', 'All lines')}
          catalog={catalog}
          path="lines"
          filter={filterAbove('lines', above)}
          value={query.place.lines}
          onChange={(lines) => changePlace({ lines })}
        />
        <KeyPicker
          id={`${id}-machines`}
          testId="lotwise-machines"
          label={t('editor.machines', 'Machine')}
          placeholder={t('editor.machines-placeholder', 'All machines')}
          catalog={catalog}
          path="machines"
          filter={filterAbove('machines', above)}
          value={query.place.machines}
          onChange={(machines) => changePlace({ machines })}
        />
        {uses(query.type, 'quantity') && (
          <QuantityPicker
            id={`${id}-quantity`}
            testId="lotwise-quantity"
            catalog={catalog}
            filter={filterAbove('quantities', above)}
            value={query.place.quantity}
            onChange={(quantity) => changePlace({ quantity })}
          />
        )}
        {uses(query.type, 'sensors') && (
          <KeyPicker
            id={`${id}-sensors`}
            testId="lotwise-sensors"
            label={t('editor.sensors', 'Sensor')}
            placeholder={t('editor.sensors-placeholder', 'All sensors')}
            catalog={catalog}
            path="sensors"
            filter={filterAbove('sensors', above)}
            value={query.place.sensors}
            onChange={(sensors) => changePlace({ sensors })}
          />
        )}
      </Row>

      {uses(query.type, 'context') && (
        <Row label={t('editor.context', 'While this was made')}>
          <KeyPicker
            id={`${id}-references`}
            testId="lotwise-references"
            label={t('editor.references', 'Reference')}
            placeholder={t('editor.references-placeholder', 'All references')}
            catalog={catalog}
            path="references"
            filter={filterAbove('references', above)}
            value={query.context.references}
            onChange={(references) => changeContext({ references })}
            marksUnknown="accepted"
          />
          <KeyPicker
            id={`${id}-lots`}
            testId="lotwise-lots"
            label={t('editor.lots', 'Lot')}
            placeholder={t('editor.lots-placeholder', 'All lots')}
            catalog={catalog}
            path="lots"
            filter={{ ...filterAbove('lots', above), reference: expand(query.context.references), ...span }}
            value={query.context.lots}
            onChange={(lots) => changeContext({ lots })}
            marksUnknown="accepted"
          />
          <KeyPicker
            id={`${id}-operators`}
            testId="lotwise-operators"
            label={t('editor.operators', 'Operator')}
            placeholder={t('editor.operators-placeholder', 'All operators')}
            catalog={catalog}
            path="operators"
            filter={{ plant: above.plant }}
            value={query.context.operators}
            onChange={(operators) => changeContext({ operators })}
            marksUnknown="accepted"
          />
        </Row>
      )}

      {uses(query.type, 'time') && (
        <TimeFilters
          id={id}
          catalog={catalog}
          plants={above.plant}
          value={query.context}
          shifts={uses(query.type, 'shifts')}
          onChange={changeContext}
        />
      )}

      <Row label={t('editor.answer', 'Answer')}>
        {uses(query.type, 'kpis') && (
          <Field label={t('editor.kpis', 'KPIs')} htmlFor={`${id}-kpis`} noMargin>
            <MultiCombobox
              id={`${id}-kpis`}
              data-testid="lotwise-kpis"
              placeholder={t('editor.kpis-placeholder', 'Energy, units and temperature')}
              width={50}
              isClearable
              options={KPIS.map((value) => ({ value, ...kpiWords(value) }))}
              value={query.kpis}
              onChange={(options) => change({ ...query, kpis: options.map((option) => option.value) })}
            />
          </Field>
        )}
        {uses(query.type, 'aggregate') && (
          <Choice
            id={`${id}-aggregate`}
            testId="lotwise-aggregate"
            label={t('editor.aggregate', 'Aggregate')}
            choices={AGGREGATES.filter((value) => value !== 'raw' || query.type === 'series')}
            words={aggregateWords}
            value={query.aggregate}
            onChange={(aggregate) => change({ ...query, aggregate })}
          />
        )}
        {uses(query.type, 'groupBy') && (
          <Choice
            id={`${id}-group-by`}
            testId="lotwise-group-by"
            label={t('editor.group-by', 'Group by')}
            width={20}
            choices={groupings(query.type)}
            words={groupWords}
            value={query.groupBy}
            onChange={(groupBy) => change(withGroup(query, groupBy))}
          />
        )}
        {uses(query.type, 'bucket') && (
          <Field
            label={t('editor.bucket', 'Time step')}
            htmlFor={`${id}-bucket`}
            noMargin
            invalid={uncertainBucket}
            error={uncertainBucket ? t('editor.bucket-unknown', 'Type a width such as 30s, 5m, 6h or 2d') : undefined}
          >
            <Combobox
              id={`${id}-bucket`}
              data-testid="lotwise-bucket"
              width={24}
              options={bucketOptions(query.bucket)}
              createCustomValue
              customValueDescription={t('picker.custom', 'Use as typed')}
              value={query.bucket}
              onChange={({ value }) => changeBucket(value.trim())}
            />
          </Field>
        )}
        {uses(query.type, 'format') && !annotation && (query.type !== 'kpi' || isTable(query)) && (
          <Choice
            id={`${id}-format`}
            testId="lotwise-format"
            label={t('editor.format', 'Format')}
            width={20}
            choices={formats(query.type, query.groupBy)}
            words={(value) => formatWords(value, query.type)}
            value={query.format}
            onChange={(format) => change({ ...query, format })}
          />
        )}
        {uses(query.type, 'learningDays') && (
          <LimitInput
            id={`${id}-learning-days`}
            testId="lotwise-learning-days"
            label={t('editor.learning-days', 'Days to learn from')}
            placeholder="30"
            least={10}
            most={90}
            value={query.learningDays}
            onChange={(learningDays) => change({ ...query, learningDays })}
          />
        )}
        {uses(query.type, 'learnFrom') && (
          <GoldenFrom id={id} query={query} onChange={(part) => change({ ...query, ...part })} />
        )}
        {uses(query.type, 'align') && (
          <>
            <Choice
              id={`${id}-align`}
              testId="lotwise-align"
              label={t('editor.align', 'Aligned on')}
              width={20}
              choices={ALIGNMENTS}
              words={alignWords}
              value={query.align}
              onChange={(align) => change({ ...query, align })}
            />
            <LimitInput
              id={`${id}-last-lots`}
              testId="lotwise-last-lots"
              label={t('editor.last-lots', 'Newest lots')}
              placeholder="10"
              most={200}
              value={query.lastLots}
              onChange={(lastLots) => change({ ...query, lastLots })}
            />
          </>
        )}
        {uses(query.type, 'limit') && (
          <LimitInput
            id={`${id}-limit`}
            testId="lotwise-limit"
            label={t('editor.limit', 'Limit')}
            placeholder="1000"
            most={10_000}
            value={query.limit}
            onChange={(limit) => change({ ...query, limit })}
          />
        )}
      </Row>

      {uses(query.type, 'spc') && <SpcRow id={id} value={query.spc} onChange={(spc) => change({ ...query, spc })} />}

      {uses(query.type, 'baseline') && (
        <BaselineRow
          id={id}
          query={query}
          catalog={catalog}
          filter={{ plant: above.plant }}
          onChange={(baseline) => change({ ...query, baseline })}
        />
      )}
      <AnswerOptions
        id={id}
        query={query}
        onChange={change}
        catalog={catalog}
        lots={{ ...filterAbove('lots', above), reference: expand(query.context.references) }}
      />

      <Text element="p" color="secondary" variant="bodySmall">
        <span data-testid="lotwise-summary">{summarize(query)}</span>
      </Text>
      <QueryDetails data={data} refId={query.refId} />
    </div>
  );
}
