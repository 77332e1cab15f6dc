/** What is spoken to somebody to whom Grafana's translations say this. They are prepared once a module. */
async function spoken(prepared: Promise<{ language?: string }>) {
  let language: Promise<string> | undefined;
  await jest.isolateModulesAsync(async () => {
    jest.doMock('@grafana/i18n', () => ({ initPluginTranslations: () => prepared }));
    language = (await import('./i18n')).spokenLanguage();
  });
  return language;
}

test.each([
  ['es-ES', 'es'],
  ['es', 'es'],
  ['en-US', 'en'],
  ['fr-FR', 'en'],
  [undefined, 'en'],
])('whoever reads Grafana in %s is spoken to in %s', async (language, expected) => {
  expect(await spoken(Promise.resolve({ language }))).toBe(expected);
});

test('without translations it is English', async () => {
  expect(await spoken(Promise.reject(new Error('no texts')))).toBe('en');
});
