import { initPluginTranslations, t as translate } from '@grafana/i18n';

/** The plugin's id, and the namespace of its translations. */
export const PLUGIN_ID = 'buutech-lotwise-datasource';

let ready: Promise<unknown> | undefined;

/** Prepares the translations, once. Grafana has loaded the locale files that plugin.json names by then. */
export function translationsReady(): Promise<unknown> {
  ready ??= initPluginTranslations(PLUGIN_ID);
  return ready;
}

/** Text in the user's language. React escapes what it shows, so values are put in as they are. */
export function t(key: string, text: string, values?: Record<string, unknown>): string {
  return translate(key, text, { ...values, interpolation: { escapeValue: false } });
}
