import { renderHook } from '@testing-library/react';

import { useChange } from './useChange';

it('says a choice once, however often it is picked before it is shown', () => {
  const onChange = jest.fn();
  const { result, rerender } = renderHook(({ shown }) => useChange(shown, onChange), {
    initialProps: { shown: 'none' },
  });
  // The handler of the first render, as Grafana's Combobox keeps it.
  const change = result.current;
  change('line');
  rerender({ shown: 'line' });
  change('line');
  expect(onChange.mock.calls).toEqual([['line']]);
  change('none');
  expect(onChange.mock.calls).toEqual([['line'], ['none']]);
});
