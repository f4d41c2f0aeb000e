import type { ConformanceSuite } from '../conformance-suite.js';
import type { RowContext } from '../row-context.js';

type Field = readonly [string, string];
const FIELDS: readonly (readonly Field[])[] = [
  [['x-exact', 'Value']],
  [['x-exact', 'value']],
  [['X-EXACT', 'Value']],
  [['x-exact', ' Value ']],
  [
    ['x-exact', 'Value'],
    ['x-exact', 'Value'],
  ],
  [
    ['x-exact', 'other'],
    ['x-exact', 'Value'],
  ],
  [['x-ignore-case', 'VALUE']],
  [['x-prefix', 'abc']],
  [['x-prefix', 'a']],
  [['x-suffix', 'xyz']],
  [['x-contains', 'a-mid-z']],
  [['x-regex', 'abc12']],
  [['x-regex', 'abc12x']],
  [['x-present', '']],
  [['x-present', '1']],
  [['x-range', '10']],
  [['x-range', '19']],
  [['x-range', '20']],
  [['x-range', '-5']],
  [['x-range', '12x']],
  [['x-range', '012']],
  [['x-on', '1']],
  [
    ['x-on', '1'],
    ['x-not', 'secret'],
  ],
  [
    ['x-on', '1'],
    ['x-not', 'open'],
  ],
  [['x-absent-test', '1']],
  [
    ['x-absent-test', '1'],
    ['x-gone', 'here'],
  ],
  [['x-mae-test', '1']],
  [
    ['x-mae-test', '1'],
    ['x-mae', 'x'],
  ],
  [
    ['x-mae-test', '1'],
    ['x-mae', ''],
  ],
  [
    ['x-a', '1'],
    ['x-b', '2'],
  ],
  [
    ['x-a', '1'],
    ['x-b', '3'],
  ],
  [['x-scheme-test', '1']],
  // Of repeated fields no value hides behind another.
  [
    ['x-on', '1'],
    ['x-not', 'open'],
    ['x-not', 'secret'],
  ],
  [
    ['x-on', '1'],
    ['x-not', 'secret'],
    ['x-not', 'open'],
  ],
  [
    ['x-on', '1'],
    ['x-not', 'open'],
    ['x-not', 'closed'],
  ],
  [
    ['x-prefix', 'zz'],
    ['x-prefix', 'ab'],
  ],
  [
    ['x-suffix', 'yz'],
    ['x-suffix', 'a'],
  ],
  [
    ['x-range', '5'],
    ['x-range', '15'],
  ],
  [
    ['x-regex', 'abc'],
    ['x-regex', 'zzz'],
  ],
  [
    ['x-contains', 'a'],
    ['x-contains', 'mid'],
  ],
  [['x-exact', 'Value,Value']],
  [
    ['x-a', '0'],
    ['x-a', '1'],
    ['x-b', '2'],
  ],
];
const TARGETS = [
  '/?q=one',
  '/?q=two',
  '/?q=two&q=one',
  '/?Q=one',
  '/?q=%6fne',
  '/?flag',
  '/?flag=',
  '/?x=1&flag=2',
  '/?pre=abc',
  '/?re=12',
  '/?re=123',
  '/?q',
  '/?=one',
  '/?&&q=one',
  '/#q=one',
];

export const matchers: ConformanceSuite = {
  file: '03-matchers',
  upstreams: ['b1'],
  rows: [
    ...FIELDS.map((headers) => ({
      title: headers.map(([name, value]) => `${name}: ${value}`).join(', '),
      observe: (proxy: RowContext) => proxy.request('/', { headers }),
    })),
    ...TARGETS.map((target) => ({
      title: `GET ${target}`,
      observe: (proxy: RowContext) => proxy.request(target),
    })),
    ...['DELETE', 'PUT', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'PURGE'].map((method) => ({
      title: `method ${method}`,
      observe: (proxy: RowContext) => proxy.request('/', { method }),
    })),
    { title: 'by authority', observe: (proxy: RowContext) => proxy.request('/', { host: 'special.test' }) },
    {
      title: 'a gRPC request',
      observe: (proxy: RowContext) =>
        proxy.request('/', {
          method: 'POST',
          headers: [['content-type', 'application/grpc+proto']],
          body: '',
        }),
    },
    {
      title: 'not quite a gRPC request',
      observe: (proxy: RowContext) =>
        proxy.request('/', { method: 'POST', headers: [['content-type', 'application/grpcx']], body: '' }),
    },
  ] satisfies ConformanceSuite['rows'],
};
