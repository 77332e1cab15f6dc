import { initPluginTranslations, t as translate } from '@grafana/i18n';

import { Language } from './generated/model';

/** The plugin's id, and the namespace of its translations. */
export const PLUGIN_ID = 'buutech-lotwise-datasource';

let ready: ReturnType<typeof initPluginTranslations> | undefined;

/** Prepares the translations, once. Grafana has loaded the locale files that plugin.json names by then. */
export function translationsReady(): ReturnType<typeof initPluginTranslations> {
  ready ??= initPluginTranslations(PLUGIN_ID);
  return ready;
}

/** The language of the user as the back end speaks it. A query does not fail for want of it. */
export async function spokenLanguage(): Promise<Language> {
  const resolved = await translationsReady().catch(() => undefined);
  return resolved?.language?.toLowerCase().startsWith('es') ? 'es' : 'en';
}

/** Text in the user's language. React escapes what it shows, so values are put in as they are. */
export function t(key: string, text: string, values?: Record<string, unknown>): string {
  return translate(key, text, { ...values, interpolation: { escapeValue: false } });
}
