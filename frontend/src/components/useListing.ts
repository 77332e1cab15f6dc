import { useEffect, useState } from 'react';

import { Catalog, CatalogPage, failureText } from '../catalog';

interface Listing {
  page?: CatalogPage;
  failure?: string;
}

/** The listing at an address of the catalog, while the component is shown. */
export function useListing(catalog: Catalog, url: string): Listing {
  const [answer, setAnswer] = useState<Listing & { url?: string }>({});
  useEffect(() => {
    let shown = true;
    catalog.get(url).then(
      (page) => shown && setAnswer({ url, page }),
      (error: unknown) => shown && setAnswer({ url, failure: failureText(error) })
    );
    return () => {
      shown = false;
    };
  }, [catalog, url]);
  return answer.url === url ? answer : {};
}
