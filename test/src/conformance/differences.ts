/**
 * Where heddle-proxy answers in another way than Envoy on purpose: by the heading of docs/differences.md that says why, by
 * bootstrap file, the titles of the rows. What it answers instead is in `test/bootstraps/<file>.heddle.json`, and is held
 * to that just as strictly.
 */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'answers-to-head': {
    '06-redirects': ['HEAD'],
    '07-direct-responses': ['HEAD /no-route'],
    '18-messages': ['HEAD of a chunked resource'],
  },
  'reason-phrases': {
    '07-direct-responses': ['GET /teapot', 'HEAD /teapot'],
    '18-messages': ['an answer of 599'],
  },
  'connection-te': {
    '08-headers': ['headers of one hop are not passed on'],
    '18-messages': ['trailers of a response: HTTP', 'trailers of a response: PLAIN'],
  },
  'fields-of-one-hop': {
    '08-headers': ['headers of one hop are not passed on', 'Connection cannot take away what the proxy adds'],
  },
  'repeated-fields-stay-apart': {
    '08-headers': ['unknown fields pass both ways, repeated ones in order'],
    '14-forwarded': ['HTTP: two fields', 'INNER1: two fields', 'SKIP: two fields', 'NOIDS: two fields'],
    '30-jwt': ['/any-failed', '/failed'].flatMap((path) =>
      ['good and bad', 'bad and good', 'two issuers'].map((tokens) => `${path}: ${tokens}`),
    ),
  },
  'broken-answers': {
    '09-failures': [
      'an answer with a status of two digits',
      'an answer with a space before the colon',
      'an answer with a bare line feed',
      'an answer with 101 without an upgrade',
      'what each of these is in the access log',
    ],
  },
  'connections-closed-while-idle': {
    '09-failures': ['a GET on a connection that was closed while it was idle'],
  },
  'requests-that-a-server-did-not-take': {
    '43-ends-of-connections': [
      ...['refuse', 'go away'].flatMap((what) => [
        `${what}, without retries`,
        `${what}, retried on connect-failure`,
      ]),
      'what is counted of upstreams',
    ],
  },
  'connections-over-a-limit': {
    '29-rate-limits': ['what connections are in the access log'],
  },
  'overload-is-told-apart': {
    '33-overload': ['what each of these is in the access log'],
  },
  'connections-that-are-not-accepted': {
    '33-overload': ['connections are not accepted', 'what each of these is in the access log'],
  },
  'degraded-hosts-on-a-ring': {
    '27-priorities': ['degraded hosts on a ring'],
  },
  'merged-slashes': {
    '13-paths-normalised': ['HTTP ///', 'FORWARDING ///'],
  },
  'connections-stay-where-the-framing-is-clear': {
    '13-paths-normalised': [
      'HTTP /a/%00',
      'NORMALISED /a/%00',
      'REJECTING /a%2Fb',
      'REJECTING /a%2fb',
      'REJECTING /a%5Cb',
      'REJECTING /a%5cb',
      'REJECTING /a/%00',
      'REDIRECTING /a/%00',
      'FORWARDING /a/%00',
    ],
    '42-grpc-web': [
      'no base64',
      'base64 with padding inside one group',
      'base64 with bits left over',
      'base64 that is cut off',
      'base64 that is cut off, wants text',
    ],
  },
  'base64-by-grpc-web': {
    '42-grpc-web': ['parts that were encoded apart', 'what each of these is in the access log'],
  },
  upgrades: {
    '16-upgrades': [
      'taken by the listener',
      'taken by the route',
      'refused by the upstream',
      'answered 200 by the upstream',
      'in capitals, beside keep-alive',
    ],
    '18-messages': ['100-continue answered by the upstream'],
  },
  'refused-upgrades-keep-their-body': {
    '16-upgrades': ['answered 200 by the upstream'],
  },
  'own-version': {
    '17-limits': [
      'HTTP/1.0 with a host',
      'HTTP/1.0 without a host',
      'HTTP/1.0 that wants to stay',
      'a chunked answer for HTTP/1.0',
    ],
  },
  'interim-answers': {
    '18-messages': ['an answer of 103 first'],
  },
  'header-bytes-in-access-logs': {
    '19-access-logs': ['text'],
  },
  'default-access-log': {
    '19-access-logs': ['the default form'],
  },
  'strict-framing': {
    '21-malformed': [
      'a folded coding',
      'bare line feeds',
      'two spaces',
      'one bare line feed',
      'a bare carriage return in a value',
      'a folded line',
      'two hosts',
      'an empty host',
      'a host with a user',
      'no version',
      'a chunk longer than its size',
    ],
  },
  'no-content-length-for-an-empty-options': {
    '21-malformed': ['Max-Forwards'],
    '30-jwt': ['a preflight'],
  },
  'every-token-counts': {
    '30-jwt': ['a parameter twice, the second bad', 'a cookie twice'],
  },
  'strict-tokens': {
    '30-jwt': [
      'an empty part more',
      'a padded signature',
      'something behind the token',
      'crit',
      'the public key as a secret, without kid',
      'of no key without kids',
    ],
  },
  'the-rest-of-a-query': {
    '30-jwt': ['a parameter that goes from between'],
  },
  'claims-that-no-header-may-hold': {
    '30-jwt': ['a claim with a line break', 'a line break in metadata that becomes a header'],
  },
  'what-a-request-leaves-open-is-answered-against-it': {
    '31-rbac-http': [
      ...[
        'deny-role',
        'allow-not-role',
        'deny-present',
        'allow-absent',
        'allow-missing-as-empty',
        'deny-prefix',
        'deny-suffix',
        'deny-contains',
        'deny-regex',
        'allow-not-regex',
        'deny-dot',
      ].map((rules) => `a role by a name with an underscore: ${rules}`),
      ...['allow-role', 'deny-inverted', 'allow-regex'].map((rules) => `different roles at once: ${rules}`),
      ...['deny-regex', 'allow-not-regex', 'deny-umlaut-regex'].map(
        (rules) => `a role that is no text: ${rules}`,
      ),
      'roles: deny-umlaut-regex',
    ],
  },
};

/** The headings that explain what one row shows otherwise; empty: it has to be as with Envoy. */
export function reasonsFor(file: string, title: string): readonly string[] {
  return Object.entries(DIFFERENCES)
    .filter(([, byFile]) => byFile[file]?.includes(title))
    .map(([heading]) => heading);
}
