/** Where the applications of the pod that is called listen. */
export const APPLICATION_PORTS = {
  http: 8080,
  webSocket: 8081,
  grpc: 9090,
  postgres: 5432,
  redis: 6379,
  dns: 5353,
} as const;

const bytes = {
  serialize: (message: Buffer): Buffer => message,
  deserialize: (message: Buffer): Buffer => message,
};

/** A method of gRPC that gives back what it gets. */
export const ECHO_METHOD = {
  path: '/test.Echo/Say',
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes.serialize,
  requestDeserialize: bytes.deserialize,
  responseSerialize: bytes.serialize,
  responseDeserialize: bytes.deserialize,
} as const;

/** What the name server of the pod that is called knows. */
export const NAMES = {
  known: 'known.example',
  unknown: 'unknown.example',
  records: new Map<number, Buffer>([
    [1, Buffer.from([192, 0, 2, 7])],
    [28, Buffer.from('20010db8000000000000000000000007', 'hex')],
    [16, Buffer.from('\u0005hello', 'latin1')],
  ]),
} as const;

/** An address as people write it, however the socket was opened. */
export function plainAddress(address: string | undefined): string {
  return (address ?? '').replace('::ffff:', '');
}
