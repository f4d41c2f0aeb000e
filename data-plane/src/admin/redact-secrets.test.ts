import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redactSecrets } from './redact-secrets.js';

describe('redactSecrets', () => {
  it('replaces text and bytes of what is secret, however deep it lies, and nothing else', () => {
    const given = {
      listeners: [
        {
          name: 'private_key',
          certificate: {
            certificate_chain: { inline_string: 'CHAIN' },
            private_key: { inline_bytes: 'S0VZ', watched: [{ path: 'x' }] },
            password: { environment_variable: 'P' },
            private_key_provider: { typed_config: { '@type': 't', value: 'S0VZ' } },
          },
          session_ticket_keys: { keys: [{ filename: 'a' }] },
          generic_secret: { secret: { inline_string: 'x' } },
          count: 1,
          none: null,
        },
      ],
    };
    assert.deepEqual(redactSecrets(given), {
      listeners: [
        {
          name: 'private_key',
          certificate: {
            certificate_chain: { inline_string: 'CHAIN' },
            private_key: { inline_bytes: 'W3JlZGFjdGVkXQ==', watched: [{ path: '[redacted]' }] },
            password: { environment_variable: '[redacted]' },
            private_key_provider: { typed_config: { '@type': 't', value: 'W3JlZGFjdGVkXQ==' } },
          },
          session_ticket_keys: { keys: [{ filename: '[redacted]' }] },
          generic_secret: { secret: { inline_string: '[redacted]' } },
          count: 1,
          none: null,
        },
      ],
    });
  });

  it('takes no name for a prototype', () => {
    const given = JSON.parse('{"__proto__":{"private_key":"x"}}') as { [name: string]: string };
    assert.equal(JSON.stringify(redactSecrets(given)), '{"__proto__":{"private_key":"[redacted]"}}');
  });
});
