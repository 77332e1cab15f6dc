import {
  behaviors,
  EmbeddedScene,
  SceneControlsSpacer,
  SceneDataLayerControls,
  SceneDataLayerSet,
  SceneDataTransformer,
  SceneGridItem,
  SceneGridLayout,
  SceneGridRow,
  SceneQueryRunner,
  SceneRefreshPicker,
  SceneTimePicker,
  SceneTimeRange,
  VariableValueSelectors,
  dataLayers,
  VizPanel,
} from '@grafana/scenes';
import { DashboardCursorSync } from '@grafana/schema';

import { DashboardJson, PanelJson } from './model';
import { panelMenu } from './panelMenu';
import { PanelNotices } from './PanelNotices';
import { variableSet } from './variables';

/** Builds what is shown from the JSON of a dashboard, as Grafana saves it. */
export function dashboardScene(dashboard: DashboardJson): EmbeddedScene {
  // Without any there is nothing to turn on and off.
  const annotated = ownAnnotations(dashboard).length > 0;
  return new EmbeddedScene({
    $timeRange: new SceneTimeRange({
      from: dashboard.time?.from ?? 'now-6h',
      to: dashboard.time?.to ?? 'now',
      timeZone: dashboard.timezone || undefined,
      fiscalYearStartMonth: dashboard.fiscalYearStartMonth,
    }),
    $variables: variableSet(dashboard.templating?.list ?? []),
    $data: annotationLayers(dashboard),
    $behaviors: [new behaviors.CursorSync({ sync: DashboardCursorSync.Crosshair })],
    controls: [
      new VariableValueSelectors({}),
      ...(annotated ? [new SceneDataLayerControls()] : []),
      new SceneControlsSpacer(),
      new SceneTimePicker({ isOnCanvas: true }),
      new SceneRefreshPicker({
        refresh: dashboard.refresh || undefined,
        intervals: dashboard.timepicker?.refresh_intervals,
        isOnCanvas: true,
      }),
    ],
    body: new SceneGridLayout({ children: gridChildren(dashboard.panels ?? []) }),
  });
}

/** Those of Grafana itself (built in) live in Grafana's database, which is not here. */
function ownAnnotations(dashboard: DashboardJson) {
  return (dashboard.annotations?.list ?? []).filter((query) => !query.builtIn);
}

function annotationLayers(dashboard: DashboardJson): SceneDataLayerSet {
  const own = ownAnnotations(dashboard);
  return new SceneDataLayerSet({
    // One switch turns them all on and off; it bears this name.
    name: own.map(({ name }) => name).join(', '),
    layers: own.map(
      (query) =>
        new dataLayers.AnnotationsDataLayer({
          name: query.name,
          query,
          isEnabled: query.enable,
          isHidden: Boolean(query.hide),
        })
    ),
  });
}

/** Panels after a row that is not collapsed belong to it in the file's order; a collapsed row holds its panels. */
function gridChildren(panels: PanelJson[]): Array<SceneGridItem | SceneGridRow> {
  const children: Array<SceneGridItem | SceneGridRow> = [];
  let open: SceneGridItem[] | undefined;
  for (const panel of panels) {
    if (panel.type === 'row') {
      open = (panel.panels ?? []).map(gridItem);
      children.push(
        new SceneGridRow({
          key: `row-${panel.id}`,
          title: panel.title,
          y: panel.gridPos.y,
          isCollapsed: panel.collapsed,
          children: open,
        })
      );
      open = panel.collapsed ? undefined : open;
    } else {
      (open ?? children).push(gridItem(panel));
    }
  }
  return children;
}

function gridItem(panel: PanelJson): SceneGridItem {
  const { x, y, w, h } = panel.gridPos;
  return new SceneGridItem({ key: `grid-item-${panel.id}`, x, y, width: w, height: h, body: vizPanel(panel) });
}

function vizPanel(panel: PanelJson): VizPanel {
  return new VizPanel({
    key: `panel-${panel.id}`,
    pluginId: panel.type,
    title: panel.title ?? '',
    description: panel.description,
    displayMode: panel.transparent ? 'transparent' : 'default',
    options: panel.options ?? {},
    fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    $data: panel.targets?.length ? panelData(panel) : undefined,
    menu: panel.targets?.length ? panelMenu() : undefined,
    titleItems: panel.targets?.length ? new PanelNotices({}) : undefined,
  });
}

function panelData(panel: PanelJson): SceneDataTransformer {
  const queries = panel.targets!.map((target) => ({ ...target, datasource: target.datasource ?? panel.datasource }));
  return new SceneDataTransformer({
    $data: new SceneQueryRunner({
      datasource: panel.datasource ?? undefined,
      queries,
      maxDataPoints: panel.maxDataPoints ?? undefined,
      minInterval: panel.interval ?? undefined,
      maxDataPointsFromWidth: !panel.maxDataPoints,
      // For annotations that are meant for some panels only.
      dataLayerFilter: { panelId: panel.id },
    }),
    transformations: panel.transformations ?? [],
  });
}
