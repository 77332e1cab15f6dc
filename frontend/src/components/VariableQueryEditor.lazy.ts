import { lazily } from '../lazily';

/** The variable editor, loaded when a variable is edited. */
export const VariableQueryEditor = lazily(
  async () => (await import(/* webpackChunkName: "variable-editor" */ './VariableQueryEditor')).VariableQueryEditor
);
