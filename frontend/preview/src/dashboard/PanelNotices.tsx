import { DataFrame, QueryResultMetaNotice } from '@grafana/data';
import { SceneComponentProps, sceneGraph, SceneObjectBase } from '@grafana/scenes';
import { IconButton, IconName } from '@grafana/ui';

/** What frames say to whoever looks, each text once. */
export function noticesOf(frames: DataFrame[]): QueryResultMetaNotice[] {
  const all = frames.flatMap((frame) => frame.meta?.notices ?? []);
  return [...new Map(all.map((notice) => [notice.text, notice])).values()];
}

const ICONS: Array<[QueryResultMetaNotice['severity'], IconName]> = [
  ['error', 'exclamation-circle'],
  ['warning', 'exclamation-triangle'],
  ['info', 'comment-alt'],
];

/** The notices of a panel's answer beside its title, where Grafana has them, too. */
export class PanelNotices extends SceneObjectBase {
  static Component = Notices;
}

function Notices({ model }: SceneComponentProps<PanelNotices>) {
  const { data } = sceneGraph.getData(model).useState();
  const notices = noticesOf(data?.series ?? []);
  return ICONS.map(([severity, icon]) => {
    const texts = notices.filter((notice) => notice.severity === severity).map(({ text }) => text);
    return texts.length > 0 && <IconButton key={severity} name={icon} size="sm" tooltip={texts.join(' ')} />;
  });
}
