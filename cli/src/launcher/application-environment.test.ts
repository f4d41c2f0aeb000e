import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applicationEnvironment } from './application-environment.js';

const base = { instance: 'web-0', ports: [], services: [], httpProxy: 0, own: {} };

describe('applicationEnvironment', () => {
  it('tells the ports by name, and the first as PORT', () => {
    const environment = applicationEnvironment({
      ...base,
      ports: [
        { name: 'http', application: 1001 },
        { name: 'grpc-web', application: 1002 },
      ],
    });
    assert.deepEqual(environment, {
      INSTANCE: 'web-0',
      PORT: '1001',
      PORT_HTTP: '1001',
      PORT_GRPC_WEB: '1002',
    });
  });

  it('gives HTTP ports a URL and every port an address; of equal names the first service has it', () => {
    const port = (name: string, number: number, isHttp: boolean, local: number) => ({
      ...{ name, number, isHttp, address: `127.0.0.1:${local}` },
    });
    const environment = applicationEnvironment({
      ...base,
      services: [
        { name: 'my-db', ports: [port('', 5432, false, 2001)] },
        { name: 'api', ports: [port('http', 80, true, 2002)] },
        { name: 'api', ports: [port('http', 80, true, 2003)] },
      ],
    });
    assert.deepEqual(environment, {
      INSTANCE: 'web-0',
      MY_DB_5432_ADDRESS: '127.0.0.1:2001',
      API_HTTP_ADDRESS: '127.0.0.1:2002',
      API_HTTP_URL: 'http://127.0.0.1:2002',
      API_URL: 'http://127.0.0.1:2002',
    });
  });

  it('names a proxy when there is one, and lets the workload have the last word', () => {
    const environment = applicationEnvironment({ ...base, httpProxy: 3001, own: { NO_PROXY: 'x' } });
    assert.equal(environment['HTTP_PROXY'], 'http://127.0.0.1:3001');
    assert.equal(environment['no_proxy'], '127.0.0.1,localhost,::1');
    assert.equal(environment['NO_PROXY'], 'x');
  });
});
