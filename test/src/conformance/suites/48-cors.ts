import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';
import type { RequestOptions } from '../row-context.js';

const PATHS = ['/', '/methods', '/origins', '/never', '/disabled', '/weighted', '/answered'];
const ORIGINS = ['https://table.example', 'https://route.example'];

const simple = (origin: string): RequestOptions => ({ headers: [['origin', origin]] });

const preflight = (origin: string): RequestOptions => ({
  method: 'OPTIONS',
  headers: [
    ['origin', origin],
    ['access-control-request-method', 'PUT'],
    ['access-control-request-headers', 'x-asked'],
    ['access-control-request-private-network', 'true'],
    // So that a body of no bytes is one thing for everybody.
    ['content-length', '0'],
  ],
});

/** Which level of the routes decides what about requests of other origins. */
export const cors: ConformanceSuite = {
  file: '48-cors',
  upstreams: ['b1'],
  rows: [
    ...PATHS.flatMap((path) =>
      ORIGINS.flatMap((origin): ConformanceRow[] => [
        { title: `${path}: a request of ${origin}`, observe: (proxy) => proxy.request(path, simple(origin)) },
        {
          title: `${path}: a preflight of ${origin}`,
          observe: (proxy) => proxy.request(path, preflight(origin)),
        },
      ]),
    ),
    {
      title: 'a virtual host that says nothing: a preflight',
      observe: (proxy) => proxy.request('/', { ...preflight('https://table.example'), host: 'bare.test' }),
    },
  ],
};
