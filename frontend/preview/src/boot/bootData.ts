import { preferredLanguage, preferredTheme } from './preferences';

/** What Grafana writes into its page as `window.grafanaBootData`. */
export async function loadBootData() {
  const response = await fetch('/api/frontend/settings');
  const settings = await response.json();
  if (!response.ok) {
    throw new Error(settings.message ?? response.statusText);
  }
  const theme = preferredTheme();
  return {
    settings,
    navTree: [],
    assets: { dark: '', light: '' },
    user: {
      isSignedIn: true,
      id: 1,
      uid: 'preview',
      login: 'preview',
      name: 'Preview',
      email: '',
      orgId: 1,
      orgCount: 1,
      orgName: 'Main Org.',
      orgRole: 'Admin',
      isGrafanaAdmin: false,
      theme,
      lightTheme: theme === 'light',
      timezone: 'browser',
      weekStart: 'browser',
      language: preferredLanguage(),
      gravatarUrl: '',
      authenticatedBy: '',
      externalUserId: '',
      permissions: { 'datasources:explore': true, 'datasources:query': true },
      analytics: { identifier: '' },
    },
  };
}
