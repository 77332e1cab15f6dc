import { EventBusSrv } from '@grafana/data';

/** Events of the whole page, such as alerts. */
export const appEvents = new EventBusSrv();
