import { ScopedVars, TimeRange, TypedVariableModel } from '@grafana/data';
import { TemplateSrv } from '@grafana/runtime';
import { EmbeddedScene, sceneGraph, SceneFlexLayout, SceneObject } from '@grafana/scenes';

/** Replaces variables with the values of the scene that is shown; outside a dashboard only scoped ones have values. */
export class PreviewTemplateSrv implements TemplateSrv {
  private empty = new EmbeddedScene({ body: new SceneFlexLayout({ children: [] }) });

  replace(target = '', scopedVars?: ScopedVars, format?: string | Function): string {
    // The two packages name the same formats in types that do not know of each other.
    return sceneGraph.interpolate(this.scene(scopedVars), target, scopedVars, format as never);
  }

  containsTemplate(target = ''): boolean {
    return /\$\w|\$\{|\[\[/.test(target);
  }

  getVariables(): TypedVariableModel[] {
    const { variables } = sceneGraph.getVariables(this.scene()).state;
    return variables.map((variable) => {
      const { name, label, type } = variable.state;
      const current = { value: variable.getValue(), text: variable.getValueText?.() };
      // Editors list names and read current values; the rest of Grafana's model is not offered.
      return { name, label, type, current } as unknown as TypedVariableModel;
    });
  }

  updateTimeRange(_range: TimeRange) {}

  private scene(scopedVars?: ScopedVars): SceneObject {
    const origin = scopedVars?.__sceneObject?.value?.valueOf();
    return (origin ?? window.__grafanaSceneContext ?? this.empty) as SceneObject;
  }
}
