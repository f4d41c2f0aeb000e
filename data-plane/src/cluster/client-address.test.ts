import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { parseIp } from '@heddle/engine';
import { openClientAddressSocket } from '@heddle/supervisor/original-destination';
import { ClientAddress } from './client-address.js';

/** An address of this machine that nothing else connects from. */
const CLIENT = '127.0.0.77';
const MARK = 1337;

describe('the address of a client', () => {
  let server: Server;

  before(async () => {
    server = createServer((socket) => socket.on('data', (bytes) => socket.end(bytes)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  after(() => server.close());

  /** Connects as it says, has `ping` sent back, and tells from where that came. */
  async function talk(client: ClientAddress, host = '127.0.0.1'): Promise<{ from: string; said: string }> {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const { port } = server.address() as AddressInfo;
    const socket = client.sockets.connect({ host, port, allowHalfOpen: true, noDelay: true });
    socket.write('ping');
    const [arrived] = await accepted;
    const from = arrived.remoteAddress ?? '';
    let said = '';
    for await (const chunk of socket) said += String(chunk);
    socket.destroy();
    return { from, said };
  }

  it('is where connections come from, as often as wanted', { skip: whyNot() ?? false }, async () => {
    const client = new ClientAddress(CLIENT, bytesOf(CLIENT), MARK, assert.fail);
    for (let times = 0; times < 3; times++)
      assert.deepEqual(await talk(client), { from: CLIENT, said: 'ping' });
  });

  it('is told about when nothing may come from it, and the connection is made all the same', async () => {
    const told: string[] = [];
    const client = new ClientAddress(
      CLIENT,
      bytesOf(CLIENT),
      MARK,
      (reason) => told.push(reason),
      () => ({
        reason: 'not allowed',
      }),
    );
    assert.deepEqual(await talk(client), { from: '127.0.0.1', said: 'ping' });
    assert.deepEqual(told, ['not allowed']);
  });

  it('of another family than the one that is connected to is left out of it', async () => {
    const client = new ClientAddress('2001:db8::1', bytesOf('2001:db8::1'), MARK, assert.fail, assert.fail);
    assert.deepEqual(await talk(client), { from: '127.0.0.1', said: 'ping' });
  });
});

function bytesOf(ip: string): Uint8Array {
  const bytes = parseIp(ip);
  assert.ok(bytes);
  return bytes;
}

function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux can connect from the address of somebody else';
  if (process.getuid?.() !== 0) return 'needs CAP_NET_RAW';
  const opened = openClientAddressSocket(bytesOf(CLIENT), MARK);
  return 'reason' in opened ? opened.reason : undefined;
}
