/**
 * Where heddle-proxy answers in another way than Envoy on purpose: by the heading of docs/differences.md that says why, by
 * bootstrap file, the titles of the rows. What it answers instead is in `test/bootstraps/<file>.heddle.json`, and is held
 * to that just as strictly.
 */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  'answers-to-what-is-not-http': {
    '03-matchers': ['GET /#q=one'],
    '13-paths-normalised': [
      'HTTP /a/b#frag',
      'HTTP /a/b?q#frag',
      'RAW /a/b#frag',
      'RAW /a/b?q#frag',
      'NORMALISED /a/b#frag',
      'NORMALISED /a/b?q#frag',
      'REJECTING /a/b#frag',
      'REJECTING /a/b?q#frag',
      'REDIRECTING /a/b#frag',
      'REDIRECTING /a/b?q#frag',
      'FORWARDING /a/b#frag',
      'FORWARDING /a/b?q#frag',
    ],
    '17-limits': [
      'a head beyond the limit',
      'a path beyond the limit',
      'fields beyond the limit',
      'HTTP/1.0 where it is not taken',
      'a version that does not exist',
      'a name with an underscore: REJECT',
      'a head that does not come in time',
    ],
    '21-malformed': [
      'length and chunks',
      'chunks and length',
      'chunked twice',
      'chunked, identity',
      'identity, chunked',
      'gzip alone',
      'gzip, chunked',
      'xchunked',
      'chunked with a vertical tab',
      'a space before the colon',
      'two different lengths',
      'two equal lengths',
      'a list of lengths',
      'a signed length',
      'a negative length',
      'a hexadecimal length',
      'a length beyond 2^64',
      'an empty length',
      'a space before a colon',
      'a line without a colon',
      'a line without a name',
      'NUL in a value',
      'NUL in a name',
      'NUL in the path',
      'a parenthesis in a name',
      'a host with a space',
      'a host with a slash',
      'a path without a slash',
      'an asterisk with GET',
      'a path with a space',
      'an unknown method',
      'a method in lower case',
      'a version in lower case',
      'HTTP/2.0',
      'a TLS hello',
      'an obs-text byte in the path',
      'an absolute target of another scheme',
      'a chunk size that is no number',
      'a chunk size with 0x',
      'a signed chunk size',
      'a chunk size beyond 2^64',
      'chunks with bare line feeds',
      'a bare line feed in a chunk extension',
      'a space before a chunk size',
      'no host',
    ],
  },
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
  },
  'broken-answers': {
    '09-failures': [
      'a connection closed within the head',
      'an answer with a status of two digits',
      'an answer with a space before the colon',
      'an answer with length and chunks',
      'an answer with a bare line feed',
      'an answer with 101 without an upgrade',
      'an answer with bad chunks',
      'what each of these is in the access log',
    ],
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
  'access-log-of-what-is-not-http': {
    '19-access-logs': ['text', 'JSON'],
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
  },
};

/** The headings that explain what one row shows otherwise; empty: it has to be as with Envoy. */
export function reasonsFor(file: string, title: string): readonly string[] {
  return Object.entries(DIFFERENCES)
    .filter(([, byFile]) => byFile[file]?.includes(title))
    .map(([heading]) => heading);
}
