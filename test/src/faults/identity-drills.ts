import { readFile } from 'node:fs/promises';
import { eventually } from '../support/eventually.js';
import { httpCall } from '../support/http-call.js';
import { MutualTlsPair, type MutualTlsPairOptions, type PairMember } from '../support/mutual-tls-pair.js';
import { heddleProxy, realEnvoy } from '../support/proxy-subjects.js';
import type { DrillGround, DrillOutcome } from './drill.js';
import { GOOD_CALLERS, SteadyCallers, during } from './steady-callers.js';

/** Every request needs a handshake of its own, so that what is wrong with certificates is met at once. */
const NOTHING_KEPT = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews }
spec: { host: reviews, trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 1 } } } }
`;
const SHORT_TTL = '12s';

/** Faults of what gives certificates. */
export function identityDrills(): DrillGround {
  const withPair = async (
    options: Omit<MutualTlsPairOptions, 'files'>,
    run: (pair: MutualTlsPair) => Promise<DrillOutcome>,
  ): Promise<DrillOutcome> => {
    const pair = new MutualTlsPair({ ...options, files: { 'rule.yaml': NOTHING_KEPT } });
    try {
      await pair.start();
      await serves(pair);
      return await run(pair);
    } finally {
      await pair.stop();
    }
  };

  return {
    name: 'two proxies with certificates of heddled',
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    drills: [
      {
        name: 'the authority is away until a certificate expires',
        run: () =>
          withPair(
            { calling: heddleProxy(), called: heddleProxy(), certificateTtl: SHORT_TTL },
            async (pair) => {
              await pair.stopPlane();
              const alarms = new Set<string>();
              // Until its end nobody notices anything.
              const before = await during(pair.outboundPort, async (callers) => {
                await callers.more(100);
                return [];
              });
              await eventually(
                async () => {
                  alarms.add(await alarmOf(pair, 'reviews'));
                  return alarms.has('expired');
                },
                () => [...alarms].join(),
                60_000,
              );
              const refused = new SteadyCallers({ port: pair.outboundPort, callers: GOOD_CALLERS });
              await refused.more(50);
              await refused.stop();
              const told = [...refused.failures];
              const count = told.reduce((sum, [, times]) => sum + times, 0);
              // Whom to trust is nobody's business outside: the client is not told, the log is.
              const logged = async (): Promise<number> =>
                (await readFile(pair.logFile('caller'), 'utf8')).split('certificate has expired').length - 1;
              await eventually(
                async () => (await logged()) >= count,
                () => 'the log does not say why',
              );
              await pair.startPlane();
              await eventually(
                async () => (await alarmOf(pair, 'reviews')) === 'none',
                () => pair.output,
                60_000,
              );
              await serves(pair);
              const after = await during(pair.outboundPort, async () => []);
              return {
                requests: before.requests + after.requests,
                failures: new Map([...before.failures, ...after.failures]),
                figures: [
                  `the alarm went ${[...alarms].join(', ')}`,
                  `${count} of ${refused.requests} were refused then (${told.map(([why]) => why).join(', ')}), and the log says that a certificate has expired`,
                  'all is well with the next certificate',
                ],
                problems: [
                  ...(count === refused.requests ? [] : ['a certificate that has expired was taken']),
                  ...told
                    .filter(([why]) => !why.startsWith('503 upstream connect error'))
                    .map(([why]) => `not told as it should be: ${why}`),
                ],
              };
            },
          ),
      },
      ...(realEnvoy().missing === undefined
        ? [
            {
              name: 'the agent of a real Envoy is killed, also while heddled is away, and started again',
              run: (): Promise<DrillOutcome> =>
                withPair({ calling: heddleProxy(), called: realEnvoy() }, (pair) =>
                  during(pair.outboundPort, async (callers) => {
                    const killed = async (): Promise<void> => {
                      pair.agent('reviews').kill('SIGKILL');
                      await pair.agent('reviews').ended();
                      await callers.more(100);
                    };
                    const first = await serialOf(pair, 'reviews');
                    await killed();
                    await pair.startAgent('reviews');
                    await another(pair, 'reviews', first);
                    await callers.more(100);
                    const second = await serialOf(pair, 'reviews');
                    await pair.stopPlane();
                    await killed();
                    await pair.startAgent('reviews');
                    await callers.more(100);
                    await pair.startPlane();
                    await another(pair, 'reviews', second);
                    return ['Envoy went on with what it had, and took each new certificate when it came'];
                  }),
                ),
            },
          ]
        : []),
    ],
  };
}

async function serves(pair: MutualTlsPair): Promise<void> {
  await eventually(
    async () => (await httpCall(pair.outboundPort, '/')).status === 200,
    () => pair.output,
  );
}

async function alarmOf(pair: MutualTlsPair, member: PairMember): Promise<string> {
  const { body } = await httpCall(pair.adminPort(member), '/identity');
  return (JSON.parse(body) as { alarm: string }).alarm;
}

/** Of the certificate that Envoy uses. */
async function serialOf(pair: MutualTlsPair, member: PairMember): Promise<string> {
  const { body } = await httpCall(pair.adminPort(member), '/certs');
  const { certificates } = JSON.parse(body) as {
    certificates: { cert_chain?: { serial_number: string }[] }[];
  };
  return (
    certificates.find(({ cert_chain: chain }) => chain !== undefined)?.cert_chain?.[0]?.serial_number ?? ''
  );
}

function another(pair: MutualTlsPair, member: PairMember, serial: string): Promise<void> {
  return eventually(
    async () => (await serialOf(pair, member)) !== serial,
    () => `it still has the certificate ${serial}\n${pair.output}`,
    60_000,
  );
}
