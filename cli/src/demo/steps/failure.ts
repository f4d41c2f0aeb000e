import type { AccessLogLine } from '../access-log-lines.js';
import { Checks } from '../checks.js';
import { versionsOf } from '../shop-client.js';
import type { Stage } from '../stage.js';
import type { StoryStep } from '../story-step.js';

const SAMPLES = 200;
const RETRIES = 'envoy_cluster_upstream_rq_retry';
const EJECTIONS = 'envoy_cluster_outlier_detection_ejections_active';
const RATINGS = { host: 'ratings.shop.example' };
const DISCOUNTS = { host: 'discounts.shop.example' };

/** What breaks, and who notices. */
export const failureSteps: readonly StoryStep[] = [
  {
    title: 'reviews v2 fails three times in ten, and nobody notices',
    explanation:
      'Everybody is sent to v2, whose program then begins to fail. Its callers ask again, as the route says.',
    applies: { story: '9-retries.yaml', as: 'reviews-routing.yaml' },
    async run(stage) {
      const checks = new Checks();
      await checks.takesEffect(stage, async () => {
        const answers = await stage.client.sample(16, '/products/7');
        return versionsOf(answers, 'reviews')['v2'] === 16;
      });
      await stage.edit('reviews.yaml', (yaml) =>
        yaml.replace('SERVICE_VERSION: v2', `SERVICE_VERSION: v2\n    FAIL_PERCENT: '30'`),
      );
      const retries = (): Promise<number> => stage.counter('storefront', RETRIES, '|v2|reviews');
      const fails = await stage.eventually(async () => (await retries()) > 0, 20_000);
      checks.that(fails, 'v2 did not begin to fail within 20 s');
      const before = await retries();
      const answers = await stage.client.sample(SAMPLES, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      const again = (await retries()) - before;
      checks.that(again > SAMPLES / 10, `only ${again} requests were sent again`);
      checks.figure(`${SAMPLES} pages, all 200; ${again} requests to v2 were sent again meanwhile`);
      await stage.edit('reviews.yaml', (yaml) => yaml.replace(`\n    FAIL_PERCENT: '30'`, ''));
      // The program that fails serves until the next one is ready, and no later route asks it again.
      const isMended = await stage.eventually(async () => {
        const sentAgain = await retries();
        await stage.client.sample(32, '/products/7');
        return (await retries()) === sentAgain;
      }, 20_000);
      checks.that(isMended, 'v2 did not stop failing within 20 s');
      return checks.result();
    },
  },
  {
    title: 'A failure on purpose is shown as what it is',
    explanation:
      'For one user the sidecar answers in place of details. The log says that nothing really broke.',
    applies: { story: '10-fault.yaml', as: 'details-fault.yaml' },
    async run(stage) {
      const checks = new Checks();
      const eve = { 'end-user': 'eve' };
      await checks.takesEffect(
        stage,
        async () => (await stage.client.get('/products/7', eve)).status === 502,
      );
      await stage.client.sample(8, '/products/5001', eve);
      const others = await stage.client.sample(40, '/products/7');
      checks.all(others, ({ status }) => status === 200, 'answered with 200');
      const lines = await logged(stage, 'storefront', '/details/5001');
      const said = `${textOf(lines, 'response_flags')}, ${textOf(lines, 'response_code_details')}`;
      checks.that(said === 'FI, fault_filter_abort', `the log says ${said}`);
      checks.figure(`eve's pages failed, everyone else's did not; the log says ${said}`);
      await stage.remove('details-fault.yaml');
      const isOver = async (): Promise<boolean> =>
        (await stage.client.get('/products/7', eve)).status === 200;
      checks.that(await stage.eventually(isOver, 10_000), 'the fault stayed after its file was deleted');
      return checks.result();
    },
  },
  {
    title: 'One of two instances is killed, and no caller sees an error',
    explanation:
      'kill -9 on a ratings program, three times, under load. Reads go to the other one; what is posted is never sent twice.',
    applies: { story: '11-ratings-survive.yaml', as: 'ratings-routing.yaml' },
    async run(stage) {
      const checks = new Checks();
      await stage.eventually(async () => (await stage.convergence()).converged, 5_000);
      const isRouted = async (): Promise<boolean> =>
        (await stage.client.post('/ratings/7', { ...RATINGS, 'x-rating': 'first' })).status === 200;
      await checks.takesEffect(stage, isRouted);
      const posts = new PostedRatings(stage);
      const failedBefore = stage.load.failed;
      for (let turn = 0; turn < 3; turn++) {
        const [victim] = stage.instancesOf('ratings');
        if (victim?.applicationPid === undefined) break;
        process.kill(victim.applicationPid, 'SIGKILL');
        const answers = await stage.client.sample(60, '/products/7');
        checks.all(answers, ({ status }) => status === 200, 'answered with 200');
        checks.that(
          await stage.eventually(async () => victim.isReady, 20_000),
          'ratings did not come back within 20 s',
        );
      }
      const failed = stage.load.failed - failedBefore;
      checks.that(
        failed === 0,
        `${failed} requests of the steady load failed: ${stage.load.failures.at(-1)}`,
      );
      checks.figure('killed three times; 180 pages and the steady load, no failure');
      const { posted, lost, twice, unseen } = await posts.stop();
      checks.that(twice === 0, `${twice} of ${posted} posted ratings came twice`);
      checks.that(unseen === 0, `${unseen} of ${posted} posted ratings were answered well and never came`);
      checks.figure(`${posted} ratings posted meanwhile: none came twice, ${lost} failed and were told so`);
      return checks.result();
    },
  },
  {
    title: 'A host that hangs is left alone, and comes back',
    explanation:
      'A ratings program is stopped in its tracks: it takes requests and says nothing. After three it is ejected.',
    applies: undefined,
    async run(stage) {
      const checks = new Checks();
      const [victim] = stage.instancesOf('ratings');
      const pid = victim?.applicationPid;
      if (pid === undefined) return { figures: [], failures: ['no ratings program runs'] };
      const ejected = (): Promise<number> => stage.counter('reviews-v2', EJECTIONS, 'ratings.');
      process.kill(pid, 'SIGSTOP');
      try {
        const answers = await stage.client.sample(40, '/products/7');
        checks.all(answers, ({ status }) => status === 200, 'answered with 200');
        checks.that(
          await stage.eventually(async () => (await ejected()) === 1, 10_000),
          'the host that hangs was not ejected within 10 s',
        );
        checks.figure('40 pages, all 200, while one of two hosts hangs; then it is ejected');
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      checks.that(
        await stage.eventually(async () => (await ejected()) === 0, 30_000),
        'the host did not come back within 30 s',
      );
      checks.figure('it goes on, and is back');
      return checks.result();
    },
  },
  {
    title: 'A breaker opens, and says so',
    explanation: 'Discounts take one request at a time. Whoever comes beside it is told at once.',
    applies: { story: '12-breaker.yaml', as: 'discounts-breaker.yaml' },
    async run(stage) {
      const checks = new Checks();
      await stage.apply('5-discounts.yaml', 'discounts.yaml');
      const isThere = async (): Promise<boolean> =>
        (await stage.client.get('/discounts/7', DISCOUNTS)).status === 200;
      checks.that(await stage.eventually(isThere, 20_000), 'discounts did not join within 20 s');
      const answers = await stage.client.sample(200, '/discounts/5002', DISCOUNTS);
      const refused = answers.filter(({ status }) => status === 503).length;
      const served = answers.filter(({ status }) => status === 200).length;
      checks.counts('eight at a time', { served, refused });
      checks.that(
        refused > 0 && served > 0 && refused + served === 200,
        'some served, some refused, no other',
      );
      const lines = (await logged(stage, 'ingressgateway', '/discounts/5002')).filter(
        (line) => line['response_code'] === 503,
      );
      const flags = textOf(lines, 'response_flags');
      checks.that(flags === 'UO', `the log says ${flags}`);
      checks.figure(`the log says ${flags}: ${textOf(lines, 'response_code_details')}`);
      await stage.remove('discounts-breaker.yaml');
      await stage.remove('discounts.yaml');
      return checks.result();
    },
  },
  {
    title: 'The control plane is killed: traffic goes on, and nothing is sent twice',
    explanation: 'kill -9 on heddled. The sidecars keep what they have; when it returns they agree at once.',
    applies: undefined,
    async run(stage) {
      const checks = new Checks();
      const pid = stage.launcher.controlPlanePid;
      const updates = (): Promise<number> =>
        stage.counter('storefront', 'envoy_cluster_manager_cds_update_success', '');
      const before = await updates();
      const expected = (): number => stage.launcher.instances.length + 1;
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      const answers = await stage.client.sample(100, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      const isBack = async (): Promise<boolean> => {
        const now = await stage.convergence().catch(() => undefined);
        // Those of programs that are on their way out may come back too.
        return now !== undefined && now.converged && now.proxies >= expected();
      };
      checks.that(
        await stage.eventually(isBack, 30_000),
        `not all ${expected()} proxies came back within 30 s`,
      );
      checks.that(stage.launcher.controlPlanePid !== pid, 'heddled was not started again');
      const resent = (await updates()) - before;
      checks.that(resent === 0, `clusters were sent again ${resent} times`);
      checks.figure(
        `100 pages without a control plane, all 200; ${expected()} proxies back, nothing sent again`,
      );
      return checks.result();
    },
  },
  {
    title: 'A sidecar is replaced under load, and one is killed',
    explanation:
      'The new sidecar starts beside the old one on the same sockets. A killed one loses only what it held in its hands.',
    applies: undefined,
    async run(stage) {
      const checks = new Checks();
      const [storefront] = stage.instancesOf('storefront');
      if (storefront === undefined) return { figures: [], failures: ['no storefront runs'] };
      const failedBefore = stage.load.failed;
      const before = storefront.sidecarPid;
      const failure = await storefront.replaceSidecar();
      checks.that(failure === undefined, `the sidecar was not replaced: ${failure}`);
      checks.that(storefront.sidecarPid !== before, 'it is the same process');
      const answers = await stage.client.sample(100, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      const failed = stage.load.failed - failedBefore;
      checks.that(
        failed === 0,
        `${failed} requests failed while it was replaced: ${stage.load.failures.at(-1)}`,
      );
      checks.figure(`replaced: ${answers.length} pages and the steady load, no failure`);
      const [ratings] = stage.instancesOf('ratings');
      const pid = ratings?.sidecarPid;
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      const meanwhile = await stage.client.sample(100, '/products/7');
      checks.all(meanwhile, ({ status }) => status === 200, 'answered with 200');
      checks.that(
        await stage.eventually(async () => ratings?.isReady === true && ratings.sidecarPid !== pid, 20_000),
        'the sidecar of ratings did not come back within 20 s',
      );
      checks.figure('killed: 100 pages, no failure, for what it held was asked again elsewhere');
      return checks.result();
    },
  },
];

/** Posts ratings one after the other until it is stopped, each with a name of its own. */
class PostedRatings {
  readonly #stage: Stage;
  readonly #loop: Promise<void>;
  readonly #answered: string[] = [];
  #posted = 0;
  #isStopped = false;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#loop = this.#run();
  }

  /** How many were posted, answered by an error, seen twice by ratings, and answered well without being seen. */
  async stop(): Promise<{
    readonly posted: number;
    readonly lost: number;
    readonly twice: number;
    readonly unseen: number;
  }> {
    this.#isStopped = true;
    await this.#loop;
    const lines = await this.#stage.programLines('ratings', 'rating posted: ');
    const seen = lines.filter((id) => id.startsWith('demo-'));
    const distinct = new Set(seen);
    return {
      posted: this.#posted,
      lost: this.#posted - this.#answered.length,
      twice: seen.length - distinct.size,
      unseen: this.#answered.filter((id) => !distinct.has(id)).length,
    };
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const id = `demo-${++this.#posted}`;
      const { status } = await this.#stage.client.post('/ratings/7', { ...RATINGS, 'x-rating': id });
      if (status === 200) this.#answered.push(id);
      await this.#stage.wait(5);
    }
  }
}

/** Lines of a path, once there are any. */
async function logged(stage: Stage, workload: string, path: string): Promise<readonly AccessLogLine[]> {
  let lines: readonly AccessLogLine[] = [];
  await stage.eventually(async () => {
    lines = await stage.accessLog(workload, path);
    return lines.length > 0;
  }, 5_000);
  return lines;
}

function textOf(lines: readonly AccessLogLine[], field: string): string {
  return [...new Set(lines.map((line) => String(line[field])))].join(' and ') || 'nothing';
}
