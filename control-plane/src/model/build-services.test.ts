import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseMeshFile } from '../source/parse-mesh-file.js';
import { buildModel } from './build-model.js';
import type { MeshModel, Service } from './mesh-model.js';

const service = `
apiVersion: v1
kind: Service
metadata: { name: a }
spec: { selector: { app: a }, ports: [{ name: http, port: 80, targetPort: 9080 }] }
`;
const workload = `---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: a, labels: { app: a } }
spec: { command: [a], serviceAccount: planned }
`;
const entry = `---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: a-0
  annotations: { heddle.dev/application-ports: "http=9080,broken,admin=99999999" }
spec: { address: 127.0.0.1, ports: { http: 41001 }, labels: { app: a }, serviceAccount: running }
`;

describe('a service', () => {
  it('is expected to be answered by those that run and by those that are to run', () => {
    assert.deepEqual(serviceA(service + workload + entry).serviceAccounts, [
      'default/planned',
      'default/running',
    ]);
  });

  it('leaves the configuration as it is when the instance of a planned account comes or goes', () => {
    const planned = entry.replace('running', 'planned');
    assert.equal(modelOf(service + workload).configHash, modelOf(service + workload + planned).configHash);
    assert.notEqual(modelOf(service + workload).configHash, modelOf(service + workload + entry).configHash);
  });

  it('knows the application’s own port behind the port by which a sidecar is reached', () => {
    const [endpoint] = serviceA(service + entry).endpoints;
    assert.deepEqual(endpoint?.ports, { 80: 41001 });
    assert.deepEqual(endpoint?.applicationPorts, { 80: 9080 });
  });

  it('takes an endpoint to speak mutual TLS only where its label says so', () => {
    const [plain] = serviceA(service + entry).endpoints;
    const labelled = entry.replace('{ app: a }', '{ app: a, security.istio.io/tlsMode: istio }');
    const [mutual] = serviceA(service + labelled).endpoints;
    assert.equal(plain?.mtls, false);
    assert.equal(mutual?.mtls, true);
  });

  it('takes an endpoint to take tunnels where its label or annotation says so, at their port or another', () => {
    const tunnelPort = (label: string, annotation: string): number | undefined => {
      const changed = entry
        .replace('{ app: a }', `{ app: a${label} }`)
        .replace('admin=99999999"', `admin=99999999"${annotation}`);
      return serviceA(service + changed).endpoints[0]?.tunnelPort;
    };
    const port = (text: string): string => `, heddle.dev/tunnel-port: "${text}"`;
    assert.equal(tunnelPort('', port('41005')), 0);
    assert.equal(tunnelPort(', networking.istio.io/tunnel: quic', ''), 0);
    assert.equal(tunnelPort(', networking.istio.io/tunnel: http', ''), 15_008);
    assert.equal(tunnelPort(', networking.istio.io/tunnel: http', port('41005')), 41_005);
    assert.equal(tunnelPort(', networking.istio.io/tunnel: http', port('70000')), 15_008);
    assert.equal(tunnelPort('', ', ambient.istio.io/redirection: enabled'), 15_008);
  });
});

function modelOf(source: string): MeshModel {
  const { resources, problems } = parseMeshFile(source, 'a.yaml');
  assert.deepEqual(problems, []);
  return buildModel(new Map(resources.map((resource) => [resource.key, resource]))).model;
}

function serviceA(source: string): Service {
  const found = modelOf(source).services.get('default/a.default.svc.cluster.local');
  assert.ok(found !== undefined);
  return found;
}
