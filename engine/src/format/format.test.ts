import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AccessLogFormat } from '../config/access-log-config.js';
import { HeaderMap } from '../http/header-map.js';
import type { StreamInfo } from '../http/stream-info.js';
import { emptyStreamInfo } from '../testing/stream-info-fixture.js';
import { compileAccessLog, compileAccessLogFilter } from './access-log.js';
import { LineBytes } from './line-bytes.js';
import { compileTemplate } from './template.js';

describe('templates', () => {
  const format = (text: string, info: Partial<StreamInfo> = {}): string => {
    const compiled = compileTemplate(text, { hostname: 'me' });
    assert.ok('template' in compiled, JSON.stringify(compiled));
    return compiled.template.format({ ...someInfo(), ...info });
  };

  it('fill in operators and keep the text between', () => {
    assert.equal(format('[%REQ(:METHOD)% %REQ(X-Absent?:PATH)%] 100%%'), '[GET /p?q=1] 100%');
    assert.equal(format('%REQ(user-agent):3% %REQ(nope)%'), 'cur -');
    assert.equal(format('%RESP(Content-Type)% %TRAILER(grpc-status)%'), 'text/plain 5');
    assert.equal(format('%RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %HOSTNAME%'), '503 UH,NR 12 me');
    assert.equal(format('%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)%'), 'NotFound NOT_FOUND');
    assert.equal(format('%REQ_WITHOUT_QUERY(:path)%'), '/p');
  });

  it('fill in addresses with and without their port', () => {
    const info = { downstreamRemoteAddress: '[::1]:80', upstreamHost: '10.0.0.1:81' };
    assert.equal(format('%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%', info), '::1');
    assert.equal(format('%UPSTREAM_HOST% %UPSTREAM_REMOTE_PORT%', info), '10.0.0.1:81 81');
  });

  it('write the start time in ISO form or in the form asked for', () => {
    assert.equal(format('%START_TIME%'), '2026-11-21T08:05:09.007Z');
    assert.equal(format('%START_TIME(%Y/%m/%d %H:%M:%S.%3f %s)%!'), '2026/11/21 08:05:09.007 1795248309!');
    assert.equal(format('%START_TIME(%d/%b/%Y:%T %z)%'), '21/Nov/2026:08:05:09 +0000');
  });

  it('refuse what is not an operator', () => {
    for (const text of ['%NOPE%', '%', 'a%b', '%REQ%', '%REQ(a b)%', '%PROTOCOL(x)%', '%START_TIME(%Q)%']) {
      assert.ok('problem' in compileTemplate(text), text);
    }
  });

  it('never throw, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.array(fc.constantFrom('%', '(', ')', ':', 'REQ', 'a', '?', '1')),
        (a, parts) => {
          for (const text of [a, parts.join('')]) {
            const compiled = compileTemplate(text);
            if ('template' in compiled) compiled.template.format(emptyStreamInfo());
          }
        },
      ),
    );
  });
});

describe('access log formats', () => {
  const bytes = new LineBytes();
  const line = (format: AccessLogFormat, info: StreamInfo = someInfo()): string => {
    const compiled = compileAccessLog(format);
    assert.ok('write' in compiled, JSON.stringify(compiled));
    bytes.clear();
    compiled.write(info, bytes);
    return bytes.toString();
  };

  it('keep numbers as numbers in JSON, and write null for what is missing', () => {
    const fields = {
      code: '%RESPONSE_CODE%',
      text: 'code %RESPONSE_CODE%',
      none: '%ROUTE_NAME%',
      nested: { agent: '%REQ(user-agent)%', list: ['%DURATION%', true, 3] },
    };
    assert.equal(
      line({ kind: 'json', fields, omitEmptyValues: false }),
      '{"code":503,"text":"code 503","none":null,"nested":{"agent":"curl/8","list":[12,true,3]}}\n',
    );
    assert.equal(
      line({
        kind: 'json',
        fields: { none: '%ROUTE_NAME%', code: '%RESPONSE_CODE%' },
        omitEmptyValues: true,
      }),
      '{"code":503}\n',
    );
  });

  it('write one parsable line by default, whatever the caller sends', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('"\n{"response_code":200}', '\u2028', '\ud800', '\\', '\x9b31m'),
    );
    fc.assert(
      fc.property(hostile, hostile, hostile, (path, agent, authority) => {
        const info = someInfo();
        info.request!.path = path;
        info.request!.authority = authority;
        info.request!.headers.set('user-agent', agent);
        for (const text of [
          line({ kind: 'default' }, info),
          line(
            { kind: 'json', fields: { p: '%REQ(:PATH)%', a: 'x%REQ(user-agent)%' }, omitEmptyValues: false },
            info,
          ),
        ]) {
          assert.equal(text.indexOf('\n'), text.length - 1);
          assert.doesNotMatch(text.slice(0, -1), /[\x00-\x1f\x7f-\x9f\u2028\u2029]/); // eslint-disable-line no-control-regex -- these are what must not appear
          const parsed = JSON.parse(text) as Record<string, unknown>;
          if ('response_code' in parsed) {
            assert.equal(parsed['response_code'], 503);
            assert.equal(parsed['user_agent'], agent === '' ? null : agent);
          }
        }
      }),
    );
  });

  it('escape line breaks of values in text logs', () => {
    const info = someInfo();
    info.request!.headers.set('user-agent', 'a\nGET /forged 200');
    const text = line({ kind: 'text', template: '%REQ(user-agent)%\n', omitEmptyValues: false }, info);
    assert.equal(text, 'a\\u000aGET /forged 200\n');
  });

  it('write the default line with its fields in order', () => {
    const parsed = JSON.parse(line({ kind: 'default' })) as Record<string, unknown>;
    assert.deepEqual(Object.keys(parsed).slice(0, 9), [
      'start_time',
      'method',
      'path',
      'protocol',
      'response_code',
      'response_flags',
      'response_code_details',
      'reason',
      'bytes_received',
    ]);
    assert.equal(parsed['response_flags'], 'UH,NR');
    assert.equal(parsed['trace_id'], '4bf92f3577b34da6a3ce929d0e0e4736');
  });
});

describe('access log filters', () => {
  it('decide by code, duration, flag and health check, alone or together', () => {
    const info = someInfo();
    const status = { kind: 'status-code', op: 'ge', value: 500 } as const;
    const slow = { kind: 'duration', op: 'ge', value: 1000 } as const;
    assert.equal(compileAccessLogFilter(undefined)(info), true);
    assert.equal(compileAccessLogFilter(status)(info), true);
    assert.equal(compileAccessLogFilter({ kind: 'and', filters: [status, slow] })(info), false);
    assert.equal(compileAccessLogFilter({ kind: 'or', filters: [status, slow] })(info), true);
    assert.equal(compileAccessLogFilter({ kind: 'response-flag', flags: ['NR'] })(info), true);
    assert.equal(compileAccessLogFilter({ kind: 'response-flag', flags: ['UT'] })(info), false);
    info.request!.headers.set('x-envoy-healthcheck', '1');
    assert.equal(compileAccessLogFilter({ kind: 'not-health-check' })(info), false);
  });
});

function someInfo(): StreamInfo {
  const headers = new HeaderMap();
  headers.append('user-agent', 'curl/8');
  headers.append('traceparent', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
  const responseHeaders = new HeaderMap();
  responseHeaders.append('content-type', 'text/plain');
  const responseTrailers = new HeaderMap();
  responseTrailers.append('grpc-status', '5');
  return {
    ...emptyStreamInfo(),
    request: {
      method: 'GET',
      scheme: 'http',
      authority: 'a.example',
      path: '/p?q=1',
      headers,
      version: 'HTTP/1.1',
      upgrade: '',
    },
    response: { status: 503, headers: responseHeaders, upgrade: '' },
    responseTrailers,
    responseCode: 503,
    responseFlags: ['UH', 'NR'],
    durationMs: 12.7,
  };
}
