/** What the codec itself does with a field of that name. */
export const FieldKind = {
  Ordinary: 0,
  Host: 1,
  ContentLength: 2,
  TransferEncoding: 3,
  Connection: 4,
  Upgrade: 5,
  /** Hop-by-hop: never passed on. */
  HopByHop: 6,
  Te: 7,
  /** Passed on, except with an upgrade to HTTP/2, which is refused by ignoring it. */
  Http2Settings: 8,
} as const;

/** Everything that is known of a field name, worked out once. */
export interface HeaderName {
  /** As received. */
  readonly raw: string;
  /** Lower case. */
  readonly name: string;
  readonly kind: number;
  readonly hasUnderscore: boolean;
  /** Whether it is in the table, and holds on to nothing but itself. */
  readonly isKept: boolean;
}

const KINDS: ReadonlyMap<string, number> = new Map([
  ['host', FieldKind.Host],
  ['content-length', FieldKind.ContentLength],
  ['transfer-encoding', FieldKind.TransferEncoding],
  ['connection', FieldKind.Connection],
  ['upgrade', FieldKind.Upgrade],
  ['keep-alive', FieldKind.HopByHop],
  ['proxy-connection', FieldKind.HopByHop],
  ['te', FieldKind.Te],
  ['http2-settings', FieldKind.Http2Settings],
]);

/** Names that are met everywhere, so that hostile names can never keep them out of the table. */
const COMMON =
  'host user-agent accept accept-encoding accept-language authorization cache-control content-encoding content-length ' +
  'content-type cookie date etag expect expires forwarded if-match if-modified-since if-none-match last-modified ' +
  'location origin pragma range referer server set-cookie te trailer transfer-encoding upgrade vary via connection ' +
  'keep-alive proxy-connection http2-settings x-forwarded-for x-forwarded-proto x-forwarded-host x-request-id ' +
  'traceparent tracestate baggage x-envoy-upstream-service-time x-envoy-expected-rq-timeout-ms ' +
  'x-envoy-attempt-count x-envoy-peer-metadata x-envoy-peer-metadata-id access-control-allow-origin ' +
  'strict-transport-security x-forwarded-client-cert';

/** Most names that are kept; others are worked out each time. */
const MOST_NAMES = 2048;
/** Longer names are not worth the memory. */
const LONGEST_KEPT_NAME = 64;

const names = new Map<string, HeaderName>();

for (const name of COMMON.split(' ')) {
  keep(describe(name, name));
  const canonical = name.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
  keep(describe(canonical, name));
}

/** What is known of a field name as received. Cost: one look-up for names seen before. */
export function headerName(raw: string): HeaderName {
  const known = names.get(raw);
  if (known !== undefined) return known;
  const lower = raw.toLowerCase();
  const described = describe(raw, names.get(lower)?.name ?? lower);
  if (names.size < MOST_NAMES && raw.length <= LONGEST_KEPT_NAME) return keep(described);
  return described;
}

/** How many names are kept now; never more than a fixed bound. */
export function keptHeaderNames(): number {
  return names.size;
}

function describe(raw: string, name: string): HeaderName {
  return {
    raw,
    name,
    kind: KINDS.get(name) ?? FieldKind.Ordinary,
    hasUnderscore: raw.includes('_'),
    isKept: false,
  };
}

function keep(described: HeaderName): HeaderName {
  // A substring would keep the whole head it was cut from alive.
  const raw = internalized(Buffer.from(described.raw, 'latin1').toString('latin1'));
  const name = raw === described.name ? raw : described.name;
  const kept = {
    ...described,
    raw,
    name: names.get(name)?.name ?? internalized(Buffer.from(name, 'latin1').toString('latin1')),
    isKept: true,
  };
  names.set(raw, kept);
  return kept;
}

/** The engine's one string of that text, as literals are: two of these are told apart without a look at their letters. */
function internalized(text: string): string {
  return Object.keys({ [text]: 0 })[0] ?? text;
}
