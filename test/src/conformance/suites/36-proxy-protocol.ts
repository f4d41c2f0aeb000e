import { rawExchange } from '../../support/raw-exchange.js';
import type { ConformanceRow, ConformanceSuite } from '../conformance-suite.js';

const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';
const GET = 'GET /proxied HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';
const TCP4 = 'PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n';
const TCP6 = 'PROXY TCP6 2001:db8::1 2001:db8::7 56324 443\r\n';
const FROM_TO_4 = '\xc0\x00\x02\x01\xc6\x33\x64\x07\xdc\x04\x01\xbb';

/** Version 2: the fixed part, and behind it whatever there is. */
function binary(versionAndCommand: number, familyAndProtocol: number, rest: string): string {
  const fixed = [versionAndCommand, familyAndProtocol, rest.length >> 8, rest.length & 0xff];
  return SIGNATURE + String.fromCharCode(...fixed) + rest;
}

function row(title: string, port: string, bytes: string): ConformanceRow {
  return {
    title,
    observe: async (proxy) => {
      const sent = Buffer.from(bytes, 'latin1');
      const exchange = await rawExchange(proxy.port(port), sent, { untilClosed: true });
      // Whatever reached an upstream has done so by then.
      await proxy.exchange('/marker');
      return { ...proxy.answered(exchange), ...proxy.received((line) => !line.includes('/marker')) };
    },
  };
}

const V2 = binary(0x21, 0x11, FROM_TO_4);
const IPV6_BYTES = '\x20\x01\x0d\xb8' + '\0'.repeat(11);

export const proxyProtocol: ConformanceSuite = {
  file: '36-proxy-protocol',
  upstreams: ['b1'],
  rows: [
    row('text, IPv4', 'PROXIED', TCP4 + GET),
    row('text, IPv6', 'PROXIED', TCP6 + GET),
    row('text, unknown', 'PROXIED', `PROXY UNKNOWN\r\n${GET}`),
    row('text, unknown, with words', 'PROXIED', `PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n${GET}`),
    row('binary, IPv4', 'PROXIED', V2 + GET),
    row('binary, IPv4, with values', 'PROXIED', binary(0x21, 0x11, `${FROM_TO_4}\x04\0\x02ab`) + GET),
    row(
      'binary, IPv6',
      'PROXIED',
      binary(0x21, 0x21, `${IPV6_BYTES}\x01${IPV6_BYTES}\x07\xdc\x04\x01\xbb`) + GET,
    ),
    row('binary, for itself', 'PROXIED', binary(0x20, 0, '') + GET),
    row('binary, for itself, with addresses', 'PROXIED', binary(0x20, 0x11, FROM_TO_4) + GET),
    row('binary, no family', 'PROXIED', binary(0x21, 0, '') + GET),
    row('binary, UDP', 'PROXIED', binary(0x21, 0x12, FROM_TO_4) + GET),
    row('binary, a Unix socket', 'PROXIED', binary(0x21, 0x31, '\0'.repeat(216)) + GET),
    row('binary, too short', 'PROXIED', binary(0x21, 0x11, FROM_TO_4.slice(1)) + GET),
    row('binary, another version', 'PROXIED', binary(0x31, 0x11, FROM_TO_4) + GET),
    row('binary, another command', 'PROXIED', binary(0x22, 0x11, FROM_TO_4) + GET),
    row('text, another family', 'PROXIED', `PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n${GET}`),
    row('text, a port that is none', 'PROXIED', `PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n${GET}`),
    row('text, no addresses', 'PROXIED', `PROXY TCP4\r\n${GET}`),
    row('text, IPv6 as IPv4', 'PROXIED', `PROXY TCP4 ::1 ::2 1 2\r\n${GET}`),
    row('text without an end', 'PROXIED', `PROXY TCP4 ${'1'.repeat(120)}`),
    row('no header where one must be', 'PROXIED', GET),
    row('no header where one may be missing', 'OPTIONAL', GET),
    row('a header where one may be missing', 'OPTIONAL', V2 + GET),
    row('a version that is not allowed', 'SECOND', TCP4 + GET),
    row('the version that is allowed', 'SECOND', V2 + GET),
    row('a filter chain by the source that the header tells', 'CHAINS', TCP4 + GET),
    row(
      'a filter chain by the destination that the header tells',
      'CHAINS',
      `PROXY TCP4 203.0.113.9 198.51.100.7 56324 8443\r\n${GET}`,
    ),
    row('no filter chain', 'CHAINS', `PROXY TCP4 203.0.113.9 198.51.100.7 56324 443\r\n${GET}`),
    {
      title: 'counters',
      observe: async (proxy) => {
        const { body } = await proxy.exchange('/stats?filter=^proxy_proto', {
          port: 'ADMIN',
          host: 'localhost',
        });
        return body
          .split('\n')
          .filter((line) => /: [1-9]/.test(line))
          .sort();
      },
    },
  ],
};
