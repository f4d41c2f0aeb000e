import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { proxyBootstrap } from '@heddle/cli';
import { formatProblem, type SourceProblem } from '@heddle/control-plane';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.js';
import { httpCall } from '../support/http-call.js';
import { heddleProxy } from '../support/proxy-subjects.js';
import { RunningProgram } from '../support/running-program.js';

/** What one broken file has to be told as. */
interface BrokenFile {
  readonly title: string;
  readonly file: string;
  readonly yaml: string;
  readonly line: number;
  readonly field: string;
  readonly message: RegExp;
  readonly expected?: RegExp;
  readonly suggestion?: string;
}

const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  selector: { app: echo }
  ports: [{ name: http, port: 80, targetPort: http }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers:
    - port: { number: 8080, name: http, protocol: HTTP }
      hosts: ['*']
`;

const ROUTES = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: edge
spec:
  hosts: ['*']
  gateways: [edge]
  http:
    - route:
        - destination:
            host: echo
          weight: 100
`;

/** Routes of another name, with one mistake. */
const other = (from: string, to: string): string =>
  ROUTES.replace('name: edge', 'name: other').replace(from, to);

const BROKEN: readonly BrokenFile[] = [
  {
    title: 'YAML that cannot be parsed',
    file: 'broken.yaml',
    yaml: 'apiVersion: v1\nkind: Service\nmetadata: { name: [\n',
    line: 4,
    field: '',
    message: /./,
  },
  {
    title: 'a misspelt field',
    file: 'broken.yaml',
    yaml: other('weight', 'wieght'),
    line: 12,
    field: 'spec.http[0].route[0].wieght',
    message: /wieght/,
    suggestion: 'weight',
  },
  {
    title: 'a value of the wrong type',
    file: 'broken.yaml',
    yaml: other('weight: 100', 'weight: most'),
    line: 12,
    field: 'spec.http[0].route[0].weight',
    message: /./,
    expected: /number|integer/,
  },
  {
    title: 'a regular expression that is none',
    file: 'broken.yaml',
    yaml: other('- route:', "- match: [{ uri: { regex: '/a(' } }]\n      route:"),
    line: 9,
    field: 'spec.http[0].match[0].uri.regex',
    message: /./,
  },
  {
    title: 'an unknown kind',
    file: 'broken.yaml',
    yaml: other('kind: VirtualService', 'kind: VirtualServise'),
    line: 2,
    field: 'kind',
    message: /VirtualServise/,
    suggestion: 'VirtualService',
  },
  {
    title: 'a resource that another file has already',
    file: 'zz-routes-again.yaml',
    yaml: ROUTES.replace('host: echo', 'host: nowhere'),
    line: 4,
    field: 'metadata.name',
    message: /edge|already|twice/,
  },
  {
    title: 'a good file edited into a bad one',
    file: 'routes.yaml',
    yaml: ROUTES.replace('host: echo', 'hots: echo'),
    line: 11,
    field: 'spec.http[0].route[0].destination.hots',
    message: /hots/,
    suggestion: 'host',
  },
];

describe('a heddled on a folder into which broken files are put', () => {
  let folder = '';
  let heddled: RunningProgram | undefined;
  let gateway: RunningProgram | undefined;
  let backend: Server | undefined;
  let apiPort = 0;
  let gatewayPort = 0;
  let isUnderLoad = false;
  let load: Promise<void> = Promise.resolve();
  let served = 0;
  const failed: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'heddle-broken-'));
    await mkdir(join(folder, 'mesh'));
    const server = createServer((_request, response) => response.end('served'));
    backend = server;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await write('service.yaml', SERVICE);
    await write('entry.yaml', entryYaml((server.address() as AddressInfo).port));
    await write('routes.yaml', ROUTES);
    const main = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/control-plane')));
    const portsFile = join(folder, 'ports.json');
    heddled = new RunningProgram(process.execPath, [
      ...[main, '-f', join(folder, 'mesh'), '--ports-file', portsFile],
      ...['--xds', '127.0.0.1:0', '--xds-auth', 'permissive', '--api', '127.0.0.1:0'],
    ]);
    let xdsPort = 0;
    await eventually(
      async () => {
        const text = await readFile(portsFile, 'utf8').catch(() => '');
        if (!text.endsWith('\n')) return false;
        ({ xdsPort, apiPort } = JSON.parse(text) as { xdsPort: number; apiPort: number });
        return true;
      },
      () => `heddled has not started\n${heddled?.output}`,
    );
    const adminPort = await freePort();
    gatewayPort = await freePort();
    const bootstrap = proxyBootstrap({
      role: 'router',
      variant: 'delta',
      name: 'ingressgateway',
      namespace: 'default',
      workloadName: 'ingressgateway',
      labels: { istio: 'ingressgateway' },
      serviceAccount: 'default',
      adminPort,
      xdsPort,
      accessLog: join(folder, 'access.log'),
      explicit: {
        bindAddress: '127.0.0.1',
        inbound: [],
        outbound: {},
        httpProxy: 0,
        gatewayPorts: { '8080': gatewayPort },
      },
    });
    await writeFile(join(folder, 'gateway.json'), JSON.stringify(bootstrap));
    gateway = heddleProxy().start(join(folder, 'gateway.json'), join(folder, 'state'));
    await eventually(
      async () => (await httpCall(gatewayPort, '/')).body === 'served',
      () => `the gateway does not serve\n${gateway?.output}`,
    );
  });

  after(async () => {
    await Promise.all([gateway?.stop(), heddled?.stop()]);
    backend?.close();
    backend?.closeAllConnections();
    await rm(folder, { recursive: true, force: true });
  });

  /** Callers go on all the time while a file is broken and mended. */
  beforeEach(() => {
    failed.length = 0;
    served = 0;
    isUnderLoad = true;
    load = (async () => {
      while (isUnderLoad) {
        const { status, body } = await httpCall(gatewayPort, '/');
        if (status === 200 && body === 'served') served++;
        else failed.push(`${status} ${body}`);
      }
    })();
  });
  afterEach(async () => {
    isUnderLoad = false;
    await load;
  });

  /** Renamed into place, as editors do. */
  const write = async (name: string, text: string): Promise<void> => {
    await writeFile(join(folder, `${name}.tmp`), text);
    await rename(join(folder, `${name}.tmp`), join(folder, 'mesh', name));
  };
  const problems = async (): Promise<SourceProblem[]> =>
    (
      JSON.parse((await httpCall(apiPort, '/api/v1/problems')).body) as {
        problems: SourceProblem[];
      }
    ).problems;
  const proxies = async (): Promise<string> => (await httpCall(apiPort, '/api/v1/proxies')).body;

  for (const broken of BROKEN) {
    it(`tells of ${broken.title}, and callers notice nothing`, async () => {
      assert.deepEqual(await problems(), [], 'nothing is wrong before');
      const acknowledged = await proxies();
      await write(broken.file, broken.yaml);
      let found: SourceProblem[] = [];
      await eventually(
        async () => (found = await problems()).length > 0,
        () => `no problem is told\n${heddled?.output}`,
      );
      const [problem] = found;
      assert.ok(problem !== undefined);
      assert.equal(found.length, 1, JSON.stringify(found));
      assert.equal(problem.severity, 'error');
      assert.ok(problem.file.endsWith(broken.file), problem.file);
      assert.deepEqual([problem.line, problem.field], [broken.line, broken.field], JSON.stringify(problem));
      assert.match(problem.message, broken.message);
      if (broken.expected !== undefined) assert.match(problem.expected ?? '', broken.expected);
      assert.equal(problem.suggestion, broken.suggestion);
      // The API leaves the line itself out; everything else is printed as `formatProblem` writes it.
      const [headline = '', place = ''] = formatProblem(problem).split('\n');
      await eventually(
        () => heddled?.output.includes(`${headline}\n${place}`) === true,
        () => `${headline}\n${place}\nis not in\n${heddled?.output}`,
      );
      if (problem.expected !== undefined)
        assert.ok(heddled?.output.includes(`expected: ${problem.expected}`));
      const before = served;
      await eventually(
        () => served >= before + 5,
        () => `nothing is served: ${failed.join('\n')}`,
      );
      assert.equal(stable(await proxies()), stable(acknowledged), 'the gateway was sent nothing');

      if (broken.file === 'routes.yaml') await write('routes.yaml', ROUTES);
      else await rm(join(folder, 'mesh', broken.file));
      await eventually(
        async () => (await problems()).length === 0,
        () => `the problem is still told\n${heddled?.output}`,
      );
      assert.deepEqual(failed, []);
    });
  }
});

/** The types with their versions, without times. */
function stable(proxies: string): string {
  return JSON.stringify(
    (JSON.parse(proxies) as { proxies: { types: Record<string, unknown>[] }[] }).proxies.map(({ types }) =>
      types.map(({ typeUrl, state, sentVersion, ackedVersion }) => ({
        typeUrl,
        state,
        sentVersion,
        ackedVersion,
      })),
    ),
  );
}

function entryYaml(port: number): string {
  return `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: echo }
spec:
  address: 127.0.0.1
  ports: { http: ${port} }
  labels: { app: echo }
`;
}
