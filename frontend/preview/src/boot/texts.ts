import { preferredLanguage } from './preferences';

const english = {
  badge: 'Lotwise preview (not Grafana)',
  badgeHint: 'Shows dashboards through the built plugin in a plain page. Nothing is saved.',
  dashboards: 'Dashboards',
  explore: 'Explore',
  dataSource: 'Data source',
  noDashboards: 'There is no dashboard in the provisioning folder.',
  notFound: 'Page not found',
  run: 'Run query',
  runHint: 'Choose what to ask and run the query.',
  result: 'Result',
  graph: 'Graph',
  table: 'Table',
  inspect: 'Inspect',
  noFrames: 'The query gave no data.',
  saveAndTest: 'Save & test',
  testing: 'Testing…',
  savedInMemory: 'Changes are kept until the preview ends.',
  loading: 'Loading…',
  notInPreview: 'This kind of panel is not in the preview:',
  theme: 'Change theme',
  noEditor: 'The plugin has no query editor.',
  noConfig: 'The plugin has no configuration editor.',
};

const spanish: typeof english = {
  badge: 'Vista previa de Lotwise (no es Grafana)',
  badgeHint: 'Muestra los paneles con el plugin compilado en una página sencilla. No se guarda nada.',
  dashboards: 'Tableros',
  explore: 'Explorar',
  dataSource: 'Fuente de datos',
  noDashboards: 'No hay ningún tablero en la carpeta de aprovisionamiento.',
  notFound: 'Página no encontrada',
  run: 'Ejecutar consulta',
  runHint: 'Elige qué preguntar y ejecuta la consulta.',
  result: 'Resultado',
  graph: 'Gráfico',
  table: 'Tabla',
  inspect: 'Inspeccionar',
  noFrames: 'La consulta no ha dado datos.',
  saveAndTest: 'Guardar y probar',
  testing: 'Probando…',
  savedInMemory: 'Los cambios duran hasta que termine la vista previa.',
  loading: 'Cargando…',
  notInPreview: 'Este tipo de panel no está en la vista previa:',
  theme: 'Cambiar tema',
  noEditor: 'El plugin no tiene editor de consultas.',
  noConfig: 'El plugin no tiene editor de configuración.',
};

/** The page's own words, in the language of the page. */
export const texts = preferredLanguage() === 'es-ES' ? spanish : english;
