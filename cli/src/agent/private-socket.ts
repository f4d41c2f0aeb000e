import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { ServerCredentials, type Server } from '@grpc/grpc-js';

/** The longest path of a Unix socket that every system takes. */
const MAX_PATH_BYTES = 100;

/**
 * Serves gRPC on a Unix socket that only this user can reach: the folder is 0700 before the socket is there, and the socket
 * 0600.
 *
 * Errors: throws where others may enter the folder, where something serves there already, or the path is too long.
 */
export async function bindPrivateSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES)
    throw new Error(
      `the path of the socket ${path} is longer than ${MAX_PATH_BYTES} bytes: choose a shorter one`,
    );
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { mode, uid } = statSync(folder);
  if ((mode & 0o077) !== 0 || (process.getuid !== undefined && uid !== process.getuid()))
    throw new Error(
      `${folder} is open to other users: keys are served there, so make a folder of your own, 0700`,
    );
  if (await isServed(path)) throw new Error(`${path} is in use: another agent serves there`);
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  chmodSync(path, 0o600);
}

/** Whether something accepts connections there; what an agent that was killed left behind does not. */
function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (served: boolean): void => {
      socket.destroy();
      resolve(served);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
