import { useLayoutEffect, useRef } from 'react';

/**
 * Calls `onChange` with values that are not shown already. Grafana 12's Combobox says the same choice again at each
 * render while React still holds back a mouse move over its list, and in Explore each change renders at once: the
 * page would end with React's "maximum update depth".
 */
export function useChange<T>(shown: T, onChange: (value: T) => void): (value: T) => void {
  const latest = useRef(shown);
  useLayoutEffect(() => {
    latest.current = shown;
  }, [shown]);
  return (value) => {
    if (value !== latest.current) {
      onChange(value);
    }
  };
}
