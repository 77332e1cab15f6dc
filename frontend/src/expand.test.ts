import { expandList, expandText } from './expand';
import { FakeTemplates } from './test/fakes';

const templates = new FakeTemplates(
  { line: ['M1', 'M2'], one: 'M3', comma: ['a,b', 'c{d}'], none: [], empty: '' },
  { any: '*' }
);

describe('expandList', () => {
  it('makes several entries of a variable with several values', () => {
    expect(expandList(['$line', 'P1'], templates)).toEqual(['M1', 'M2', 'P1']);
    expect(expandList(['${line}'], templates)).toEqual(['M1', 'M2']);
  });

  it('leaves values as they are, whatever characters they hold', () => {
    expect(expandList(['$comma'], templates)).toEqual(['a,b', 'c{d}']);
  });

  it('passes "All" on as its own value', () => {
    expect(expandList(['$any'], templates)).toEqual(['*']);
  });

  it('combines the values of variables within one entry', () => {
    expect(expandList(['$line-oven'], templates)).toEqual(['M1-oven', 'M2-oven']);
    expect(expandList(['${line}/${one}'], templates)).toEqual(['M1/M3', 'M2/M3']);
  });

  it('names each key once and leaves out what has no value', () => {
    expect(expandList(['M1', '$line', '$none', '$empty', ''], templates)).toEqual(['M1', 'M2']);
  });

  it('keeps a variable that does not exist, for the back end to name it', () => {
    expect(expandList(['$nowhere'], templates)).toEqual(['$nowhere']);
  });

  it('prefers the values of a repeated panel', () => {
    expect(expandList(['$line'], templates, { line: { text: 'M2', value: 'M2' } })).toEqual(['M2']);
  });

  it('takes a missing list as empty', () => {
    expect(expandList(undefined, templates)).toEqual([]);
  });
});

describe('expandText', () => {
  it('replaces a single value and shows that there are several', () => {
    expect(expandText('$one', templates)).toBe('M3');
    expect(expandText('$line', templates)).toBe('M1, M2');
    expect(expandText(undefined, templates)).toBe('');
  });
});
