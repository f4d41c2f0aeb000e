import { typeUrls } from '@heddle/xds-protos';
import { AdsClient, sidecarNode } from './ads-client.js';
import { clusterName, service, startControlPlane, workloads } from './mesh-folder.js';

/**
 * Measures heddled at scale, with its clients in the same process: an upper bound of what it costs.
 * Not a test: run it by hand as `node test/dist/control-plane/measure-scale.js [SERVICES] [ENDPOINTS] [PROXIES]`.
 */
const [services = 1_000, endpoints = 10, proxies = 100] = process.argv.slice(2).map(Number);
const EDS = typeUrls.clusterLoadAssignment;
const addresses = (i: number): string[] =>
  Array.from({ length: endpoints }, (_, j) => `10.${i >> 8}.${i & 255}.${j + 1}`);

const files: Record<string, string> = {};
for (let i = 0; i < services; i++)
  files[`s${i}.yaml`] = `${service(`s${i}`)}---\n${workloads(`s${i}`, addresses(i))}`;
const print = (what: string, value: number, unit: string): void =>
  console.log(`${what.padEnd(58)} ${value.toFixed(1)} ${unit}`);

let startedMs = performance.now();
const plane = await startControlPlane(files);
print('start', performance.now() - startedMs, 'ms');

const clients: AdsClient[] = [];
const cpuMs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1_000;
};
let cpu = process.cpuUsage();
startedMs = performance.now();
for (let i = 0; i < proxies; i++) {
  const client = new AdsClient(plane.xdsPort, 'delta');
  clients.push(client);
  client.start(sidecarNode(`caller-${i}`));
}
const isFull = (client: AdsClient): boolean =>
  (client.held.get(EDS)?.size ?? 0) === services && (client.held.get(typeUrls.listener)?.size ?? 0) > 0;
await Promise.all(clients.map((client) => client.until(() => isFull(client))));
print('all proxies full', performance.now() - startedMs, 'ms');
print('CPU for each proxy, both ends', cpuMs(cpu) / proxies, 'ms');
print('resident memory, both ends', process.memoryUsage.rss() / 1e6, 'MB');

const last = clusterName(`s${services - 1}`);
const times: number[] = [];
cpu = process.cpuUsage();
for (let round = 0; round < 20; round++) {
  const versions = clients.map((client) => client.held.get(EDS)?.get(last));
  const text = workloads(`s${services - 1}`, [...addresses(services - 1).slice(1), `10.99.0.${round + 1}`]);
  startedMs = performance.now();
  await plane.write(`s${services - 1}.yaml`, `${service(`s${services - 1}`)}---\n${text}`);
  await Promise.all(
    clients.map((client, i) => client.until(() => client.held.get(EDS)?.get(last) !== versions[i])),
  );
  times.push(performance.now() - startedMs);
}
times.sort((a, b) => a - b);
print('one endpoint changes: until every proxy has it, median', times[10] ?? 0, 'ms');
print('  slowest of 20', times[19] ?? 0, 'ms');
print('  CPU for each change and proxy, both ends', cpuMs(cpu) / 20 / proxies, 'ms');

for (const client of clients) client.close();
await plane.close();
