import { Resolver } from 'node:dns/promises';
import { get, request } from 'node:http';
import { connect } from 'node:net';
import { Client, credentials } from '@grpc/grpc-js';
import { APPLICATION_PORTS, ECHO_METHOD, NAMES } from './applications.js';

/**
 * An application that knows nothing of a mesh: calls everything at an address of each family and prints what came of it, one line
 * of JSON for each call.
 *
 *   node calling-application.js 10.9.0.2 fd09::2
 */
const { http, webSocket, grpc, postgres, redis } = APPLICATION_PORTS;
const PATIENCE_MS = 8_000;
/** Nobody has it: rules lead questions to the sidecar, whoever is asked. */
const NAME_SERVERS = ['198.51.100.53', '[2001:db8::53]'];
const BODY = Buffer.alloc(3_000_000, 'x');

type Call = (host: string) => Promise<string>;

const calls: Readonly<Record<string, Call>> = {
  http: (host) =>
    new Promise((done, fail) => {
      get({ host, port: http, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += String(chunk)));
        response.on('end', () => done(`${response.statusCode} ${text}`));
      }).on('error', fail);
    }),
  'http, 3 MB': (host) =>
    new Promise((done, fail) => {
      const sent = request({ host, port: http, method: 'POST', agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += String(chunk)));
        response.on('end', () => done(`${response.statusCode} ${text}`));
      });
      sent.on('error', fail);
      sent.end(BODY);
    }),
  grpc: (host) =>
    new Promise((done, fail) => {
      const target = host.includes(':') ? `ipv6:[${host}]:${grpc}` : `ipv4:${host}:${grpc}`;
      const client = new Client(target, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
      client.makeUnaryRequest(
        ECHO_METHOD.path,
        ECHO_METHOD.requestSerialize,
        ECHO_METHOD.responseDeserialize,
        Buffer.from('hello'),
        (error: Error | null, answer?: Buffer) => {
          client.close();
          if (error === null) done(String(answer));
          else fail(error);
        },
      );
    }),
  websocket: (host) =>
    new Promise((done, fail) => {
      const headers = {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      };
      const asked = request({ host, port: webSocket, headers, agent: false });
      asked.on('error', fail).on('response', ({ statusCode }) => done(`no upgrade: ${statusCode}`));
      asked.on('upgrade', (_response, socket) => {
        let frame = Buffer.alloc(0);
        socket.on('data', (chunk: Buffer) => (frame = Buffer.concat([frame, chunk])));
        socket.on('end', () => done(String(frame.subarray(2))));
        // Masked with zeros, which changes nothing.
        socket.write(Buffer.concat([Buffer.from([0x81, 0x85, 0, 0, 0, 0]), Buffer.from('hello')]));
      });
      asked.end();
    }),
  postgres: (host) =>
    new Promise((done, fail) => {
      let text = '';
      let greetedAfterMs = 0;
      const startMs = performance.now();
      const socket = connect(postgres, host);
      socket.on('error', fail);
      socket.on('data', (chunk) => {
        if (text === '') {
          greetedAfterMs = performance.now() - startMs;
          socket.write('hello');
        }
        text += String(chunk);
      });
      socket.on('close', () =>
        done(
          `${text.replace('\n', ', ')}${greetedAfterMs < 2_000 ? '' : `, greeted after ${greetedAfterMs} ms`}`,
        ),
      );
    }),
  redis: (host) =>
    new Promise((done, fail) => {
      const said: string[] = [];
      const questions = ['SET name heddle', 'GET name', 'CLIENT INFO'];
      const socket = connect(redis, host);
      const ask = (): void => {
        const words = questions[said.length]?.split(' ');
        if (words === undefined) {
          socket.destroy();
          const from = /addr=\[?([^\]\s]+?)\]?:\d+ /.exec(said[2] ?? '')?.[1];
          done(`${said[0]} ${said[1]} ${from}`);
        } else
          socket.write(
            `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`,
          );
      };
      socket.on('error', fail).on('connect', ask);
      socket.on('data', (chunk) => {
        const [head = '', ...rest] = String(chunk).split('\r\n');
        said.push(head.startsWith('$') ? (rest[0] ?? '') : head);
        ask();
      });
    }),
};

const resolver = new Resolver({ timeout: 3_000, tries: 2 });

/** By the family of the server that is asked. */
const questions: Readonly<Record<string, () => Promise<unknown>>> = {
  A: () => resolver.resolve4(NAMES.known),
  AAAA: () => resolver.resolve6(NAMES.known),
  TXT: () => resolver.resolveTxt(NAMES.known),
  'no such name': () => resolver.resolve4(NAMES.unknown),
};

async function attempt(call: () => Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<string>((done) => {
    timer = setTimeout(done, PATIENCE_MS, 'nothing came');
  });
  try {
    return String(await Promise.race([call(), patience]));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    clearTimeout(timer);
  }
}

const say = (name: string, came: string): void =>
  void process.stdout.write(`${JSON.stringify([name, came])}\n`);
for (const host of process.argv.slice(2)) {
  const family = host.includes(':') ? 'IPv6' : 'IPv4';
  for (const [name, call] of Object.entries(calls))
    say(`${name} by ${family}`, await attempt(() => call(host)));
  resolver.setServers([NAME_SERVERS[host.includes(':') ? 1 : 0] as string]);
  for (const [name, ask] of Object.entries(questions)) say(`dns ${name} by ${family}`, await attempt(ask));
}
process.exit(0);
