import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { InterceptionOptionsError } from '../errors.js';
import { parseCidr } from './cidr.js';
import { formatInterceptionArguments, parseInterceptionArguments } from './interception-arguments.js';
import { parseInterceptionOptions, type InterceptionOptions } from './interception-config.js';
import { formatNumberRanges, parseNumberRanges } from './number-ranges.js';

describe('parseCidr', () => {
  it('clears host bits and writes each range in one form', () => {
    const forms = {
      '10.1.2.3/8': '10.0.0.0/8',
      '0.0.0.0/0': '0.0.0.0/0',
      '192.168.1.7': '192.168.1.7/32',
      'FD00:0:0:1::5/64': 'fd00:0:0:1::/64',
      '::/0': '::/0',
      '::1': '::1/128',
      '1:2:3:4:5:6:7:8/112': '1:2:3:4:5:6:7:0/112',
      '::ffff:10.0.0.1': '::ffff:a00:1/128',
      '2001:db8::1:0:0:1': '2001:db8::1:0:0:1/128',
    };
    for (const [text, canonical] of Object.entries(forms)) assert.equal(parseCidr(text)?.text, canonical);
  });

  it('refuses what is not a range', () => {
    for (const text of [
      '',
      '10',
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/08',
      '::/129',
      'fe80::1%lo',
      '1.2.3.4/8/8',
    ]) {
      assert.equal(parseCidr(text), undefined, text);
    }
  });

  it('is stable: what it writes, it reads as the same', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4Extended(), fc.ipV6()), fc.nat(128), (address, length) => {
        const cidr = parseCidr(`${address}/${length}`);
        if (cidr !== undefined) assert.deepEqual(parseCidr(cidr.text), cidr);
      }),
    );
  });
});

describe('parseNumberRanges', () => {
  it('sorts, joins what overlaps and skips empty entries', () => {
    const problems: string[] = [];
    const ranges = parseNumberRanges('ports', ' 90, 80-85,,84-88,89', { first: 1, last: 65_535 }, problems);
    assert.deepEqual(problems, []);
    assert.equal(formatNumberRanges(ranges), '80-90');
  });

  it('never throws, and what it reads without a problem it writes and reads as the same', () => {
    const bounds = { first: 1, last: 65_535 };
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9,\- a]{0,40}$/), (text) => {
        const problems: string[] = [];
        const ranges = parseNumberRanges('ports', text, bounds, problems);
        if (problems.length > 0) return;
        assert.deepEqual(parseNumberRanges('ports', formatNumberRanges(ranges), bounds, problems), ranges);
      }),
    );
  });
});

describe('parseInterceptionOptions', () => {
  it('names every problem at once', () => {
    const bad: InterceptionOptions = {
      mode: 'NAT',
      outboundPort: 70_000,
      includeInboundPorts: '80,http',
      excludeOutboundPorts: '9-8',
      excludeOutboundIpRanges: '10.0.0.0/99',
      excludeInterfaces: 'eth0; reboot,lo',
      excludeOutboundUids: '-1',
      proxySource: { v4: '127.0.0.1' },
    };
    assert.throws(
      () => parseInterceptionOptions(bad),
      (error: unknown) => {
        assert.ok(error instanceof InterceptionOptionsError);
        const names = new Set(error.problems.map((problem) => problem.split(':')[0]));
        assert.deepEqual(names, new Set(Object.keys(bad)));
        return true;
      },
    );
  });

  it('refuses rules that exempt nobody, which would lead the sidecar back to itself', () => {
    assert.throws(() => parseInterceptionOptions({ proxyUids: '', proxyGids: '' }), /must name the sidecar/);
  });

  it('refuses a list that is too long', () => {
    const ports = Array.from({ length: 300 }, (_, index) => 2 * index + 1).join(',');
    assert.throws(() => parseInterceptionOptions({ excludeOutboundPorts: ports }), /more than 256 entries/);
  });

  it('lets no text through that would be a rule of its own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
        const options: InterceptionOptions = {
          includeOutboundIpRanges: text,
          excludeInterfaces: text,
          excludeInboundPorts: text,
        };
        let accepted;
        try {
          accepted = parseInterceptionOptions(options);
        } catch (error) {
          assert.ok(error instanceof InterceptionOptionsError);
          return;
        }
        assert.doesNotMatch(accepted.excludeInterfaces.join(''), /[\s"';{}]/);
      }),
    );
  });
});

describe('the arguments of heddle-iptables', () => {
  it('say every option, and are read back as the same', () => {
    const options: InterceptionOptions = {
      mode: 'TPROXY',
      outboundPort: 1,
      inboundPort: 2,
      dnsPort: 3,
      dnsCapture: true,
      ipv6: false,
      proxyUids: '1',
      proxyGids: '2',
      proxySource: { v4: '10.0.0.1', v6: 'fd00::1' },
      includeInboundPorts: '*',
      excludeInboundPorts: '4',
      includeOutboundPorts: '5',
      excludeOutboundPorts: '',
      includeOutboundIpRanges: '*',
      excludeOutboundIpRanges: '10.0.0.0/8',
      excludeInterfaces: 'eth1',
      excludeOutboundUids: '6',
      excludeOutboundGids: '7',
    };
    assert.deepEqual(parseInterceptionArguments(formatInterceptionArguments(options)), options);
    assert.deepEqual(parseInterceptionArguments([]), {});
  });

  it('are refused where they are not known, and ports where they are not numbers', () => {
    assert.throws(() => parseInterceptionArguments(['--exclude-ports=1']), InterceptionOptionsError);
    const options = parseInterceptionArguments(['--inbound-port=1e3']);
    assert.throws(() => parseInterceptionOptions(options), /inboundPort: NaN is not a port/);
  });
});
