/** Theme and language of the page: from the address, else as chosen last time, else the browser's. */

export type ThemeName = 'dark' | 'light';
export type Language = 'en-US' | 'es-ES';

const THEME = 'lotwise.preview.theme';
const LANGUAGE = 'lotwise.preview.language';

export function preferredTheme(): ThemeName {
  const wanted = new URLSearchParams(location.search).get('theme') ?? localStorage.getItem(THEME);
  return wanted === 'light' ? 'light' : 'dark';
}

export function preferredLanguage(): Language {
  const wanted =
    new URLSearchParams(location.search).get('lang') ?? localStorage.getItem(LANGUAGE) ?? navigator.language;
  return wanted.startsWith('es') ? 'es-ES' : 'en-US';
}

/** The language goes into every loaded module, so the page starts anew. */
export function chooseLanguage(language: Language) {
  localStorage.setItem(LANGUAGE, language);
  const url = new URL(location.href);
  url.searchParams.delete('lang');
  location.assign(url);
}

export function rememberTheme(theme: ThemeName) {
  localStorage.setItem(THEME, theme);
}
