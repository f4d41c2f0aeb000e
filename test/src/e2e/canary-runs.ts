// Ten canaries for real, under load: five good releases, five bad ones, with heddled killed in the middle of some. Prints a line each and
// ends with 1 when a bad release was promoted, a good one was not, or a request failed that the bad version did not answer itself.
//
//   node test/dist/e2e/canary-runs.js [HOW MANY]
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CanaryView } from '@heddle/control-plane/dashboard-api';
import { httpCall } from '../support/http-call.js';
import { pidOfHeddled, startShop, type ShopMesh } from '../support/shop-mesh.js';

/** What a release is like, and what should become of it. `%` is the version. */
const RELEASES = [
  { name: 'good', env: '', expected: 'promoted', kill: false },
  { name: 'failing', env: `FAIL_PERCENT: '25'`, expected: 'rolled-back', kill: false },
  { name: 'good, heddled is killed meanwhile', env: '', expected: 'promoted', kill: true },
  { name: 'slow', env: `DELAY_MS: '1500'`, expected: 'rolled-back', kill: false },
  {
    name: 'failing, heddled is killed meanwhile',
    env: `FAIL_PERCENT: '25'`,
    expected: 'rolled-back',
    kill: true,
  },
] as const;

const PER_SECOND = 40;
const DECIDED_WITHIN_MS = 90_000;

/** Pages at a steady rate. One fails otherwise when no program of the canary answered its call with an error. */
class Load {
  readonly #gatewayPort: number;
  readonly #timer: NodeJS.Timeout;
  readonly #open = new Set<Promise<void>>();
  #requests = 0;
  #failed = 0;
  #foreign = 0;

  constructor(gatewayPort: number) {
    this.#gatewayPort = gatewayPort;
    this.#timer = setInterval(() => {
      if (this.#open.size > 100) return;
      const call = this.#call().finally(() => this.#open.delete(call));
      this.#open.add(call);
    }, 1000 / PER_SECOND);
  }

  async stop(): Promise<{ readonly requests: number; readonly failed: number; readonly foreign: number }> {
    clearInterval(this.#timer);
    await Promise.all(this.#open);
    return { requests: this.#requests, failed: this.#failed, foreign: this.#foreign };
  }

  async #call(): Promise<void> {
    this.#requests++;
    const { status, body } = await httpCall(this.#gatewayPort, '/products/7');
    if (status === 200) return;
    if (body.includes('reviews: answered 500')) this.#failed++;
    else {
      this.#foreign++;
      process.stderr.write(`${status} ${body.slice(0, 300)}\n`);
    }
  }
}

const runs = Number(process.argv[2] ?? 10);
const mesh = await startShop();
let isWrong = false;
try {
  for (let run = 0; run < runs; run++) {
    const release = RELEASES[run % RELEASES.length] as (typeof RELEASES)[number];
    const { text, isRight } = await oneRun(mesh, run, release);
    isWrong ||= !isRight;
    process.stdout.write(`${isRight ? 'ok    ' : 'FAILED'} ${run + 1}. ${release.name}: ${text}\n`);
  }
} finally {
  await mesh.stop();
}
process.exitCode = isWrong ? 1 : 0;

async function oneRun(
  { meshFolder, apiPort, gatewayPort, stateFolder }: ShopMesh,
  run: number,
  { env, expected, kill }: (typeof RELEASES)[number],
): Promise<{ readonly text: string; readonly isRight: boolean }> {
  const before = await canaryNow(apiPort);
  const revision = randomBytes(6).toString('hex');
  const load = new Load(gatewayPort);
  await writeFile(join(meshFolder, 'canary.yaml'), canaryYaml(`r${run}`, env, revision));
  const deadline = performance.now() + DECIDED_WITHIN_MS;
  let canary: CanaryView | undefined;
  let isKilled = !kill;
  while (performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    canary = await canaryNow(apiPort).catch(() => undefined);
    if (canary === undefined || canary.run === before?.run) continue;
    if (!isKilled && canary.phase !== 'waiting') {
      isKilled = true;
      process.kill(await pidOfHeddled(stateFolder), 'SIGKILL');
    }
    if (['promoted', 'rolled-back'].includes(canary.phase)) break;
  }
  const { requests, failed, foreign } = await load.stop();
  const isRight = canary?.phase === expected && foreign === 0 && isKilled;
  const weights = [...new Set(canary?.events.map(({ weight }) => weight))].join(', ');
  const text = `${canary?.phase} (${canary?.reason}), weights ${weights}; ${requests} requests, ${failed} answered by the bad version with an error, ${foreign} failed otherwise`;
  return { text, isRight };
}

async function canaryNow(apiPort: number): Promise<CanaryView | undefined> {
  const { status, body } = await httpCall(apiPort, '/api/v1/canaries');
  if (status !== 200) throw new Error(`heddled answered ${status}`);
  const { canaries } = JSON.parse(body) as { readonly canaries: readonly CanaryView[] };
  return canaries.find(({ name }) => name === 'reviews');
}

function canaryYaml(version: string, env: string, revision: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets: [{ name: v1, labels: { version: v1 } }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews-next }
spec:
  host: reviews-next
  subsets: [{ name: ${version}, labels: { version: ${version} } }]
---
apiVersion: v1
kind: Service
metadata: { name: reviews-next }
spec: { selector: { app: reviews-next }, ports: [{ name: http, port: 9080 }] }
---
apiVersion: heddle.dev/v1alpha1
kind: Workload
metadata: { name: reviews-next }
spec:
  command: [node, ../reviews/server.mjs]
  ports: [{ name: http, port: 9080 }]
  serviceAccount: reviews
  labels: { app: reviews-next, version: ${version} }
  env:
    SERVICE_VERSION: ${version}
    ${env}
---
apiVersion: heddle.dev/v1alpha1
kind: Canary
metadata: { name: reviews }
spec:
  host: reviews
  stable: { subset: v1 }
  canary: { host: reviews-next, subset: ${version} }
  revision: '${revision}'
  steps: [{ weight: 15 }, { weight: 50 }]
  interval: 3s
  minRequests: 20
  splitTolerance: 10
  successRate: { min: 95 }
  latency: { percentile: 90, max: 1s }
`;
}
