import { AnnotationSupport, CoreApp, DataSourceInstanceSettings, ScopedVars } from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv, TemplateSrv } from '@grafana/runtime';

import { Catalog } from './catalog';
import { expandList, expandText } from './expand';
import { DEFAULT_ANNOTATION, DEFAULT_MODEL } from './query';
import { LotwiseOptions, LotwiseQuery } from './types';

/**
 * The front half of the data source. Queries go to the back end as they are saved; only dashboard variables are
 * replaced here, because only the front end knows them.
 */
export class LotwiseDataSource extends DataSourceWithBackend<LotwiseQuery, LotwiseOptions> {
  /** Lists plants, lines, lots and so on for the pickers. */
  readonly catalog = new Catalog(this);

  annotations: AnnotationSupport<LotwiseQuery> = {
    getDefaultQuery: () => DEFAULT_ANNOTATION,
    prepareQuery: (annotation) => {
      const target = annotation.target ?? { refId: 'Anno', ...DEFAULT_ANNOTATION };
      return { ...target, type: 'runs', queryType: 'runs', format: 'annotations' };
    },
  };

  constructor(
    settings: DataSourceInstanceSettings<LotwiseOptions>,
    private readonly templates: TemplateSrv = getTemplateSrv()
  ) {
    super(settings);
  }

  getDefaultQuery(_app: CoreApp): Partial<LotwiseQuery> {
    return { ...DEFAULT_MODEL, queryType: DEFAULT_MODEL.type };
  }

  getSupportedQueryTypes() {
    return ['series', 'kpi', 'runs', 'latest'].map((value) => ({ value, label: value }));
  }

  /** A KPI query in which no KPI is chosen yet has nothing to ask. */
  filterQuery(query: LotwiseQuery): boolean {
    return !query.hide && !(query.type === 'kpi' && (query.kpis ?? []).length === 0);
  }

  applyTemplateVariables(query: LotwiseQuery, scopedVars: ScopedVars): LotwiseQuery {
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
        },
      }),
      ...(query.bucket !== undefined && { bucket: expandText(query.bucket, this.templates, scopedVars) }),
    };
  }
}
