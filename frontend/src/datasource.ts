import { from, Observable, switchMap } from 'rxjs';

import {
  AdHocVariableFilter,
  AnnotationSupport,
  CoreApp,
  DataQueryRequest,
  DataQueryResponse,
  DataSourceGetTagValuesOptions,
  DataSourceInstanceSettings,
  ScopedVars,
} from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv, HealthCheckResult, TemplateSrv } from '@grafana/runtime';

import { rulesOf, tagKeys, tagValues } from './adhoc';
import { Catalog } from './catalog';
import { expandList, expandText } from './expand';
import { Language } from './generated/model';
import { spokenLanguage } from './i18n';
import { asAnnotation, complete, NEW_ANNOTATION, NEW_QUERY, QUERY_TYPES } from './query';
import { summarize } from './summary';
import { queryTypeWords } from './texts';
import { LotwiseOptions, LotwiseQuery } from './types';
import { LotwiseVariables } from './variables';

/**
 * The front half of the data source. Queries go to the back end as they are saved; only dashboard variables are
 * replaced here, and the language of whoever looks is added, because only the front end knows them.
 */
export class LotwiseDataSource extends DataSourceWithBackend<LotwiseQuery, LotwiseOptions> {
  /** Lists plants, lines, lots and so on for the pickers. */
  readonly catalog = new Catalog(this);

  annotations: AnnotationSupport<LotwiseQuery> = {
    getDefaultQuery: () => ({ ...NEW_ANNOTATION, queryType: NEW_ANNOTATION.type }),
    prepareQuery: (annotation) => {
      const target = annotation.target ?? { refId: 'Anno', ...NEW_ANNOTATION };
      return asAnnotation(target);
    },
  };

  constructor(
    settings: DataSourceInstanceSettings<LotwiseOptions>,
    private readonly templates: TemplateSrv = getTemplateSrv()
  ) {
    super(settings);
    this.variables = new LotwiseVariables(this.catalog, templates);
  }

  getDefaultQuery(_app: CoreApp): Partial<LotwiseQuery> {
    return { ...NEW_QUERY, queryType: NEW_QUERY.type };
  }

  getSupportedQueryTypes() {
    return QUERY_TYPES.map((value) => ({ value, ...queryTypeWords(value) }));
  }

  getQueryDisplayText(query: LotwiseQuery): string {
    return summarize(complete(query));
  }

  filterQuery(query: LotwiseQuery): boolean {
    return !query.hide;
  }

  async getTagKeys() {
    return tagKeys();
  }

  getTagValues(options: DataSourceGetTagValuesOptions<LotwiseQuery>) {
    return tagValues(this.catalog, options);
  }

  /**
   * Asks in the language of whoever looks, unless the saved query names one. Added here and not with the variables,
   * or a query that is taken from a panel to Explore would keep it.
   */
  query(request: DataQueryRequest<LotwiseQuery>): Observable<DataQueryResponse> {
    return from(spokenLanguage()).pipe(
      switchMap((spoken) => {
        const targets = request.targets.map((target) => ({ ...target, language: target.language ?? spoken }));
        return super.query({ ...request, targets });
      })
    );
  }

  /** The connection test says what it found in both languages, because Grafana does not tell it who looks. */
  async callHealthCheck(): Promise<HealthCheckResult> {
    const [result, language] = await Promise.all([super.callHealthCheck(), spokenLanguage()]);
    const messages = result.details?.messages as Partial<Record<Language, string>> | undefined;
    return { ...result, message: messages?.[language] ?? result.message };
  }

  applyTemplateVariables(query: LotwiseQuery, scopedVars: ScopedVars, filters?: AdHocVariableFilter[]): LotwiseQuery {
    const list = (values?: string[]) => expandList(values, this.templates, scopedVars);
    const { place, context } = query;
    return {
      ...query,
      ...(place && {
        place: {
          ...place,
          plants: list(place.plants),
          lines: list(place.lines),
          machines: list(place.machines),
          sensors: list(place.sensors),
          ...(place.quantity !== undefined && {
            quantity: expandText(place.quantity, this.templates, scopedVars).replace(/^\*$/, ''),
          }),
        },
      }),
      ...(context && {
        context: {
          ...context,
          references: list(context.references),
          lots: list(context.lots),
          operators: list(context.operators),
          ...(context.shifts && { shifts: list(context.shifts) }),
          ...(context.states && { states: list(context.states) }),
        },
      }),
      ...(filters && filters.length > 0 && { filters: [...(query.filters ?? []), ...rulesOf(filters)] }),
      ...(query.compareLots && { compareLots: list(query.compareLots) }),
      ...(query.bucket !== undefined && { bucket: expandText(query.bucket, this.templates, scopedVars) }),
    };
  }
}
