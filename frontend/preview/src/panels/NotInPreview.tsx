import { PanelPlugin } from '@grafana/data';

import { texts } from '../boot/texts';
import { Message } from './Message';

/** Stands in for a panel plugin that the preview lacks. */
export function notInPreview(id: string) {
  return new PanelPlugin(() => (
    <Message>
      {texts.notInPreview} {id}
    </Message>
  ));
}
