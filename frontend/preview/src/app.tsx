import { createTheme, ThemeContext } from '@grafana/data';
import { config, locationService, LocationServiceProvider } from '@grafana/runtime';
import { GlobalStyles } from '@grafana/ui';
import { ReactNode, useLayoutEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { NavigationType, Route, Router, Routes } from 'react-router-dom';

import { preferredTheme, rememberTheme, ThemeName } from './boot/preferences';
import { texts } from './boot/texts';
import { installServices } from './host/services';
import { AlertRulesPage } from './pages/AlertRules';
import { Alerts } from './pages/Alerts';
import { DashboardPage } from './pages/Dashboard';
import { DashboardList } from './pages/DashboardList';
import { DataSourceEditPage } from './pages/DataSourceEdit';
import { ExplorePage } from './pages/Explore';
import { Shell } from './pages/Shell';

/** Puts the page into `root`. */
export async function mount(root: HTMLElement) {
  await installServices();
  createRoot(root).render(<App />);
}

function App() {
  const [name, setName] = useState(preferredTheme);
  const theme = useMemo(() => applyTheme(name), [name]);
  const toggleTheme = () => {
    const next = name === 'dark' ? 'light' : 'dark';
    rememberTheme(next);
    setName(next);
  };
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <GrafanaRouter>
        <Shell onToggleTheme={toggleTheme}>
          <Routes key={name}>
            <Route path="/" element={<DashboardList />} />
            <Route path="/d/:uid/:slug?" element={<DashboardPage />} />
            <Route path="/explore" element={<ExplorePage />} />
            <Route path="/alerting" element={<AlertRulesPage />} />
            <Route path="/datasources/edit/:uid" element={<DataSourceEditPage />} />
            <Route path="*" element={<p>{texts.notFound}</p>} />
          </Routes>
        </Shell>
        <Alerts />
      </GrafanaRouter>
    </ThemeContext.Provider>
  );
}

/** Makes the theme, and sets it where code outside React (panels' values, the plugin) reads it. */
function applyTheme(name: ThemeName) {
  const theme = createTheme({ colors: { mode: name } });
  config.theme2 = theme;
  document.body.classList.toggle('theme-light', name === 'light');
  document.body.classList.toggle('theme-dark', name === 'dark');
  return theme;
}

/** A router on the history of Grafana's location service, so that scenes and links see the same address. */
function GrafanaRouter({ children }: { children: ReactNode }) {
  const history = locationService.getHistory();
  const [location, setLocation] = useState(history.location);
  useLayoutEffect(() => history.listen(setLocation), [history]);
  return (
    <LocationServiceProvider service={locationService}>
      <Router location={location} navigationType={history.action as NavigationType} navigator={history}>
        {children}
      </Router>
    </LocationServiceProvider>
  );
}
