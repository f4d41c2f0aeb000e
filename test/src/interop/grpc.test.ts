import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { eventually } from '../support/eventually.js';
import { GrpcMeshPair, identityOf } from '../support/grpc-mesh-pair.js';
import { heddleProxy, realEnvoy, type ProxySubject } from '../support/proxy-subjects.js';

const subjects: readonly ProxySubject[] = [heddleProxy(), realEnvoy()];
const pairs = subjects.flatMap((calling) => subjects.map((called) => [calling, called] as const));
const same = (bytes: Buffer): Buffer => bytes;
const method = (name: string, isStream: boolean) => ({
  path: `/test.Echo/${name}`,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const ECHO = { unary: method('Unary', false), chat: method('Chat', true) };

for (const [calling, called] of pairs) {
  const skip = calling.missing ?? called.missing ?? false;
  describe(`gRPC by mutual TLS from ${calling.name} to ${called.name}`, { skip }, () => {
    const pair = new GrpcMeshPair();
    let client: Client;
    const server = new Server();
    let seen: string | undefined;

    before(async () => {
      server.addService(ECHO, {
        unary: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
          seen = call.metadata.get('x-forwarded-client-cert')[0]?.toString();
          if (call.request.length === 0) answer({ code: status.NOT_FOUND, details: 'nothing' });
          else answer(null, call.request);
        },
        chat: (call: ServerDuplexStream<Buffer, Buffer>) =>
          call.on('data', (chunk) => call.write(chunk)).on('end', () => call.end()),
      });
      const application = await new Promise<number>((resolve, reject) => {
        server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
          error === null ? resolve(port) : reject(error),
        );
      });
      await pair.start(calling, called, application);
      client = new Client(`127.0.0.1:${pair.outboundPort}`, credentials.createInsecure());
    });

    after(async () => {
      client?.close();
      await pair.close();
      server.forceShutdown();
    });

    const unary = (message: Buffer) =>
      new Promise<{ readonly code: number; readonly reply?: Buffer }>((resolve) => {
        const deadline = { deadline: Date.now() + 10_000 };
        client.makeUnaryRequest(
          ECHO.unary.path,
          same,
          same,
          message,
          new Metadata(),
          deadline,
          (error, reply) =>
            resolve({ code: error?.code ?? status.OK, ...(reply === undefined ? {} : { reply }) }),
        );
      });

    it('answers unary calls, passes on refusals, and tells the server who calls', async () => {
      const message = Buffer.alloc(100_000, 'm');
      await eventually(
        async () => (await unary(message)).code === status.OK,
        () => pair.output,
      );
      assert.ok((await unary(message)).reply?.equals(message));
      assert.match(seen ?? '', new RegExp(`URI=${identityOf('caller')}`));
      assert.equal((await unary(Buffer.alloc(0))).code, status.NOT_FOUND);
      assert.deepEqual(await pair.nacks(), []);
    });

    it('streams both ways at once', async () => {
      const chat = client.makeBidiStreamRequest(ECHO.chat.path, same, same);
      const replies = (chat as unknown as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
      for (const text of ['one', 'two', 'three']) {
        chat.write(Buffer.from(text));
        assert.equal(((await replies.next()) as { value: Buffer }).value.toString(), text);
      }
      chat.end();
      assert.equal((await replies.next()).done, true);
    });
  });
}
