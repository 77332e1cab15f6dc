import { getDataSourceSrv, locationService } from '@grafana/runtime';
import { sceneGraph, SceneQueryRunner, VizPanel, VizPanelMenu } from '@grafana/scenes';

import { texts } from '../boot/texts';
import { exploreUrl } from '../pages/exploreUrl';

/** The menu of a panel: open its first query in Explore, as it was asked, with the variables' values. */
export function panelMenu(): VizPanelMenu {
  const menu = new VizPanelMenu({ items: [] });
  menu.addActivationHandler(() => {
    const panel = sceneGraph.getAncestor(menu, VizPanel);
    const runner = sceneGraph.findObject(panel, (object) => object instanceof SceneQueryRunner);
    menu.setState({
      items: [
        {
          text: texts.explore,
          iconClassName: 'compass',
          onClick: () => {
            if (runner instanceof SceneQueryRunner) {
              openInExplore(panel, runner);
            }
          },
        },
      ],
    });
  });
  return menu;
}

async function openInExplore(panel: VizPanel, runner: SceneQueryRunner) {
  const [query] = runner.state.queries;
  const scopedVars = { __sceneObject: { text: '', value: panel } };
  const datasource = await getDataSourceSrv().get(query.datasource, scopedVars);
  const [filled] = datasource.interpolateVariablesInQueries?.([query], scopedVars) ?? [query];
  const { from, to } = sceneGraph.getTimeRange(panel).state.value;
  const range = { from: String(from.valueOf()), to: String(to.valueOf()) };
  locationService.push(exploreUrl({ ...filled, datasource: datasource.getRef() }, range));
}
