import { credentials, makeGenericClientConstructor, type ServiceDefinition } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';
import { createInterface } from 'node:readline';

const text = (value: string): Buffer => Buffer.from(value);

/** One method that answers with the name of whoever answers. */
export const whoService: ServiceDefinition = {
  who: {
    path: '/test.Who/Who',
    requestStream: false,
    responseStream: false,
    requestSerialize: text,
    requestDeserialize: String,
    responseSerialize: text,
    responseDeserialize: String,
  },
};

/**
 * A gRPC program without a proxy: calls the target of its command line as often as each line of its input says, and prints who
 * answered, as JSON: counts by name, failures as `!CODE`.
 */
async function main(target: string): Promise<void> {
  register();
  const Client = makeGenericClientConstructor(whoService, 'Who');
  const client = new Client(target, credentials.createInsecure());
  const call = (): Promise<string> =>
    new Promise((resolve) => {
      const who = client['who'] as (...args: unknown[]) => void;
      who.call(
        client,
        'who are you?',
        { deadline: Date.now() + 20_000 },
        (error: { readonly code: number } | null, answer: string) =>
          resolve(error === null ? answer : `!${error.code}`),
      );
    });
  for await (const line of createInterface({ input: process.stdin })) {
    const counts: Record<string, number> = {};
    for (let i = 0; i < Number(line); i++) {
      const answer = await call();
      counts[answer] = (counts[answer] ?? 0) + 1;
    }
    process.stdout.write(`${JSON.stringify(counts)}\n`);
  }
  client.close();
}

const [, , target] = process.argv;
if (target?.startsWith('xds:') === true) await main(target);
