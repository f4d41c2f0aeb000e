import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { forgeCertificate, forgeRoot, uriName } from '@heddle/certs/testing';

/** Who the two sides of a connection are. */
export const CLIENT_ID = 'spiffe://bench/ns/bench/sa/client';
export const SERVER_ID = 'spiffe://bench/ns/bench/sa/server';

/** Files of a side in a folder of certificates. */
export function certificateFiles(
  folder: string,
  side: 'client' | 'server',
): { readonly certificate: string; readonly key: string; readonly root: string } {
  return {
    certificate: path.join(folder, `${side}.pem`),
    key: path.join(folder, `${side}.key`),
    root: path.join(folder, 'root.pem'),
  };
}

/** Writes a root and a leaf for each side, ECDSA P-256 as a mesh has them. */
export function writeCertificates(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const root = forgeRoot('bench');
  for (const [side, id] of [
    ['client', CLIENT_ID],
    ['server', SERVER_ID],
  ] as const) {
    const leaf = forgeCertificate({ issuer: root, names: [uriName(id)] });
    const files = certificateFiles(folder, side);
    writeFileSync(files.certificate, leaf.certificatePem);
    writeFileSync(files.key, leaf.keyPem, { mode: 0o600 });
    writeFileSync(files.root, root.certificatePem);
  }
}

/** What the driver offers as a client: TLS 1.3, its own certificate. The server is known by its root alone. */
export function clientTls(folder: string) {
  return { ...pems(folder, 'client'), checkServerIdentity: () => undefined, servername: 'bench' };
}

export function serverTls(folder: string) {
  return { ...pems(folder, 'server'), requestCert: true, rejectUnauthorized: true };
}

function pems(folder: string, side: 'client' | 'server') {
  const known = loaded.get(`${folder} ${side}`);
  if (known !== undefined) return known;
  const files = certificateFiles(folder, side);
  const fresh = {
    cert: readFileSync(files.certificate),
    key: readFileSync(files.key),
    ca: readFileSync(files.root),
    minVersion: 'TLSv1.3',
  } as const;
  loaded.set(`${folder} ${side}`, fresh);
  return fresh;
}

const loaded = new Map<
  string,
  { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer; readonly minVersion: 'TLSv1.3' }
>();
