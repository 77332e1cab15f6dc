import { choose, DATA_SOURCE, expect, test } from './fixtures';

test('a variable lists the lines of a plant', async ({ variableEditPage, page }) => {
  await variableEditPage.setVariableType('Query');
  await variableEditPage.datasource.set(DATA_SOURCE);
  const editor = page.getByTestId('lotwise-variable-editor');
  await choose(page, editor, 'lotwise-variable-kind', /^Lines/);
  await choose(page, editor, 'lotwise-variable-plants', 'Madrid');
  await variableEditPage.runQuery();
  await expect(variableEditPage).toDisplayPreviews(['Injection moulding']);
});

test('an annotation marks what was abnormal', async ({ annotationEditPage, page, answers }) => {
  await annotationEditPage.datasource.set(DATA_SOURCE);
  await expect(page.getByTestId('lotwise-query-editor')).toBeVisible();
  await expect(annotationEditPage.runQuery()).toBeOK();
  await expect.poll(() => answers.frames(({ type }) => type !== undefined)?.length ?? 0).toBeGreaterThan(0);
  await expect(page.getByText(/^\d+ events/)).toBeVisible();
});
