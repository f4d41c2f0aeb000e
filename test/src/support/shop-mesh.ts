import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';
import { freePort } from './free-port.js';
import { httpCall } from './http-call.js';
import { RunningProgram } from './running-program.js';

const heddle = fileURLToPath(new URL('./main.js', import.meta.resolve('@heddle/cli')));
const shop = fileURLToPath(new URL('../../../examples/shop', import.meta.url));

/** The sample shop under `heddle up`, in a folder of its own. */
export interface ShopMesh {
  readonly up: RunningProgram;
  /** Of the YAML, to be edited. */
  readonly meshFolder: string;
  readonly stateFolder: string;
  readonly gatewayPort: number;
  readonly apiPort: number;
  readonly token: string;
  /** Admin ports of all sidecars and the gateway. */
  readonly adminPorts: readonly number[];
  stop(): Promise<void>;
}

const INSTANCES = 8;

/** Resolves when everything is ready and the gateway answers. */
export async function startShop(): Promise<ShopMesh> {
  const root = await mkdtemp(join(tmpdir(), 'heddle-shop-'));
  await cp(shop, join(root, 'shop'), { recursive: true });
  const meshFolder = join(root, 'shop', 'mesh');
  const stateFolder = join(root, 'state');
  // A port that is this mesh's own: others that start at the same moment would want the same one.
  const gatewayFile = join(meshFolder, 'gateway.yaml');
  const gateway = await readFile(gatewayFile, 'utf8');
  await writeFile(gatewayFile, gateway.replace('number: 8080', `number: ${await freePort()}`));
  const wanted = await freePort();
  const args = [heddle, 'up', '-f', meshFolder, '--state-dir', stateFolder, '--api-port', String(wanted)];
  const up = new RunningProgram(process.execPath, args);
  const stop = async (): Promise<void> => {
    await up.stop(20_000);
    await rm(root, { recursive: true, force: true });
  };
  try {
    await eventually(
      () =>
        (up.output.match(/is ready; its sidecar/g) ?? []).length >= INSTANCES && /^gateway/m.test(up.output),
      () => up.output,
      90_000,
    );
    const gatewayPort = Number(/^gateway .*http:\/\/127\.0\.0\.1:(\d+)/m.exec(up.output)?.[1]);
    await eventually(
      async () => (await httpCall(gatewayPort, '/products/1')).status === 200,
      () => up.output,
    );
    const ports = JSON.parse(await readFile(join(stateFolder, 'heddled.json'), 'utf8')) as {
      apiPort: number;
      token: string;
    };
    const gateway = JSON.parse(
      await readFile(join(stateFolder, 'bootstraps', 'ingressgateway.json'), 'utf8').catch(() => '{}'),
    ) as { admin?: { address: { socket_address: { port_value: number } } } };
    const sidecars = [...up.output.matchAll(/admin page is http:\/\/127\.0\.0\.1:(\d+)/g)].map(([, port]) =>
      Number(port),
    );
    const gatewayAdmin = gateway.admin?.address.socket_address.port_value;
    return {
      ...{ up, meshFolder, stateFolder, gatewayPort, stop },
      apiPort: ports.apiPort,
      token: ports.token,
      adminPorts: gatewayAdmin === undefined ? sidecars : [gatewayAdmin, ...sidecars],
    };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

/** Of the heddled that runs now. */
export async function pidOfHeddled(stateFolder: string): Promise<number> {
  const { pid } = JSON.parse(await readFile(join(stateFolder, 'heddled.json'), 'utf8')) as { pid: number };
  return pid;
}
