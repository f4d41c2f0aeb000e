import { BYTE_CLASS, TOKEN } from '../http1/byte-class.js';
import { headerName } from '../http1/header-name.js';

/** What HTTP/2 itself does with a field of that name. */
export const FieldRole = {
  Ordinary: 0,
  Method: 1,
  Scheme: 2,
  Authority: 3,
  Path: 4,
  Protocol: 5,
  Status: 6,
  /** Must not appear: it would be about the connection. Source: RFC 9113 section 8.2.2. */
  Forbidden: 7,
  Te: 8,
  ContentLength: 9,
  Cookie: 10,
  Host: 11,
  /** No name that a message may have: upper case, an unknown pseudo-header, a byte that no token has. */
  Malformed: 12,
} as const;

/** Whether and how an encoder keeps values of that name. Source: what nghttp2 does, RFC 7541 section 7.1. */
export const Indexing = {
  /** When the same value is met again. */
  Repeated: 0,
  /** Never, and nobody behind may either: a secret. */
  Never: 1,
  /** As `Never` where the value is so short that it could be guessed, else as `Repeated`. */
  NeverShort: 2,
  /** Not worth a place: it is another one nearly every time. */
  Unique: 3,
} as const;

/** Everything that is known of a field name in HTTP/2, worked out once. */
export interface FieldName {
  readonly name: string;
  readonly role: number;
  readonly indexing: number;
  /** Its first place in the static table, or 0. */
  readonly staticIndex: number;
  /** Its number among the names that are kept, for tables by name; -1: it is not kept. */
  readonly id: number;
  readonly hasUnderscore: boolean;
}

/** Names and values. Source: RFC 7541 appendix A; the first has the index 1. */
export const STATIC_FIELDS: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((status) => [':status', status] as const),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...(
    'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control ' +
    'content-disposition content-encoding content-language content-length content-location content-range content-type ' +
    'cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since ' +
    'last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after ' +
    'server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate'
  )
    .split(' ')
    .map((name) => [name, ''] as const),
];

const ROLES: ReadonlyMap<string, number> = new Map([
  [':method', FieldRole.Method],
  [':scheme', FieldRole.Scheme],
  [':authority', FieldRole.Authority],
  [':path', FieldRole.Path],
  [':protocol', FieldRole.Protocol],
  [':status', FieldRole.Status],
  ['connection', FieldRole.Forbidden],
  ['keep-alive', FieldRole.Forbidden],
  ['proxy-connection', FieldRole.Forbidden],
  ['transfer-encoding', FieldRole.Forbidden],
  ['upgrade', FieldRole.Forbidden],
  ['te', FieldRole.Te],
  ['content-length', FieldRole.ContentLength],
  ['cookie', FieldRole.Cookie],
  ['host', FieldRole.Host],
]);

const INDEXING: ReadonlyMap<string, number> = new Map([
  ['authorization', Indexing.Never],
  ['proxy-authorization', Indexing.Never],
  ['cookie', Indexing.NeverShort],
  ['set-cookie', Indexing.Unique],
  ['x-request-id', Indexing.Unique],
]);

/** As many as an encoder keeps a table of values for. */
export const MOST_FIELD_NAMES = 1024;
const LONGEST_KEPT_NAME = 64;
const COLON = 58;

const names = new Map<string, FieldName>();

const staticIndexes = new Map<string, number>();
STATIC_FIELDS.forEach(([name], i) => {
  if (!staticIndexes.has(name)) staticIndexes.set(name, i + 1);
});

// Those of the protocol come first, so that hostile names can never keep them out.
for (const name of [...staticIndexes.keys(), ...ROLES.keys(), ...INDEXING.keys()]) fieldName(name);
for (const name of [
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
  'grpc-status',
  'grpc-message',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-upstream-service-time',
  'x-envoy-attempt-count',
  'x-envoy-peer-metadata',
  'x-envoy-peer-metadata-id',
  'x-forwarded-client-cert',
  'traceparent',
  'tracestate',
])
  fieldName(name);

/** What is known of a name, as it came. Cost: one look-up for names seen before. */
export function fieldName(name: string): FieldName {
  return names.get(name) ?? describe(name);
}

function describe(name: string): FieldName {
  const role = ROLES.get(name) ?? (isLowerToken(name) ? FieldRole.Ordinary : FieldRole.Malformed);
  const isWellFormed = role !== FieldRole.Malformed;
  const isKept = isWellFormed && names.size < MOST_FIELD_NAMES && name.length <= LONGEST_KEPT_NAME;
  const described: FieldName = {
    // The same string that HTTP/1.1 uses, so that look-ups by name compare pointers.
    name: isWellFormed && name.charCodeAt(0) !== COLON ? headerName(name).name : name,
    role,
    indexing: INDEXING.get(name) ?? Indexing.Repeated,
    staticIndex: staticIndexes.get(name) ?? 0,
    id: isKept ? names.size : -1,
    hasUnderscore: name.includes('_'),
  };
  if (isKept) names.set(name, described);
  return described;
}

/** How many names are kept now; never more than `MOST_FIELD_NAMES`. */
export function keptFieldNames(): number {
  return names.size;
}

/** Source: RFC 9113 section 8.2.1. */
function isLowerToken(name: string): boolean {
  if (name === '') return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code > 0xff || ((BYTE_CLASS[code] as number) & TOKEN) === 0 || (code >= 65 && code <= 90))
      return false;
  }
  return true;
}
