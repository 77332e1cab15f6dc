import { Catalog, catalogUrl, failureText } from './catalog';

const page = { items: [], truncated: false };

describe('catalogUrl', () => {
  it('repeats the names of lists, in one order, and escapes values', () => {
    expect(catalogUrl('lines', { plant: ['porto', 'madrid'], search: 'a&b' })).toBe(
      'lines?plant=madrid&plant=porto&search=a%26b'
    );
  });

  it('leaves out what means all', () => {
    expect(catalogUrl('lots', { plant: ['*'], line: [], reference: ['$__all'], search: '', quantity: '*' })).toBe(
      'lots'
    );
  });
});

describe('Catalog', () => {
  it('asks once for the same listing, and again when it is old', async () => {
    let now = 0;
    const getResource = jest.fn().mockResolvedValue(page);
    const catalog = new Catalog({ getResource }, () => now);
    await Promise.all([catalog.list('lines', { plant: ['a', 'b'] }), catalog.list('lines', { plant: ['b', 'a'] })]);
    expect(getResource).toHaveBeenCalledTimes(1);
    now = 31_000;
    await catalog.list('lines', { plant: ['a', 'b'] });
    expect(getResource).toHaveBeenCalledTimes(2);
  });

  it('asks for the names of states in the language of whoever looks', async () => {
    const getResource = jest.fn().mockResolvedValue(page);
    await new Catalog({ getResource }).list('states');
    expect(getResource.mock.calls[0][0]).toBe('states?language=en');
  });

  it('does not remember a failure', async () => {
    const getResource = jest.fn().mockRejectedValueOnce(new Error('down')).mockResolvedValue(page);
    const catalog = new Catalog({ getResource });
    await expect(catalog.list('plants')).rejects.toThrow('down');
    await expect(catalog.list('plants')).resolves.toBe(page);
  });
});

describe('failureText', () => {
  it('prefers what the plugin says', () => {
    expect(failureText({ status: 503, statusText: 'Unavailable', data: { message: 'database is down' } })).toBe(
      'database is down'
    );
    expect(failureText(new Error('no network'))).toBe('no network');
    expect(failureText({ statusText: 'Unavailable' })).toBe('Unavailable');
    expect(failureText('odd')).toBe('odd');
  });
});
