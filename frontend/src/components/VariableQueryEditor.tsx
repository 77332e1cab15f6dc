import React, { useId } from 'react';

import { QueryEditorProps } from '@grafana/data';
import { getTemplateSrv } from '@grafana/runtime';

import type { LotwiseDataSource } from '../datasource';
import { expandList } from '../expand';
import { t } from '../i18n';
import { variableKindWords } from '../texts';
import { LotwiseOptions, LotwiseQuery, LotwiseVariableQuery } from '../types';
import { completeVariable, VARIABLE_KINDS, VariableFilter, variableFilters } from '../variables';
import { KeyPicker } from './KeyPicker';
import { QuantityPicker } from './QuantityPicker';
import { Choice } from './Choice';
import { Row } from './Row';

type Props = QueryEditorProps<LotwiseDataSource, LotwiseQuery, LotwiseOptions, LotwiseVariableQuery>;

const expand = (list: string[] | undefined) => expandList(list, getTemplateSrv());

/** Edits what a dashboard variable lists: a kind, narrowed by filters that may be other variables. */
export function VariableQueryEditor({ datasource, query: saved, onChange }: Props) {
  const query = completeVariable(saved);
  const { catalog } = datasource;
  const id = useId();
  const change = (part: Partial<LotwiseVariableQuery>) => onChange({ ...query, ...part });
  const shows = (filter: VariableFilter) => variableFilters(query.kind).includes(filter);

  const plant = expand(query.plants);
  const line = expand(query.lines);
  const machine = expand(query.machines);

  return (
    <div data-testid="lotwise-variable-editor">
      <Row label={t('variable.row', 'What the variable lists')}>
        <Choice
          id={`${id}-kind`}
          testId="lotwise-variable-kind"
          label={t('variable.kind', 'Lists')}
          choices={VARIABLE_KINDS}
          words={variableKindWords}
          value={query.kind}
          onChange={(kind) => change({ kind })}
        />
        {shows('plants') && (
          <KeyPicker
            id={`${id}-plants`}
            testId="lotwise-variable-plants"
            label={t('variable.plants', 'Of plant')}
            placeholder={t('editor.plants-placeholder', 'All plants')}
            catalog={catalog}
            path="plants"
            filter={{}}
            value={query.plants ?? []}
            onChange={(plants) => change({ plants })}
          />
        )}
        {shows('lines') && (
          <KeyPicker
            id={`${id}-lines`}
            testId="lotwise-variable-lines"
            label={t('variable.lines', 'Of line')}
            placeholder={t('editor.lines-placeholder', 'All lines')}
            catalog={catalog}
            path="lines"
            filter={{ plant }}
            value={query.lines ?? []}
            onChange={(lines) => change({ lines })}
          />
        )}
        {shows('machines') && (
          <KeyPicker
            id={`${id}-machines`}
            testId="lotwise-variable-machines"
            label={t('variable.machines', 'Of machine')}
            placeholder={t('editor.machines-placeholder', 'All machines')}
            catalog={catalog}
            path="machines"
            filter={{ plant, line }}
            value={query.machines ?? []}
            onChange={(machines) => change({ machines })}
          />
        )}
        {shows('references') && (
          <KeyPicker
            id={`${id}-references`}
            testId="lotwise-variable-references"
            label={t('variable.references', 'Of reference')}
            placeholder={t('editor.references-placeholder', 'All references')}
            catalog={catalog}
            path="references"
            filter={{ plant, line }}
            value={query.references ?? []}
            onChange={(references) => change({ references })}
          />
        )}
        {shows('quantity') && (
          <QuantityPicker
            id={`${id}-quantity`}
            testId="lotwise-variable-quantity"
            catalog={catalog}
            filter={{ plant, line, machine }}
            value={query.quantity ?? ''}
            onChange={(quantity) => change({ quantity })}
          />
        )}
      </Row>
    </div>
  );
}
