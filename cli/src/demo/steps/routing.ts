import { Checks } from '../checks.js';
import { requestsByCluster } from '../sidecar-figures.js';
import { versionsOf, type ServedCall, type ShopAnswer } from '../shop-client.js';
import type { Stage } from '../stage.js';
import { describe, type StoryStep } from '../story-step.js';

const SAMPLES = 300;

/** Services, weights, routes, mistakes, arrivals: what routing does. */
export const routingSteps: readonly StoryStep[] = [
  {
    title: 'Services call each other through their sidecars only',
    explanation:
      'The programs know nothing of a mesh: each is told PORT and <SERVICE>_URL, and every URL is its own sidecar.',
    applies: undefined,
    async run(stage) {
      const before = await countedCalls(stage);
      const answers = await stage.client.sample(60, '/products/7');
      // Other callers are counted as well: the steady load goes on. So the sidecars must have seen at least ours.
      const after = await countedCalls(stage);
      const checks = new Checks();
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      const depth = Math.max(...answers.map(({ served }) => depthOf(served)));
      checks.that(depth >= 3, `the call graph is ${depth} deep, expected at least 3`);
      const made = callsByService(answers);
      for (const [service, count] of made) {
        const seen = (after.get(service) ?? 0) - (before.get(service) ?? 0);
        checks.that(seen >= count, `${service} was called ${count} times, but the sidecars saw ${seen}`);
      }
      checks.figure(`${answers.length} pages, the call graph ${depth} deep`);
      checks.counts(`calls made for them, all seen by the callers' sidecars`, Object.fromEntries(made));
      return checks.result();
    },
  },
  {
    title: '90 % to reviews v1, 10 % to v2',
    explanation: 'A DestinationRule names the versions as subsets, a VirtualService gives them weights.',
    applies: { story: '1-reviews-90-10.yaml', as: 'reviews-routing.yaml' },
    async run(stage) {
      const checks = new Checks();
      await checks.takesEffect(stage, async () => {
        const answers = await stage.client.sample(24, '/products/7');
        return (versionsOf(answers, 'reviews')['v3'] ?? 0) === 0;
      });
      const answers = await stage.client.sample(SAMPLES, '/products/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      const { v1 = 0, v2 = 0, v3 = 0 } = versionsOf(answers, 'reviews');
      checks.counts(`reviews on ${SAMPLES} pages`, { v1, v2, v3 });
      // Six standard deviations of a binomial with p = 0.1 and n = 300 are 31.
      checks.that(v2 >= 5 && v2 <= 61, `v2 got ${v2} of ${SAMPLES}, expected about 30`);
      checks.that(v3 === 0, `v3 got ${v3}, expected none`);
      checks.that(v1 + v2 === SAMPLES, `${v1 + v2} pages had a review, expected ${SAMPLES}`);
      return checks.result();
    },
  },
  {
    title: 'One user sees reviews v3',
    explanation: 'A match on the header end-user routes jason to v3; everyone else stays where they were.',
    applies: { story: '2-jason-sees-v3.yaml', as: 'reviews-routing.yaml' },
    async run(stage) {
      const checks = new Checks();
      await checks.takesEffect(stage, async () => {
        const [answer] = await stage.client.sample(1, '/products/7', { 'end-user': 'jason' });
        return versionsOf(answer === undefined ? [] : [answer], 'reviews')['v3'] === 1;
      });
      const jason = await stage.client.sample(60, '/products/7', { 'end-user': 'jason' });
      const others = await stage.client.sample(SAMPLES / 2, '/products/7');
      checks.all([...jason, ...others], ({ status }) => status === 200, 'answered with 200');
      const seenByJason = versionsOf(jason, 'reviews');
      const seenByOthers = versionsOf(others, 'reviews');
      checks.counts('jason sees', seenByJason);
      checks.counts('everyone else', seenByOthers);
      checks.that(
        seenByJason['v3'] === jason.length,
        `jason saw ${describe(seenByJason)}, expected v3 alone`,
      );
      checks.that((seenByOthers['v3'] ?? 0) === 0, `others saw ${describe(seenByOthers)}, expected no v3`);
      return checks.result();
    },
  },
  {
    title: 'A path is rewritten at the gateway',
    explanation: '/catalogue/7 does not exist in any program; the gateway rewrites it to /products/7.',
    applies: { story: '3-catalogue.yaml', as: 'gateway.yaml' },
    async run(stage) {
      const checks = new Checks();
      await checks.takesEffect(stage, async () => (await stage.client.get('/catalogue/7')).status === 200);
      const answers = await stage.client.sample(40, '/catalogue/7');
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      checks.all(answers, ({ served }) => served?.path === '/products/7', 'served as /products/7');
      checks.figure(
        `40 × GET /catalogue/7 were served by the storefront as ${answers[0]?.served?.path ?? '?'}`,
      );
      return checks.result();
    },
  },
  {
    title: 'A mistake is refused, and the last good routing stays',
    explanation:
      'The file below misspells a field. heddled names the place and what was meant; nothing changes.',
    applies: { story: '4-mistake.yaml', as: 'reviews-routing.yaml' },
    async run(stage) {
      const checks = new Checks();
      await checks.takesEffect(stage, async () =>
        (await stage.problems()).some(({ severity }) => severity === 'error'),
      );
      const problem = (await stage.problems()).find(({ message, suggestion }) =>
        `${message} ${suggestion ?? ''}`.includes('weight'),
      );
      checks.that(problem !== undefined, 'no problem names the misspelt field');
      if (problem !== undefined) {
        const hint = problem.suggestion === undefined ? '' : `; did you mean ${problem.suggestion}?`;
        checks.figure(`reviews-routing.yaml:${problem.line}: ${problem.message}${hint}`);
        checks.that(problem.suggestion?.includes('weight') === true, 'no suggestion for the misspelt field');
        checks.that(problem.line > 0, 'the problem has no line');
      }
      const jason = await stage.client.sample(20, '/products/7', { 'end-user': 'jason' });
      const others = await stage.client.sample(SAMPLES / 2, '/products/7');
      checks.all([...jason, ...others], ({ status }) => status === 200, 'answered with 200');
      const seenByOthers = versionsOf(others, 'reviews');
      checks.counts('jason still sees', versionsOf(jason, 'reviews'));
      checks.counts('everyone else', seenByOthers);
      checks.that(
        versionsOf(jason, 'reviews')['v3'] === jason.length,
        'the routing of before is gone: jason lost v3',
      );
      // The refused file would have made it half and half.
      checks.that((seenByOthers['v2'] ?? 0) < 40, 'the weights of the refused file are in force');
      return checks.result();
    },
  },
  {
    title: 'A service joins and leaves while traffic flows',
    explanation: 'A Service, a Workload and a route of its own; then the file is deleted.',
    applies: { story: '5-discounts.yaml', as: 'discounts.yaml' },
    async run(stage) {
      const checks = new Checks();
      const host = { host: 'discounts.shop.example' };
      const isThere = async (): Promise<boolean> => {
        const { status, served } = await stage.client.get('/discounts/7', host);
        return status === 200 && served?.service === 'discounts';
      };
      checks.that(await stage.eventually(isThere, 20_000), 'the new service did not answer within 20 s');
      const answers = await stage.client.sample(40, '/discounts/7', host);
      checks.all(answers, ({ status }) => status === 200, 'answered with 200');
      checks.figure(
        `discounts joined: 40 of ${answers.filter(({ status }) => status === 200).length} calls answered`,
      );
      await stage.remove('discounts.yaml');
      const isGone = async (): Promise<boolean> =>
        (await stage.client.get('/discounts/7', host)).served?.service !== 'discounts';
      checks.that(await stage.eventually(isGone, 10_000), 'the service still answers after it was removed');
      const stopped = await stage.eventually(
        async () => !stage.launcher.instances.some(({ name }) => name.startsWith('discounts')),
        20_000,
      );
      checks.that(stopped, 'the program of the removed service still runs');
      checks.figure('discounts left, and its program was stopped');
      return checks.result();
    },
  },
];

/** Requests that all sidecars together sent to each service, by the service's short name. */
async function countedCalls(stage: Stage): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const { adminPort } of stage.proxies()) {
    for (const [cluster, requests] of await requestsByCluster(adminPort)) {
      const service = /^outbound\|\d+\|[^|]*\|([^.]+)\./.exec(cluster)?.[1];
      if (service !== undefined) counts.set(service, (counts.get(service) ?? 0) + requests);
    }
  }
  return counts;
}

/** Calls that the services themselves say they made or answered. */
function callsByService(answers: readonly ShopAnswer[]): Map<string, number> {
  const counts = new Map<string, number>();
  const visit = (call: ServedCall): void => {
    counts.set(call.service, (counts.get(call.service) ?? 0) + 1);
    for (const inner of call.calls) visit(inner);
  };
  for (const { served } of answers) if (served !== undefined) visit(served);
  return counts;
}

function depthOf(call: ServedCall | undefined): number {
  if (call === undefined) return 0;
  return 1 + Math.max(0, ...call.calls.map(depthOf));
}
