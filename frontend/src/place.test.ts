import { Catalog } from './catalog';
import { keepExisting } from './place';
import { MODEL_DEFAULTS } from './query';
import { factoryResource } from './test/fakes';

const asIs = (list: string[]) => list;
const place = {
  ...MODEL_DEFAULTS.place,
  plants: ['porto'],
  lines: ['M1', '$line', 'P1'],
  machines: ['M1-oven', 'P1-press'],
  sensors: ['M1-oven-temp'],
};

describe('keepExisting', () => {
  it('drops what is not under the plant, and keeps variables', async () => {
    const catalog = new Catalog({ getResource: factoryResource as never });
    expect(await keepExisting({ ...place, lines: ['M1', 'P1', '*'] }, catalog, asIs)).toEqual({
      ...place,
      lines: ['P1', '*'],
      machines: ['P1-press'],
      sensors: [],
    });
  });

  it('keeps everything when the database cannot tell', async () => {
    const failing = new Catalog({ getResource: () => Promise.reject(new Error('down')) });
    expect(await keepExisting(place, failing, asIs)).toEqual(place);
    const many = new Catalog({ getResource: (async () => ({ items: [], truncated: true })) as never });
    expect(await keepExisting(place, many, asIs)).toEqual(place);
  });
});
