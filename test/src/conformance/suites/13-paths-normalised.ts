import type { ConformanceSuite } from '../conformance-suite.js';

const TARGETS = [
  '/a/b',
  '/a//b',
  '//a/b',
  '///',
  '/a/./b',
  '/a/../a/b',
  '/x/../a/b',
  '/../a/b',
  '/a/b/..',
  '/a/b/.',
  '/%61/b',
  '/a/%2e%2e/a/b',
  '/a%2Fb',
  '/a%2fb',
  '/a%5Cb',
  '/a%5cb',
  '/a\\b',
  '/a/b?x=//y/../z',
  '/a/b#frag',
  '/a/b?q#frag',
  '/a/b;x=y',
  '/a/b%20c',
  '/a/%zz',
  '/a/%00',
  '/%2E%2E/%2E/a/b',
  '/a/b%3Fx',
  '/%7Ea',
  '/%C3%A9',
  '/A/B',
];
const LISTENERS = ['HTTP', 'RAW', 'NORMALISED', 'REJECTING', 'REDIRECTING', 'FORWARDING'];

export const pathsNormalised: ConformanceSuite = {
  file: '13-paths-normalised',
  upstreams: ['b1'],
  rows: LISTENERS.flatMap((port) =>
    TARGETS.map((target) => ({
      title: `${port} ${target}`,
      observe: (proxy) => proxy.request(target, { port }),
    })),
  ),
};
